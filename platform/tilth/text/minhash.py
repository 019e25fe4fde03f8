"""MinHash signatures of word n-grams: what fuzzy deduplication compares instead of texts.

A text is normalised, cut into words, its word n-grams are hashed (XXH32 of the UTF-8 bytes, words
joined by one space) and each permutation ``a·h + b mod 2**32`` keeps its smallest value. The result
equals ``datasketch.MinHash(num_perm, seed, hashfunc=xxhash.xxh32_intdigest)`` updated with the same
n-grams (scheme ``affine32``, its default since 2.0), value for value; only the arithmetic is compiled.

Normalisation follows datatrove's ``simplify_text``, which FineWeb was deduplicated with: lower case,
numbers to ``0``, punctuation to spaces, accents dropped. Three differences, all towards less work
for the same aim: punctuation is Unicode's own (categories P, S, Z, C) instead of a list; invisible
characters within words (Cf, as the soft hyphen) vanish; and each character of a script written without spaces (Han, kana,
Thai, Lao, Khmer, Burmese) is a word, which stands in for a tokenizer per language. Everything is one
pass over the code points; time is linear in the text.

Source: Broder, "On the resemblance and containment of documents" (1997); Penedo et al., "The FineWeb
Datasets" (2024), appendix on MinHash: 5-grams, 14 bands of 8.
"""

import unicodedata
from functools import cache

import numba
import numpy as np
from numpy.typing import NDArray

_DROP, _BREAK, _LETTER, _DIGIT, _SOLO = range(5)
_PRIME1, _PRIME2, _PRIME3 = np.uint32(2654435761), np.uint32(2246822519), np.uint32(3266489917)
_PRIME4, _PRIME5 = np.uint32(668265263), np.uint32(374761393)
_CLASSES = {"Nd": _DIGIT, "Mn": _DROP, "Cf": _DROP} | dict.fromkeys(
    (
        "Pc",
        "Pd",
        "Ps",
        "Pe",
        "Pi",
        "Pf",
        "Po",
        "Sm",
        "Sc",
        "Sk",
        "So",
        "Zs",
        "Zl",
        "Zp",
        "Cc",
        "Cn",
        "Cs",
        "Co",
    ),
    _BREAK,
)
_DECIMAL_MARKS = frozenset(".,،٫")
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # kana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x323AF),
)


def words(text: str) -> list[str]:
    """The normalised words of a text, in order."""
    data, ends = _normalise(text)
    starts = np.concatenate(([0], ends[:-1] + 1)) if len(ends) else ends
    return [bytes(data[s:e]).decode() for s, e in zip(starts, ends, strict=True)]


def shingles(text: str, size: int = 5) -> list[str]:
    """The word n-grams that a signature is made of, in order and with repeats; none for shorter texts."""
    found = words(text)
    return [" ".join(found[i : i + size]) for i in range(len(found) - size + 1)]


@cache
def permutations(count: int, seed: int = 1) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """``a`` (odd) and ``b`` of each permutation, drawn as ``datasketch`` draws them for the seed."""
    generator = np.random.RandomState(seed)
    a = generator.randint(0, 1 << 31, count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return a, generator.randint(0, 1 << 32, count, dtype=np.uint32)


def signature(text: str, *, count: int = 112, size: int = 5, seed: int = 1) -> NDArray[np.uint32] | None:
    """The MinHash signature, ``uint32[count]``; ``None`` for a text of fewer than ``size`` words."""
    data, ends = _normalise(text)
    if len(ends) < size:
        return None
    return _minima(_hash_shingles(data, ends, size), *permutations(count, seed))


def _normalise(text: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """UTF-8 of the words joined by single spaces, and the byte position where each word ends."""
    points = np.frombuffer(text.encode("utf-32-le", "replace"), dtype=np.uint32)
    return _normalise_points(points, *_tables())


@cache
def _tables() -> tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint32]]:
    """Per code point: what it becomes, its class; and the decimal marks. Built once per process."""
    size = 0x32400  # beyond lie only private use and tags
    categories = [unicodedata.category(chr(point)) for point in range(size)]
    classes = np.array([_CLASSES.get(category, _LETTER) for category in categories], dtype=np.uint8)
    for low, high in _UNSPACED:
        block = classes[low : high + 1]
        block[block == _LETTER] = _SOLO
    becomes = np.arange(size, dtype=np.uint32)
    for point in np.flatnonzero(classes == _LETTER).tolist():
        if not 0xAC00 <= point <= 0xD7A3:  # Hangul would come apart into its letters
            becomes[point] = ord(_base(chr(point)))
    return becomes, classes, np.array(sorted(map(ord, _DECIMAL_MARKS)), dtype=np.uint32)


def _base(char: str) -> str:
    """The lower-case letter without accents; sigma has one form, wherever in the word it stands."""
    lowered = unicodedata.normalize("NFD", char.lower())
    return next((c for c in lowered if unicodedata.category(c) != "Mn"), char).replace("ς", "σ")


@numba.njit(cache=True, nogil=True)
def _normalise_points(
    points: NDArray[np.uint32],
    becomes: NDArray[np.uint32],
    classes: NDArray[np.uint8],
    marks: NDArray[np.uint32],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    total = len(points)
    data = np.empty(total * 5 + 1, dtype=np.uint8)
    ends = np.empty(total + 1, dtype=np.int64)
    at, count, inside = 0, 0, False
    i = 0
    while i < total:
        point = points[i]
        kind = classes[point] if point < len(classes) else np.uint8(_BREAK)
        if kind == _DROP:
            i += 1
            continue
        if inside and kind in (_BREAK, _SOLO):
            ends[count] = at
            count += 1
            inside = False
        if kind == _BREAK:
            i += 1
            continue
        if not inside and count > 0:
            data[at] = 32
            at += 1
        if kind == _DIGIT:
            i = _end_of_number(points, classes, marks, i)
            data[at] = 48
            at += 1
            inside = True
            continue
        at = _put_utf8(data, at, becomes[point])
        inside = True
        if kind == _SOLO:
            ends[count] = at
            count += 1
            inside = False
        i += 1
    if inside:
        ends[count] = at
        count += 1
    return data[:at], ends[:count]


@numba.njit(cache=True, nogil=True)
def _end_of_number(
    points: NDArray[np.uint32], classes: NDArray[np.uint8], marks: NDArray[np.uint32], i: int
) -> int:
    """The position after digits, with one decimal part: ``1,234.5`` is the two numbers 1,234 and 5."""
    total = len(points)
    while i < total and points[i] < len(classes) and classes[points[i]] == _DIGIT:
        i += 1
    if i + 1 < total and points[i + 1] < len(classes) and classes[points[i + 1]] == _DIGIT:
        for mark in marks:
            if points[i] == mark:
                i += 1
                while i < total and points[i] < len(classes) and classes[points[i]] == _DIGIT:
                    i += 1
                break
    return i


@numba.njit(cache=True, nogil=True)
def _put_utf8(data: NDArray[np.uint8], at: int, point: int) -> int:
    if point < 0x80:
        data[at] = point
        return at + 1
    if point < 0x800:
        data[at] = 0xC0 | (point >> 6)
        data[at + 1] = 0x80 | (point & 0x3F)
        return at + 2
    if point < 0x10000:
        data[at] = 0xE0 | (point >> 12)
        data[at + 1] = 0x80 | ((point >> 6) & 0x3F)
        data[at + 2] = 0x80 | (point & 0x3F)
        return at + 3
    data[at] = 0xF0 | (point >> 18)
    data[at + 1] = 0x80 | ((point >> 12) & 0x3F)
    data[at + 2] = 0x80 | ((point >> 6) & 0x3F)
    data[at + 3] = 0x80 | (point & 0x3F)
    return at + 4


@numba.njit(cache=True, nogil=True)
def _hash_shingles(data: NDArray[np.uint8], ends: NDArray[np.int64], size: int) -> NDArray[np.uint32]:
    hashes = np.empty(len(ends) - size + 1, dtype=np.uint32)
    for i in range(len(hashes)):
        start = ends[i - 1] + 1 if i else 0
        hashes[i] = _mix(_xxh32(data, start, ends[i + size - 1]))
    return hashes


@numba.njit(cache=True, nogil=True, inline="always")
def _rotate(value: np.uint32, bits: int) -> np.uint32:
    return np.uint32((value << np.uint32(bits)) | (value >> np.uint32(32 - bits)))


@numba.njit(cache=True, nogil=True, inline="always")
def _word(data: NDArray[np.uint8], at: int) -> np.uint32:
    return np.uint32(
        np.uint32(data[at])
        | (np.uint32(data[at + 1]) << np.uint32(8))
        | (np.uint32(data[at + 2]) << np.uint32(16))
        | (np.uint32(data[at + 3]) << np.uint32(24))
    )


@numba.njit(cache=True, nogil=True, inline="always")
def _round(lane: np.uint32, value: np.uint32) -> np.uint32:
    return np.uint32(_rotate(np.uint32(lane + np.uint32(value * _PRIME2)), 13) * _PRIME1)


@numba.njit(cache=True, nogil=True)
def _xxh32(data: NDArray[np.uint8], start: int, stop: int) -> np.uint32:
    """XXH32 with seed 0 of ``data[start:stop]``, after the public specification."""
    at = start
    if stop - start >= 16:
        lane1, lane2 = np.uint32(_PRIME1 + _PRIME2), _PRIME2
        lane3, lane4 = np.uint32(0), np.uint32(np.uint32(0) - _PRIME1)
        while at + 16 <= stop:
            lane1, lane2 = _round(lane1, _word(data, at)), _round(lane2, _word(data, at + 4))
            lane3, lane4 = _round(lane3, _word(data, at + 8)), _round(lane4, _word(data, at + 12))
            at += 16
        total = np.uint32(_rotate(lane1, 1) + _rotate(lane2, 7))
        total = np.uint32(np.uint32(total + _rotate(lane3, 12)) + _rotate(lane4, 18))
    else:
        total = _PRIME5
    total = np.uint32(total + np.uint32(stop - start))
    while at + 4 <= stop:
        total = np.uint32(_rotate(np.uint32(total + np.uint32(_word(data, at) * _PRIME3)), 17) * _PRIME4)
        at += 4
    while at < stop:
        total = np.uint32(_rotate(np.uint32(total + np.uint32(np.uint32(data[at]) * _PRIME5)), 11) * _PRIME1)
        at += 1
    total = np.uint32((total ^ (total >> np.uint32(15))) * _PRIME2)
    total = np.uint32((total ^ (total >> np.uint32(13))) * _PRIME3)
    return np.uint32(total ^ (total >> np.uint32(16)))


@numba.njit(cache=True, nogil=True, inline="always")
def _mix(value: np.uint32) -> np.uint32:
    """MurmurHash3's 32-bit finaliser, which ``affine32`` puts before its permutations."""
    value = np.uint32((value ^ (value >> np.uint32(16))) * np.uint32(0x85EBCA6B))
    value = np.uint32((value ^ (value >> np.uint32(13))) * np.uint32(0xC2B2AE35))
    return np.uint32(value ^ (value >> np.uint32(16)))


@numba.njit(cache=True, nogil=True)
def _minima(hashes: NDArray[np.uint32], a: NDArray[np.uint32], b: NDArray[np.uint32]) -> NDArray[np.uint32]:
    lowest = np.empty(len(a), dtype=np.uint32)
    for k in range(len(a)):  # one permutation at a time: the inner loop becomes vector instructions
        factor, offset, least = a[k], b[k], np.uint32(0xFFFFFFFF)
        for i in range(len(hashes)):
            least = min(least, np.uint32(factor * hashes[i] + offset))
        lowest[k] = least
    return lowest
