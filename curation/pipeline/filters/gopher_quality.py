"""Pages that do not read like prose: Gopher's quality rules.

Rae et al., "Scaling Language Models" (Gopher), arXiv:2112.11446, section A1.1. Marks count as words where
the paper speaks of a ratio to words, but not where it speaks of the number or the length of words, as in
datatrove.
"""

from collections.abc import Callable
from dataclasses import dataclass

from curation.pipeline.document import Document
from curation.pipeline.filters.repeats import MAXIMUM_SPANS, occurrences
from curation.pipeline.step import Apply, Drop, Resources, setting
from tilth.text.tokens import hash_words

NAME = "gopher_quality"
TITLE = "Quality (Gopher)"
SOURCE = "Gopher, arXiv:2112.11446, section A1.1"
REASONS = {
    "too_few_words": "The page has too few words",
    "too_many_words": "The page has too many words",
    "short_words": "The words are too short on average",
    "long_words": "The words are too long on average",
    "hashes": "Too many # signs for the number of words",
    "ellipses": "Too many ellipses for the number of words",
    "bullets": "Too many lines begin with a bullet",
    "ellipsis_lines": "Too many lines end with an ellipsis",
    "few_letters": "Too few words have a letter",
    "few_stop_words": "Too few of the commonest words of the language occur",
}

_BULLETS = ("•", "-")
_ELLIPSES = ("...", "…")


@dataclass(frozen=True)
class Settings:
    """The limits of the paper."""

    minimum_words: int = setting(50, "Fewest words", minimum=1)
    maximum_words: int = setting(100_000, "Most words", minimum=1)
    minimum_word_length: float = setting(3.0, "Smallest mean length of a word, in characters", minimum=0)
    maximum_word_length: float = setting(10.0, "Largest mean length of a word, in characters", minimum=0)
    symbol_ratio: float = setting(0.1, "Most # signs, and most ellipses, per word", minimum=0)
    bullet_lines: float = setting(
        0.9, "Largest share of lines that begin with a bullet", minimum=0, maximum=1
    )
    ellipsis_lines: float = setting(
        0.3, "Largest share of lines that end with an ellipsis", minimum=0, maximum=1
    )
    lettered_words: float = setting(0.8, "Smallest share of words with a letter", minimum=0, maximum=1)
    minimum_stop_words: int = setting(2, "How many different stop words must occur", minimum=0)
    stop_words: tuple[str, ...] = setting(
        ("the", "be", "to", "of", "and", "that", "have", "with"), "The commonest words of the language"
    )


def build(settings: Settings, resources: Resources) -> Apply:
    """The filter; the first rule that is broken names the drop."""
    from tilth.text import word_counts  # numba: only a process that filters pays for it

    stop_words = hash_words(frozenset(settings.stop_words))

    def apply(document: Document) -> Drop | None:
        tokens = document.tokens
        texts, characters, lettered = word_counts.count_words(tokens.starts, tokens.ends, tokens.marks)
        if drop := _words(settings, texts, characters) or _symbols(settings, document.text, len(tokens)):
            return drop
        share = lettered / len(tokens)
        if share < settings.lettered_words:
            return Drop("few_letters", share, settings.lettered_words)
        found = word_counts.count_known(tokens.hashes, stop_words, settings.minimum_stop_words)
        if found < settings.minimum_stop_words:
            return Drop("few_stop_words", found, settings.minimum_stop_words)
        return None

    return apply


def _words(settings: Settings, count: int, characters: int) -> Drop | None:
    """The rules on the number and the length of words."""
    if count < settings.minimum_words:
        return Drop("too_few_words", count, settings.minimum_words)
    if count > settings.maximum_words:
        return Drop("too_many_words", count, settings.maximum_words)
    mean = characters / count
    if mean < settings.minimum_word_length:
        return Drop("short_words", mean, settings.minimum_word_length)
    if mean > settings.maximum_word_length:
        return Drop("long_words", mean, settings.maximum_word_length)
    return None


def _symbols(settings: Settings, text: str, words: int) -> Drop | None:
    """The rules on # signs, ellipses and bullets."""
    hashes = text.count("#")
    if hashes / words > settings.symbol_ratio:
        return Drop("hashes", hashes / words, settings.symbol_ratio, occurrences(text, "#"))
    ellipses = sum(text.count(mark) for mark in _ELLIPSES)
    if ellipses / words > settings.symbol_ratio:
        spans = sorted(span for mark in _ELLIPSES for span in occurrences(text, mark))
        return Drop("ellipses", ellipses / words, settings.symbol_ratio, tuple(spans[:MAXIMUM_SPANS]))
    bullets = sum(text.count(mark) for mark in _BULLETS)
    return _marked_lines(
        text, "bullets", settings.bullet_lines, bullets, lambda line: line.lstrip().startswith(_BULLETS)
    ) or _marked_lines(
        text,
        "ellipsis_lines",
        settings.ellipsis_lines,
        ellipses,
        lambda line: line.rstrip().endswith(_ELLIPSES),
    )


def _marked_lines(
    text: str, reason: str, limit: float, marks: int, is_marked: Callable[[str], bool]
) -> Drop | None:
    """Drop when too many lines bear the mark; ``marks``, how often it stands anywhere, spares most pages the look."""
    if marks == 0:
        return None
    lines = text.splitlines(keepends=True)
    if marks / len(lines) <= limit:
        return None
    share = sum(map(is_marked, lines)) / len(lines)
    if share <= limit:
        return None
    spans, start = [], 0
    for line in lines:
        if is_marked(line):
            spans.append((start, start + len(line.rstrip())))
        start += len(line)
    return Drop(reason, share, limit, tuple(spans[:MAXIMUM_SPANS]))
