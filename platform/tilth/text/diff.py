"""Word-level differences between two texts, and how far apart they are. Pure: no Django.

Distances and edit operations are rapidfuzz's Levenshtein on lists of words, which takes milliseconds on
long answers where the standard library's difflib takes seconds.
"""

import re
from typing import Literal

from rapidfuzz.distance import Levenshtein

Piece = tuple[Literal["same", "removed", "added"], str]

_TOKEN = re.compile(r"\s+|\w+|[^\w\s]")


def split(text: str) -> list[str]:
    """Words, single marks and runs of space; joined they are the text again."""
    return _TOKEN.findall(text)


def word_diff(old: str, new: str) -> list[Piece]:
    """What stays, goes and comes, in order. Same and removed joined give ``old``; same and added ``new``."""
    before, after = split(old), split(new)
    pieces: list[Piece] = []
    for step in Levenshtein.opcodes(before, after):
        gone = "".join(before[step.src_start : step.src_end])
        come = "".join(after[step.dest_start : step.dest_end])
        if step.tag == "equal":
            pieces.append(("same", gone))
            continue
        pieces += [("removed", gone)] if gone else []
        pieces += [("added", come)] if come else []
    return _merged(pieces)


def _merged(pieces: list[Piece]) -> list[Piece]:
    """Neighbouring changes put together: one removal, then one addition."""
    merged: list[Piece] = []
    removed = added = ""
    for kind, text in [*pieces, ("same", "")]:
        if kind == "removed":
            removed += text
        elif kind == "added":
            added += text
        elif text.isspace() and (removed or added) and "\n" not in text:
            removed, added = removed + text, added + text  # a lone space between changed words
        else:
            merged += [("removed", removed)] if removed else []
            merged += [("added", added)] if added else []
            merged += [("same", text)] if text else []
            removed = added = ""
    return merged


def edit_distance(old: str, new: str) -> float:
    """Levenshtein distance in words over the longer text's words: 0 the same, 1 nothing in common."""
    before, after = old.split(), new.split()
    return float(Levenshtein.normalized_distance(before, after))
