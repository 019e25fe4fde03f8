"""Repeated lines and paragraphs: counted alike by the repetition and the FineWeb filters."""

import re
from collections.abc import Iterator

MAXIMUM_SPANS = 50


def repeated(parts: list[str]) -> tuple[int, int]:
    """How many parts came before in the list, and the characters in them."""
    if len(set(parts)) == len(parts):
        return 0, 0
    seen: set[str] = set()
    count = characters = 0
    for part in parts:
        if part in seen:
            count += 1
            characters += len(part)
        else:
            seen.add(part)
    return count, characters


def repeated_spans(text: str, separator: re.Pattern[str]) -> tuple[tuple[int, int], ...]:
    """Where the repeated parts of a text stand, for the reader: the first fifty."""
    seen: set[str] = set()
    spans: list[tuple[int, int]] = []
    for start, end in _parts(text, separator):
        part = text[start:end]
        if part and part in seen:
            spans.append((start, end))
            if len(spans) == MAXIMUM_SPANS:
                break
        seen.add(part)
    return tuple(spans)


def occurrences(text: str, part: str) -> tuple[tuple[int, int], ...]:
    """Where a part stands in a text, without overlaps: the first fifty."""
    spans: list[tuple[int, int]] = []
    at = text.find(part)
    while at >= 0 and len(spans) < MAXIMUM_SPANS:
        spans.append((at, at + len(part)))
        at = text.find(part, at + len(part))
    return tuple(spans)


def _parts(text: str, separator: re.Pattern[str]) -> Iterator[tuple[int, int]]:
    start = 0
    for match in separator.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)
