"""Word-level differences between two texts, and how far apart they are. Pure: no Django.

Distances and edit operations are rapidfuzz's Levenshtein on lists of words, which takes milliseconds on
long answers where the standard library's difflib takes seconds.
"""

import re
import unicodedata
from itertools import chain
from typing import Literal

from rapidfuzz.distance import Levenshtein

Piece = tuple[Literal["same", "removed", "added"], str]

_POINTS = chain(range(0x300, 0x20000), range(0xE0100, 0xE01F0))
_ATTACHED = (
    "".join(re.escape(chr(point)) for point in _POINTS if unicodedata.category(chr(point)).startswith("M"))
    + "\u200c\u200d\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"
)
"""What belongs to the character before it: accents, vowel signs, joiners, skin tones, tags of flags."""

_UNSPACED = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
"""Scripts that write no spaces between words (Thai to Tibetan, Burmese, Khmer, kana, Han): each character counts."""

_UNSPACED_TOKEN = f"[{_UNSPACED}][{_ATTACHED}]*"
_TOKEN = re.compile(
    rf"\s+|[\U0001f1e6-\U0001f1ff]{{2}}|{_UNSPACED_TOKEN}|(?:(?![{_UNSPACED}])\w[{_ATTACHED}]*)+"
    rf"|[^\w\s](?:[{_ATTACHED}]*\u200d[^\w\s])*[{_ATTACHED}]*"
)
_WORD = re.compile(rf"{_UNSPACED_TOKEN}|[^\s{_UNSPACED}]+")


def split(text: str) -> list[str]:
    """Words, single marks and runs of space, never a part of a character; joined they are the text again."""
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
    """Levenshtein distance in words over the longer text's words: 0 the same, 1 nothing in common.

    A character counts as a word in scripts without spaces.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    return float(Levenshtein.normalized_distance(before, after))
