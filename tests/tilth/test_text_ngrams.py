"""The compiled counts over runs of words equal a plain count over strings."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.text import ngrams
from tilth.text.tokens import tokenise

WORDS = st.lists(st.sampled_from(["a", "b", "ab", "ba", "c", "the"]), max_size=40).map(" ".join)


def top_run(words: list[str], size: int) -> tuple[int, int]:
    """Characters of the most frequent run, and where the earliest of the most frequent begins."""
    runs = [" ".join(words[i : i + size]) for i in range(len(words) - size + 1)]
    run, number = Counter(runs).most_common(1)[0]
    return len(run) * number, runs.index(run)


def repeated(words: list[str], size: int) -> int:
    """Characters in runs met before, going on behind each repeated run."""
    seen, total, i = set(), 0, 0
    while i <= len(words) - size:
        run = "".join(words[i : i + size])
        if run in seen:
            total += len(run)
            i += size
        else:
            seen.add(run)
            i += 1
    return total


@settings(deadline=None)  # the first call compiles
@given(WORDS)
def test_the_commonest_run_is_the_one_a_plain_count_finds(text):
    tokens = tokenise(text)
    sizes = np.array([2, 3, 4])
    characters, firsts = ngrams.top_runs(tokens.starts, tokens.ends, tokens.hashes, tokens.powers, sizes)
    for which, size in enumerate(sizes):
        expected = top_run(tokens.words, size) if len(tokens) >= size else (0, 0)
        assert (characters[which], firsts[which]) == expected


@settings(deadline=None)  # the first call compiles
@given(WORDS, st.integers(1, 10))
def test_repeated_runs_are_those_a_plain_count_finds(text, size):
    tokens = tokenise(text)
    spots = np.empty(100, dtype=np.int32)
    words = (tokens.starts, tokens.ends, tokens.hashes, tokens.powers)
    which, characters, count = ngrams.repeated_runs(
        *words, np.array([size]), np.array([0.0]), len(text) + 1, spots
    )
    expected = repeated(tokens.words, size)
    assert characters == expected
    assert which == (0 if expected else -1)
    assert sum(len("".join(tokens.words[s : s + size])) for s in spots[:count]) == expected


def test_the_first_size_over_its_limit_is_named():
    tokens = tokenise("one two three four five six " * 2)
    spots = np.empty(4, dtype=np.int32)
    words = (tokens.starts, tokens.ends, tokens.hashes, tokens.powers)
    which, characters, count = ngrams.repeated_runs(*words, np.array([5, 6]), np.array([0.4, 0.3]), 56, spots)
    assert (which, characters, count, spots[0]) == (1, 22, 1, 6)
