"""Pages that say the same thing again and again: Gopher's repetition rules.

Rae et al., "Scaling Language Models" (Gopher), arXiv:2112.11446, table A1. Shares are of the characters of
the text, as datatrove counts them. Lines first, since they cost little; runs of words after them.
"""

import re
from dataclasses import dataclass

import numpy as np

from curation.pipeline.document import Document
from curation.pipeline.filters.repeats import MAXIMUM_SPANS, occurrences, repeated, repeated_spans
from curation.pipeline.step import Apply, Drop, Resources, setting

NAME = "gopher_repetition"
TITLE = "Repetition (Gopher)"
SOURCE = "Gopher, arXiv:2112.11446, table A1"
_TOP = (2, 3, 4)
_REPEATED = (5, 6, 7, 8, 9, 10)
REASONS = {
    "empty": "The page has no text",
    "repeated_paragraphs": "Too many paragraphs came before on the page",
    "repeated_paragraph_characters": "Too much of the text is in repeated paragraphs",
    "repeated_lines": "Too many lines came before on the page",
    "repeated_line_characters": "Too much of the text is in repeated lines",
    **{f"top_{n}gram": f"The commonest run of {n} words makes up too much of the text" for n in _TOP},
    **{f"repeated_{n}grams": f"Too much of the text is in repeated runs of {n} words" for n in _REPEATED},
}

_PARAGRAPH_BREAK = re.compile(r"\n{2,}")
_LINE_BREAK = re.compile(r"\n+")


@dataclass(frozen=True)
class Settings:
    """The largest share allowed of each kind of repetition; 1 switches a rule off."""

    repeated_paragraphs: float = setting(
        0.30, "Largest share of paragraphs that repeat", minimum=0, maximum=1
    )
    repeated_paragraph_characters: float = setting(
        0.20, "Largest share of characters in repeated paragraphs", minimum=0, maximum=1
    )
    repeated_lines: float = setting(0.30, "Largest share of lines that repeat", minimum=0, maximum=1)
    repeated_line_characters: float = setting(
        0.20, "Largest share of characters in repeated lines", minimum=0, maximum=1
    )
    top_2gram: float = setting(0.20, "Largest share of the commonest 2 words", minimum=0, maximum=1)
    top_3gram: float = setting(0.18, "Largest share of the commonest 3 words", minimum=0, maximum=1)
    top_4gram: float = setting(0.16, "Largest share of the commonest 4 words", minimum=0, maximum=1)
    repeated_5grams: float = setting(0.15, "Largest share of repeated runs of 5 words", minimum=0, maximum=1)
    repeated_6grams: float = setting(0.14, "Largest share of repeated runs of 6 words", minimum=0, maximum=1)
    repeated_7grams: float = setting(0.13, "Largest share of repeated runs of 7 words", minimum=0, maximum=1)
    repeated_8grams: float = setting(0.12, "Largest share of repeated runs of 8 words", minimum=0, maximum=1)
    repeated_9grams: float = setting(0.11, "Largest share of repeated runs of 9 words", minimum=0, maximum=1)
    repeated_10grams: float = setting(
        0.10, "Largest share of repeated runs of 10 words", minimum=0, maximum=1
    )


def build(settings: Settings, resources: Resources) -> Apply:
    """The filter; the first rule that is broken names the drop."""
    from tilth.text import ngrams  # numba: only a process that filters pays for it

    top_sizes, repeated_sizes = np.array(_TOP), np.array(_REPEATED)
    top_limits = [getattr(settings, f"top_{n}gram") for n in _TOP]
    repeated_limits = np.array([getattr(settings, f"repeated_{n}grams") for n in _REPEATED])

    def top(document: Document) -> Drop | None:
        text, tokens = document.text, document.tokens
        found = ngrams.top_runs(tokens.starts, tokens.ends, tokens.hashes, tokens.powers, top_sizes)
        for size, limit, characters, first in zip(_TOP, top_limits, *found, strict=True):
            if characters / len(text) > limit:
                start, end = tokens.span(first, size)
                spans = occurrences(text, text[start:end])
                return Drop(f"top_{size}gram", float(characters / len(text)), limit, spans)
        return None

    def runs(document: Document) -> Drop | None:
        text, tokens = document.text, document.tokens
        spots = np.empty(MAXIMUM_SPANS, dtype=np.int32)
        words = (tokens.starts, tokens.ends, tokens.hashes, tokens.powers)
        which, characters, count = ngrams.repeated_runs(
            *words, repeated_sizes, repeated_limits, len(text), spots
        )
        if which < 0:
            return None
        size = _REPEATED[which]
        spans = tuple(tokens.span(spot, size) for spot in spots[:count])
        return Drop(f"repeated_{size}grams", characters / len(text), float(repeated_limits[which]), spans)

    def apply(document: Document) -> Drop | None:
        if not document.text:
            return Drop("empty", 0, 1)
        return _lines(document.text, settings) or top(document) or runs(document)

    return apply


def _lines(text: str, settings: Settings) -> Drop | None:
    """The rules on paragraphs (split at blank lines) and lines."""
    paragraphs = _PARAGRAPH_BREAK.split(text.strip())
    count, characters = repeated(paragraphs)
    share, of_text = count / len(paragraphs), characters / len(text)
    limits = (settings.repeated_paragraphs, settings.repeated_paragraph_characters)
    if count and (drop := _judge("paragraph", share, of_text, limits, text, _PARAGRAPH_BREAK)):
        return drop
    lines = _LINE_BREAK.split(text)
    count, characters = repeated(lines)
    share, of_text = count / len(lines), characters / len(text)
    limits = (settings.repeated_lines, settings.repeated_line_characters)
    return _judge("line", share, of_text, limits, text, _LINE_BREAK) if count else None


def _judge(
    what: str,
    share: float,
    of_text: float,
    limits: tuple[float, float],
    text: str,
    separator: re.Pattern[str],
) -> Drop | None:
    """Compare the two shares of repeated lines or paragraphs with their limits."""
    if share > limits[0]:
        return Drop(f"repeated_{what}s", share, limits[0], repeated_spans(text, separator))
    if of_text > limits[1]:
        return Drop(f"repeated_{what}_characters", of_text, limits[1], repeated_spans(text, separator))
    return None
