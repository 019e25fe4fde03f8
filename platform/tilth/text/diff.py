"""Word-level differences between two texts, and how far apart they are. Pure: no Django.

Distances and edit operations are rapidfuzz's Levenshtein, which takes milliseconds on long answers where the
standard library's difflib takes seconds. It is given one character a word, and a small guess of the distance: then it
looks near the diagonal first, so that two long texts that differ in a few places cost little more than their length.
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
    rf"\s+|[\U0001f1e6-\U0001f1ff]{{2}}|{_UNSPACED_TOKEN}|(?:[^\W{_UNSPACED}]++[{_ATTACHED}]*+)+"
    rf"|[^\w\s](?:[{_ATTACHED}]*\u200d[^\w\s])*[{_ATTACHED}]*"
)
_WORD = re.compile(rf"{_UNSPACED_TOKEN}|[^\s{_UNSPACED}]+")


_GUESS = 64
"""The first guess of how many words differ; rapidfuzz doubles it until it is enough."""

MOST_CELLS = 6_000_000_000
"""Word pairs (words of one text times those of the other) that are compared whatever the texts have in common."""

PASSAGE = 5_000
"""Words of a passage, where two longer texts have little in common."""

_FIRST = 0x100
_LAST = 0x10FFFF


def split(text: str) -> list[str]:
    """Words, single marks and runs of space, never a part of a character; joined they are the text again."""
    return _TOKEN.findall(text)


def word_diff(old: str, new: str) -> list[Piece]:
    """What stays, goes and comes, in order. Same and removed joined give ``old``; same and added ``new``.

    Of very long texts (:data:`MOST_CELLS`) that have little in common, all goes and all comes.
    """
    before, after = split(old), split(new)
    coded = _coded(before, after)
    limit = _most_changes(before, after)
    if limit is not None and Levenshtein.distance(*coded, score_hint=_GUESS, score_cutoff=limit) > limit:
        return [("removed", old), ("added", new)]
    pieces: list[Piece] = []
    for step in Levenshtein.opcodes(*coded, score_hint=_GUESS):
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

    A character counts as a word in scripts without spaces. Very long texts (:data:`MOST_CELLS`) that have little in
    common are compared passage by passage, which finds a little more than the least that could have been changed.
    """
    before, after = _WORD.findall(old), _WORD.findall(new)
    limit = _most_changes(before, after)
    found = Levenshtein.distance(*_coded(before, after), score_hint=_GUESS, score_cutoff=limit)
    if limit is not None and found > limit:
        found = _by_passages(before, after)
    return found / max(len(before), len(after), 1)


def _by_passages(before: list[str], after: list[str]) -> int:
    count = -(-max(len(before), len(after)) // PASSAGE)
    passages = (
        [words[len(words) * n // count : len(words) * (n + 1) // count] for words in (before, after)]
        for n in range(count)
    )
    return sum(Levenshtein.distance(*_coded(*pair)) for pair in passages)


def _coded(before: list[str], after: list[str]) -> tuple[str, str] | tuple[list[str], list[str]]:
    """Both texts with one character a word, which is compared several times as fast as words are."""
    codes = {word: _FIRST + number for number, word in enumerate(dict.fromkeys(chain(before, after)))}
    if len(codes) > _LAST - _FIRST:
        return before, after
    first, second = ("".join(chr(codes[word]) for word in words) for words in (before, after))
    return first, second


def _most_changes(before: list[str], after: list[str]) -> int | None:
    """How many changes are looked for; without a limit where the texts are short enough for any number."""
    if len(before) * len(after) <= MOST_CELLS:
        return None
    return MOST_CELLS // (2 * max(len(before), len(after)))
