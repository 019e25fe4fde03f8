"""Lists, menus and boilerplate that the older rules let through: FineWeb's own rules.

Penedo et al., "The FineWeb Datasets", arXiv:2406.17557, section 3.6: thresholds found by comparing the
statistics of a good and a bad crawl. Lines of nothing but white space do not count as lines.
"""

import re
from dataclasses import dataclass

from curation.pipeline.document import Document
from curation.pipeline.filters.repeats import MAXIMUM_SPANS, repeated, repeated_spans
from curation.pipeline.step import Apply, Drop, Resources, setting
from tilth.text.characters import SENTENCE_ENDS

NAME = "fineweb"
TITLE = "Line rules (FineWeb)"
SOURCE = "FineWeb, arXiv:2406.17557, section 3.6"
REASONS = {
    "empty": "The page has no text",
    "line_punctuation": "Too few lines end a sentence",
    "short_lines": "Too many lines are short",
    "repeated_characters": "Too much of the text is in repeated lines",
    "line_breaks": "Too many line breaks for the number of words",
}

_LINE = re.compile(r"[^\n]+")
_LINE_FEED = re.compile(r"\n")


@dataclass(frozen=True)
class Settings:
    """The limits of the paper."""

    line_punctuation: float = setting(
        0.12, "Smallest share of lines that end with a sentence-ending mark", minimum=0, maximum=1
    )
    accept_no_punctuation: bool = setting(False, "Accept pages where no line ends with such a mark")
    short_lines: float = setting(0.67, "Largest share of short lines", minimum=0, maximum=1)
    short_line_length: int = setting(30, "Characters up to which a line is short", minimum=0)
    repeated_characters: float = setting(
        0.01, "Largest share of characters in repeated lines", minimum=0, maximum=1
    )
    line_breaks: float = setting(0.3, "Most line breaks per word", minimum=0)


def build(settings: Settings, resources: Resources) -> Apply:
    """The filter; the first rule that is broken names the drop."""

    def apply(document: Document) -> Drop | None:
        text = document.text
        lines = [line for line in text.split("\n") if line and not line.isspace()]
        if not lines:
            return Drop("empty", 0, 1)
        return _line_rules(settings, text, lines) or _line_breaks(settings, document)

    return apply


def _line_rules(settings: Settings, text: str, lines: list[str]) -> Drop | None:
    """The rules on how lines end, how long they are, and how often they repeat."""
    ended = sum(line[-1] in SENTENCE_ENDS for line in lines) / len(lines)
    if ended < settings.line_punctuation and not (ended == 0 and settings.accept_no_punctuation):
        return Drop("line_punctuation", ended, settings.line_punctuation)
    length = settings.short_line_length
    short = sum(len(line) <= length for line in lines) / len(lines)
    if short > settings.short_lines:
        return Drop("short_lines", short, settings.short_lines, _short_spans(text, length))
    share = repeated(lines)[1] / (len(text) - text.count("\n"))
    if share > settings.repeated_characters:
        spans = repeated_spans(text, _LINE_FEED)
        return Drop("repeated_characters", share, settings.repeated_characters, spans)
    return None


def _line_breaks(settings: Settings, document: Document) -> Drop | None:
    """The rule against lists: line breaks per word. Words are counted only if it could be broken."""
    breaks = document.text.count("\n")
    if breaks == 0:
        return None
    words = len(document.tokens)
    ratio = breaks / words if words else float(breaks)
    return Drop("line_breaks", ratio, settings.line_breaks) if ratio > settings.line_breaks else None


def _short_spans(text: str, length: int) -> tuple[tuple[int, int], ...]:
    spans = (m.span() for m in _LINE.finditer(text) if m.end() - m.start() <= length)
    return tuple(span for _, span in zip(range(MAXIMUM_SPANS), spans, strict=False))
