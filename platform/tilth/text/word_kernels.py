"""The compiled loop that cuts a text into words, over code points and their kinds.

The rules follow the English tokeniser that FineWeb's thresholds were counted with (spaCy's, whose
prefix, suffix and infix rules its documentation describes), so that the filters decide alike:

* white space ends a word; marks are peeled off its front and its end, one word each (runs of dots stay one);
* a unit of measure right behind a digit (``5km``) is a word of its own;
* ``'s``, ``n't``, ``'ll``, ``'re``, ``'ve``, ``'d`` and ``'m`` are words of their own;
* a full stop stays on known abbreviations, single capitals and dotted capitals (``U.S.``);
* inside a word, dots between small and capital letter, commas, hyphens, colons, slashes and ``< > =``
  between letters, and operators between digits are words of their own;
* web and mail addresses stay whole.

Where it departs: emoticons, times (``8am``), ``and/or`` and contractions written without an apostrophe
(``dont``) have no rules here, and each Han or kana character is a word, where spaCy's English rules would
take a whole sentence for one.
"""

from typing import Any

import numpy as np

from tilth.text.characters import (
    CLOSER,
    DIGIT,
    ICON,
    IDEOGRAPH,
    LETTER,
    OPENER,
    QUOTE,
    SPACE,
    UPPER,
)
from tilth.text.compiled import compiled
from tilth.text.lookups import is_known, kind

LONGEST_KNOWN = 8  # characters of the longest abbreviation
LONGEST_UNIT = 5  # one more than the characters of the longest unit


@compiled
def opening(codes: Any, kinds: Any, start: int, end: int) -> int:
    """How many characters to peel off the front of a word; 0 for none."""
    first = codes[start]
    if first == 0x2E:  # a run of full stops is one word
        stop = start + 1
        while stop < end and codes[stop] == 0x2E:
            stop += 1
        return stop - start if stop - start > 1 else 0
    if first == 0x2B:  # a plus sign, unless it signs a number
        return 0 if start + 1 < end and kind(kinds, codes[start + 1]) & DIGIT else 1
    return 1 if kind(kinds, first) & OPENER else 0


@compiled
def full_stop(codes: Any, kinds: Any, start: int, end: int) -> int:
    """How many of the full stops that end a word to peel off."""
    run = 0
    while end - run > start and codes[end - 1 - run] == 0x2E:
        run += 1
    if run != 1:
        return run
    if end - start < 2:
        return 0
    before = kind(kinds, codes[end - 2])
    if before & UPPER:
        return 1 if end - start > 2 and kind(kinds, codes[end - 3]) & UPPER else 0
    if before & (LETTER | DIGIT | CLOSER | QUOTE):
        return 1
    return 1 if codes[end - 2] in (0x25, 0xB2, 0x2D, 0x2B) else 0


@compiled
def unit(codes: Any, kinds: Any, start: int, end: int, known: Any) -> int:
    """How many characters of a unit of measure end a word, right behind a digit; 0 for none."""
    first = end - 1
    while first > start and end - first < LONGEST_UNIT and not kind(kinds, codes[first - 1]) & DIGIT:
        first -= 1
    behind_digit = first > start and kind(kinds, codes[first - 1]) & DIGIT
    return end - first if behind_digit and is_known(codes, first, end, known) else 0


@compiled
def closing(codes: Any, kinds: Any, start: int, end: int, units: Any) -> int:
    """How many characters to peel off the end of a word; 0 for none."""
    last = codes[end - 1]
    if last == 0x2E:
        return full_stop(codes, kinds, start, end)
    if end - start > 1 and (last == 0x73 or last == 0x53) and codes[end - 2] in (0x27, 0x2019):
        return 2  # 's
    if (
        end - start > 1
        and kind(kinds, codes[end - 2]) & DIGIT
        and (last == 0x2B or kind(kinds, last) & OPENER)
    ):
        return 1  # a plus, per cent or currency sign after a number
    if kind(kinds, last) & CLOSER:
        return 1
    return unit(codes, kinds, start, end, units)


@compiled
def contraction(codes: Any, start: int, end: int) -> int:
    """How many characters of n't, 'll, 're, 've, 'd or 'm end a word; 0 for none."""
    size = end - start
    if size < 3:
        return 0
    last, before = codes[end - 1], codes[end - 2]
    if before in (0x27, 0x2019):
        if last == 0x74 and size > 3 and codes[end - 3] == 0x6E:
            return 3
        return 2 if last == 0x64 or last == 0x6D else 0
    if size < 4 or codes[end - 3] not in (0x27, 0x2019):
        return 0
    if last == 0x6C:
        return 3 if before == 0x6C else 0
    return 3 if last == 0x65 and (before == 0x72 or before == 0x76) else 0


@compiled
def is_address(codes: Any, kinds: Any, start: int, end: int) -> bool:
    """Whether a word is a web or mail address: a host with a dot whose last label is small letters."""
    host, dots = start, 0
    for i in range(start, end):
        dots += codes[i] == 0x2E
    if dots == 0:
        return False
    for i in range(start, end - 2):
        if codes[i] == 0x3A and codes[i + 1] == 0x2F and codes[i + 2] == 0x2F:
            host = i + 3
            break
    stop, last_dot = host, -1
    while stop < end:
        code = codes[stop]
        if code == 0x40 and stop > host:
            host, last_dot = stop + 1, -1
        elif code == 0x2E:
            if stop == host or codes[stop - 1] == 0x2E:
                return False
            last_dot = stop
        elif code in (0x2F, 0x3A, 0x3F, 0x23):
            break
        elif not (kind(kinds, code) & (LETTER | DIGIT)) and code != 0x2D and code != 0x5F:
            return False
        stop += 1
    if last_dot < 0 or stop - last_dot < 3:
        return False
    for i in range(last_dot + 1, stop):  # noqa: SIM110 (numba has no generators)
        if kind(kinds, codes[i]) & (LETTER | UPPER) != LETTER:
            return False
    return True


@compiled
def inner_mark(codes: Any, kinds: Any, at: int, start: int, end: int) -> int:
    """How many characters at ``at``, inside a word, are a word of their own; 0 for none."""
    code = codes[at]
    here = kind(kinds, code)
    if here & (ICON | IDEOGRAPH) or code == 0x2026:
        return 1
    if here & (LETTER | DIGIT):
        return 0
    before = kind(kinds, codes[at - 1]) if at > start else 0
    after = kind(kinds, codes[at + 1]) if at + 1 < end else 0
    if code == 0x2E:
        stop = at + 1
        while stop < end and codes[stop] == 0x2E:
            stop += 1
        if stop - at > 1:
            return stop - at
        small = (before & LETTER and not before & UPPER) or before & QUOTE
        return 1 if small and after & (UPPER | QUOTE) else 0
    if (
        before & DIGIT
        and code in (0x2B, 0x2D, 0x2A, 0x5E)
        and (after & DIGIT or (at + 1 < end and codes[at + 1] == 0x2D))
    ):
        return 1
    if code == 0x2C:
        return 1 if before & LETTER and after & LETTER else 0
    if not before & (LETTER | DIGIT):
        return 0
    if code in (0x3A, 0x3C, 0x3E, 0x3D, 0x2F):
        return 1 if after & LETTER else 0
    return hyphens(codes, kinds, at, end)


@compiled
def hyphens(codes: Any, kinds: Any, at: int, end: int) -> int:
    """How many dashes stand at ``at`` with a letter after them (up to three hyphens, two em dashes); else 0."""
    code = codes[at]
    if code == 0x2D:
        longest = 3
    elif code == 0x2014:
        longest = 2
    elif code == 0x2013 or code == 0x7E:
        longest = 1
    else:
        return 0
    stop = at + 1
    while stop < end and stop - at < longest and codes[stop] == code:
        stop += 1
    return stop - at if stop < end and kind(kinds, codes[stop]) & LETTER else 0


@compiled
def split_core(codes: Any, kinds: Any, start: int, end: int, starts: Any, ends: Any, count: int) -> int:
    """Cut what is left of a word between its marks; returns the new number of words."""
    if is_address(codes, kinds, start, end):
        starts[count], ends[count] = start, end
        return count + 1
    tail = end - contraction(codes, start, end)
    stem = tail - contraction(codes, start, tail)  # at most two: could|n't|'ve
    first, at = start, start
    while at < stem:
        size = inner_mark(codes, kinds, at, start, stem)
        if size == 0 or (at == first and not kind(kinds, codes[at]) & IDEOGRAPH):
            at += max(size, 1)
            continue
        if at > first:
            starts[count], ends[count] = first, at
            count += 1
        starts[count], ends[count] = at, at + size
        count += 1
        at += size
        first = at
    if first < stem:
        starts[count], ends[count] = first, stem
        count += 1
    for left, right in ((stem, tail), (tail, end)):
        if left < right:
            starts[count], ends[count] = left, right
            count += 1
    return count


@compiled
def split_chunk(
    codes: Any, kinds: Any, known: Any, units: Any, start: int, end: int, starts: Any, ends: Any, count: int
) -> int:
    """Cut one run of characters without white space into words; returns the new number of words."""
    last = (
        end  # what lies beyond is marks peeled off the end, kept by their sizes on the far side of ``ends``
    )
    peeled = len(ends)
    while start < last:
        if codes[last - 1] == 0x2E and last - start <= LONGEST_KNOWN and is_known(codes, start, last, known):
            starts[count], ends[count] = start, last
            count += 1
            start = last
            break
        front = opening(codes, kinds, start, last)
        if front > 0:
            starts[count], ends[count] = start, start + front
            count += 1
            start += front
            continue
        back = closing(codes, kinds, start, last, units)
        if back == 0:
            break
        peeled -= 1
        ends[peeled] = back
        last -= back
    if start < last:
        count = split_core(codes, kinds, start, last, starts, ends, count)
    at = max(start, last)
    for i in range(peeled, len(ends)):
        size = ends[i]
        starts[count], ends[count] = at, at + size
        count += 1
        at += size
    return count


@compiled
def split_words(codes: Any, kinds: Any, known: Any, units: Any) -> Any:
    """Where each word starts and ends (two int32 arrays of character offsets)."""
    size = len(codes)
    starts = np.empty(size + 1, dtype=np.int32)
    ends = np.empty(2 * size + 1, dtype=np.int32)
    count, at = 0, 0
    while at < size:
        while at < size and kind(kinds, codes[at]) & SPACE:
            at += 1
        first, plain = at, True
        while at < size:
            here = kind(kinds, codes[at])
            if here & SPACE:
                break
            plain = plain and here & ~UPPER == LETTER
            at += 1
        if plain and first < at:  # letters only, as most words are: nothing to cut
            starts[count], ends[count] = first, at
            count += 1
        elif first < at:
            count = split_chunk(codes, kinds, known, units, first, at, starts, ends, count)
    return starts[:count].copy(), ends[:count].copy()
