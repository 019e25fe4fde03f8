"""A text cut at the places that a rule objects to, so that a page can mark them."""

from collections.abc import Iterable


def cut(text: str, spans: Iterable[Iterable[int]]) -> list[tuple[str, bool]]:
    """``text`` as pieces in order, each with whether it is marked; overlapping spans are joined."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in sorted((max(0, a), min(len(text), b)) for a, b in spans):
        start = max(start, at)
        if end <= start:
            continue
        if start > at:
            pieces.append((text[at:start], False))
        pieces.append((text[start:end], True))
        at = end
    if at < len(text):
        pieces.append((text[at:], False))
    return pieces


def around(pieces: list[tuple[str, bool]], characters: int = 300) -> list[tuple[str, bool]]:
    """The pieces up to a little past the first mark, for a list of samples."""
    shown: list[tuple[str, bool]] = []
    for text, marked in pieces:
        if not marked and not shown:
            shown.append((text[-characters // 2 :] if len(pieces) > 1 else text[:characters], False))
            continue
        shown.append((text[:characters], marked))
        if not marked:
            break
    return shown
