"""The two questions that every compiled loop over a text asks: of what kind is a character, and is this word known.

Words are known by polynomial hashes modulo 2^64: hash(a + b) = hash(a) * power(b) + hash(b), so that the hash of
a run of words follows from the words' own.
"""

from typing import Any

import numpy as np

from tilth.text.compiled import compiled

BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, otherwise arbitrary


@compiled
def kind(kinds: Any, code: int) -> int:
    """The bits of one code point."""
    return int(kinds[code]) if code < len(kinds) else 0


@compiled
def is_known(codes: Any, start: int, end: int, known: Any) -> bool:
    """Whether the word's hash is in the sorted array ``known``."""
    value = np.uint64(0)
    for i in range(start, end):
        value = value * BASE + np.uint64(codes[i] + 1)
    position = np.searchsorted(known, value)
    return bool(position < len(known) and known[position] == value)
