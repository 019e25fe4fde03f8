"""Compiled counts over runs of words, for the rules against repetition (Gopher, arXiv:2112.11446, table A1).

A run is known by its hash, which follows from the hashes of its words (``lookups.BASE``); two different
runs of one page share a 64-bit hash about once in 10^13 pages.
"""

from typing import Any

import numpy as np

from tilth.text.compiled import compiled
from tilth.text.lookups import BASE

_SPACE = np.uint64(0x20 + 1)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_SHIFT = np.uint64(33)


@compiled
def slot(value: Any, mask: Any) -> Any:
    """Where to begin to look for a hash in a table of ``mask + 1`` places."""
    value = (value ^ (value >> _SHIFT)) * _MIX
    return np.int64((value ^ (value >> _SHIFT)) & mask)


@compiled
def table_size(count: int) -> int:
    """The power of two that leaves a hash table at most half full."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@compiled
def grow_runs(runs: Any, hashes: Any, powers: Any, size: int, spaced: bool) -> None:
    """Turn hashes of runs of ``size - 1`` words into hashes of runs of ``size``, in place."""
    for i in range(len(hashes) - size + 1):
        run = runs[i] * BASE + _SPACE if spaced else runs[i]
        runs[i] = run * powers[i + size - 1] + hashes[i + size - 1]


@compiled
def most_frequent_run(runs: Any, count: int) -> Any:
    """The first position and the number of the most frequent of ``count`` runs; the earliest of equals."""
    size = table_size(count)
    mask = np.uint64(size - 1)
    firsts = np.full(size, -1, dtype=np.int32)
    numbers = np.zeros(size, dtype=np.int32)
    for i in range(count):
        at = slot(runs[i], mask)
        while firsts[at] >= 0 and runs[firsts[at]] != runs[i]:
            at = (at + 1) & (size - 1)
        if firsts[at] < 0:
            firsts[at] = i
        numbers[at] += 1
    best, most = 0, 0
    for at in range(size):
        if numbers[at] > most or (numbers[at] == most and most > 0 and firsts[at] < best):
            best, most = firsts[at], numbers[at]
    return best, most


@compiled
def repeated_characters(runs: Any, lengths: Any, count: int, size: int, spots: Any) -> Any:
    """Characters in runs of ``size`` words seen before on the page, each character counted once.

    After a repeated run the search goes on behind it. The word positions of the first repeated runs are
    written to ``spots``; returns the number of characters and of spots.
    """
    places = table_size(count)
    mask = np.uint64(places - 1)
    seen = np.full(places, -1, dtype=np.int32)
    total, found, i = 0, 0, 0
    while i < count:
        at = slot(runs[i], mask)
        while seen[at] >= 0 and runs[seen[at]] != runs[i]:
            at = (at + 1) & (places - 1)
        if seen[at] < 0:
            seen[at] = i
            i += 1
            continue
        for word in range(i, i + size):
            total += lengths[word]
        if found < len(spots):
            spots[found] = i
            found += 1
        i += size
    return total, found


@compiled
def top_runs(starts: Any, ends: Any, hashes: Any, powers: Any, sizes: Any) -> Any:
    """Per run length in ``sizes`` (rising): characters in the most frequent run times its number, and where it stands.

    Characters are those of the words and one space between two. Zero where the page has too few words.
    """
    characters = np.zeros(len(sizes), dtype=np.int64)
    firsts = np.zeros(len(sizes), dtype=np.int64)
    runs, length = hashes.copy(), 1
    for which in range(len(sizes)):
        count = len(hashes) - sizes[which] + 1
        if count < 1:
            break
        while length < sizes[which]:
            length += 1
            grow_runs(runs, hashes, powers, length, True)
        first, number = most_frequent_run(runs, count)
        width = length - 1
        for word in range(first, first + length):
            width += ends[word] - starts[word]
        characters[which], firsts[which] = width * number, first
    return characters, firsts


@compiled
def repeated_runs(
    starts: Any, ends: Any, hashes: Any, powers: Any, sizes: Any, limits: Any, size: int, spots: Any
) -> Any:
    """The first run length in ``sizes`` (rising) whose repeated characters exceed its share of ``size``.

    Returns its place in ``sizes`` (-1 for none), the repeated characters and the number of spots filled.
    """
    lengths = ends - starts
    runs, length = hashes.copy(), 1
    for which in range(len(sizes)):
        count = len(hashes) - sizes[which] + 1
        if count < 1:
            break
        while length < sizes[which]:
            length += 1
            grow_runs(runs, hashes, powers, length, False)
        total, found = repeated_characters(runs, lengths, count, length, spots)
        if total / size > limits[which]:
            return which, total, found
    return -1, 0, 0
