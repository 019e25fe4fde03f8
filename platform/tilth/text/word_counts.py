"""What words are made of, and the compiled counts over them that the filters' rules compare with limits."""

from typing import Any

import numpy as np

from tilth.text.characters import LETTER, PUNCTUATION, SENTENCE_END, SYMBOL
from tilth.text.compiled import compiled
from tilth.text.lookups import BASE, kind

# Bits of Tokens.marks.
HAS_TEXT = 1  # a character that is no symbol
HAS_LETTER = 2
ENDS_SENTENCE = 4  # the word is one sentence-ending mark
PUNCTUATES = 8  # the word is punctuation through and through


@compiled
def describe_words(codes: Any, kinds: Any, starts: Any, ends: Any) -> Any:
    """Per word: its marks (uint8), its hash and the power that shifts a hash by its length (uint64)."""
    count = len(starts)
    marks = np.zeros(count, dtype=np.uint8)
    hashes = np.empty(count, dtype=np.uint64)
    powers = np.empty(count, dtype=np.uint64)
    for word in range(count):
        bits, value, power = PUNCTUATES, np.uint64(0), np.uint64(1)
        for i in range(starts[word], ends[word]):
            here = kind(kinds, codes[i])
            if not here & SYMBOL:
                bits |= HAS_TEXT
            if here & LETTER:
                bits |= HAS_LETTER
            if not here & PUNCTUATION:
                bits &= ~PUNCTUATES
            value = value * BASE + np.uint64(codes[i] + 1)
            power *= BASE
        if ends[word] - starts[word] == 1 and kind(kinds, codes[starts[word]]) & SENTENCE_END:
            bits |= ENDS_SENTENCE
        marks[word], hashes[word], powers[word] = bits, value, power
    return marks, hashes, powers


@compiled
def count_words(starts: Any, ends: Any, marks: Any) -> Any:
    """Words with text, the characters of these, and words with a letter."""
    texts, characters, lettered = 0, 0, 0
    for word in range(len(starts)):
        if marks[word] & HAS_TEXT:
            texts += 1
            characters += ends[word] - starts[word]
        if marks[word] & HAS_LETTER:
            lettered += 1
    return texts, characters, lettered


@compiled
def count_known(hashes: Any, known: Any, enough: int) -> int:
    """How many different words of the sorted hashes ``known`` are among the words; stops at ``enough``."""
    met = np.zeros(len(known), dtype=np.bool_)
    count = 0
    for value in hashes:
        position = np.searchsorted(known, value)
        if position < len(known) and known[position] == value and not met[position]:
            met[position] = True
            count += 1
            if count >= enough:
                break
    return count


@compiled
def extra_sentences(codes: Any, starts: Any, ends: Any, marks: Any) -> int:
    """How often a sentence ends and another begins within a line: sentences beyond one a line.

    A sentence ends with a sentence-ending word and the punctuation after it.
    """
    count, ended, place = 0, False, 0
    for word in range(len(starts)):
        for i in range(place, starts[word]):
            if codes[i] == 0x0A:
                ended = False
        place = ends[word]
        if marks[word] & ENDS_SENTENCE:
            ended = True
        elif ended and not marks[word] & PUNCTUATES:
            count += 1
            ended = False
    return count
