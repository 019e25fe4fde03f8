"""Boilerplate lines and pages that are no prose: the rules of C4.

Raffel et al., "Exploring the Limits of Transfer Learning" (T5), arXiv:1910.10683, section 2.2, with the line
rules of its published code (very long words, cookie and policy notices, Wikipedia citations). Lines that
break a rule are removed and counted; a page goes when it holds a forbidden phrase or too few sentences
remain. FineWeb runs it with ``terminal_punctuation`` off.
"""

import re
from dataclasses import dataclass

from curation.pipeline.document import Document
from curation.pipeline.filters.repeats import occurrences
from curation.pipeline.step import Apply, Drop, Resources, setting

NAME = "c4"
TITLE = "Line and page rules (C4)"
SOURCE = "C4, arXiv:1910.10683, section 2.2"
REASONS = {
    "lorem_ipsum": "The page holds the filler text lorem ipsum",
    "curly_bracket": "The page holds a curly bracket, so it is likely code",
    "too_few_sentences": "Too few sentences remain after the line rules",
}
_LINE_RULES = {
    "long_word": "a word is too long",
    "no_end_mark": "the line does not end a sentence",
    "few_words": "the line has too few words",
    "javascript": "the line speaks of JavaScript",
    "policy": "the line is a cookie or policy notice",
}
SIGNALS = {f"c4_lines_{rule}": f"Lines removed because {why}" for rule, why in _LINE_RULES.items()}

_CITATION = re.compile(r"\[\d*\]|\[edit\]|\[citation needed\]")
_END_MARKS = (".", "?", "!", '"', "'")
_POLICIES = (
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


@dataclass(frozen=True)
class Settings:
    """The rules of the paper; each can be switched off."""

    terminal_punctuation: bool = setting(True, "Remove lines that do not end with . ? ! or a quotation mark")
    minimum_words: int = setting(3, "Fewest words a line must have; 0 for no limit", minimum=0)
    maximum_word_length: int = setting(1000, "Remove lines with a longer word; 0 for no limit", minimum=0)
    minimum_sentences: int = setting(5, "Fewest sentences a page must keep; 0 for no limit", minimum=0)
    citations: bool = setting(True, "Cut Wikipedia's citation marks out of lines")
    javascript: bool = setting(True, "Remove lines that speak of JavaScript")
    policies: bool = setting(True, "Remove lines that are cookie or policy notices")
    lorem_ipsum: bool = setting(True, "Drop pages with lorem ipsum")
    curly_brackets: bool = setting(True, "Drop pages with a curly bracket")


@dataclass(slots=True)
class _Suspicions:
    """Which phrases the page holds anywhere; a line is searched only for these."""

    citations: bool
    lorem_ipsum: bool
    javascript: bool
    curly_bracket: bool
    policies: tuple[str, ...]


def build(settings: Settings, resources: Resources) -> Apply:
    """The filter; it rewrites the text of the pages that it keeps."""
    from tilth.text import word_counts  # numba: only a process that filters pays for it

    def sentences(document: Document, lines: int) -> int:
        """Sentences of the text as it stands: one a line, and those that begin within a line."""
        tokens = document.tokens
        return lines + int(
            word_counts.extra_sentences(tokens.codes, tokens.starts, tokens.ends, tokens.marks)
        )

    def apply(document: Document) -> Drop | None:
        kept, removed, page_reason = _read_lines(settings, document.text)
        if page_reason:
            phrase = "lorem ipsum" if page_reason == "lorem_ipsum" else "{"
            return Drop(page_reason, phrase, None, occurrences(_lower(document.text), phrase))
        original, document.text = document.text, "\n".join(kept).strip()
        if len(kept) < settings.minimum_sentences:
            count = sentences(document, len(kept))
            if count < settings.minimum_sentences:
                document.text = original
                return Drop("too_few_sentences", count, settings.minimum_sentences)
        document.signals.update(removed)
        return None

    return apply


def _read_lines(settings: Settings, text: str) -> tuple[list[str], dict[str, float], str]:
    """The lines to keep, how many each rule removed, and the reason to drop the page ("" for none)."""
    found = _suspect(settings, text)
    removed = dict.fromkeys(SIGNALS, 0.0)
    kept: list[str] = []
    for raw in text.splitlines():
        line, rule = _judge_line(settings, found, raw.strip())
        if rule in REASONS:
            return [], removed, rule
        if rule:
            removed[f"c4_lines_{rule}"] += 1
        else:
            kept.append(line)
    return kept, removed, ""


def _judge_line(settings: Settings, found: _Suspicions, line: str) -> tuple[str, str]:
    """The line without citations, and the rule that it breaks ("" for none), in the order of C4's code."""
    longest = settings.maximum_word_length
    words = line.split() if len(line) > longest else line.split(None, settings.minimum_words)
    if longest and len(line) > longest and max(map(len, words)) > longest:
        return line, "long_word"
    if found.citations:
        line = _CITATION.sub("", line)
    if settings.terminal_punctuation and (not line.endswith(_END_MARKS) or line.endswith("...")):
        return line, "no_end_mark"
    if len(words) < settings.minimum_words:
        return line, "few_words"
    return line, _judge_phrases(found, line)


def _judge_phrases(found: _Suspicions, line: str) -> str:
    """The rule on phrases that a line breaks."""
    if found.lorem_ipsum and "lorem ipsum" in line.lower():
        return "lorem_ipsum"
    if found.javascript and "javascript" in line.lower():
        return "javascript"
    if found.curly_bracket and "{" in line:
        return "curly_bracket"
    if found.policies and _holds_any(line.lower(), found.policies):
        return "policy"
    return ""


def _suspect(settings: Settings, text: str) -> _Suspicions:
    """Look once at the whole page, so that most lines need no search at all."""
    lowered = text.lower()
    return _Suspicions(
        citations=settings.citations and "[" in text,
        lorem_ipsum=settings.lorem_ipsum and "lorem ipsum" in lowered,
        javascript=settings.javascript and "javascript" in lowered,
        curly_bracket=settings.curly_brackets and "{" in text,
        policies=tuple(p for p in _POLICIES if settings.policies and p in lowered),
    )


def _holds_any(line: str, phrases: tuple[str, ...]) -> bool:
    return any(phrase in line for phrase in phrases)


def _lower(text: str) -> str:
    """The text in lower case, character for character, so that positions stay."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)
