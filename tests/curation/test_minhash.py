"""MinHash: equal to datasketch, blind to what normalisation hides, linear, and a fair estimate of Jaccard."""

import random

import numpy as np
import pytest
import xxhash
from datasketch import MinHash
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.text import minhash

TEXT = (
    "The quick brown fox jumps over the lazy dog, and 1,234.5 days later — naïve Ärzte: 今日は良い天気です。 "
    * 3
)


def by_datasketch(text: str, count: int, size: int, seed: int) -> np.ndarray:
    reference = MinHash(num_perm=count, seed=seed, hashfunc=xxhash.xxh32_intdigest)
    for shingle in minhash.shingles(text, size):
        reference.update(shingle.encode())
    return reference.hashvalues


@pytest.mark.parametrize("seed", [1, 2, 77])
@pytest.mark.parametrize("count", [1, 16, 112, 256])
@pytest.mark.parametrize("size", [1, 5, 13])
def test_signature_equals_datasketch(seed: int, count: int, size: int) -> None:
    mine = minhash.signature(TEXT, count=count, size=size, seed=seed)
    assert mine is not None
    assert np.array_equal(mine, by_datasketch(TEXT, count, size, seed))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=400))
def test_signature_equals_datasketch_on_any_text(text: str) -> None:
    mine = minhash.signature(text, count=24, size=2, seed=3)
    if len(minhash.words(text)) < 2:
        assert mine is None
    else:
        assert np.array_equal(mine, by_datasketch(text, 24, 2, 3))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100))
def test_compiled_hash_is_xxh32(data: bytes) -> None:
    array = np.frombuffer(data, dtype=np.uint8)
    assert minhash._xxh32(array, 0, len(array)) == xxhash.xxh32_intdigest(data)


def test_normalisation_known_answers() -> None:
    assert minhash.words("Héllo, WORLD! It's 3.14 or 1,234.5; co\u00adop") == [
        *("hello", "world", "it", "s", "0", "or", "0", "0", "coop"),
    ]
    assert minhash.words("日本語 text") == ["日", "本", "語", "text"]
    assert minhash.words("ΟΔΟΣ οδος Straße İstanbul") == ["οδοσ", "οδοσ", "straße", "istanbul"]
    assert minhash.words(" \n\t…!? ") == []
    assert minhash.words("cafe\u0301 = café") == ["cafe", "cafe"]


def test_agrees_with_datatrove_normalisation_on_plain_text() -> None:
    from datatrove.utils.text import simplify_text

    text = 'She said: "It\'s 12.5% — a naïve (über) estimate…" Next;line\nnew   word 7,000 and x2y.'
    assert minhash.words(text) == simplify_text(text.replace("%", " ")).split()


def test_too_short_a_text_has_no_signature() -> None:
    assert minhash.signature("one two three four") is None
    assert minhash.signature("") is None
    assert minhash.shingles("one two three four") == []


def test_lone_surrogates_do_not_crash() -> None:
    assert minhash.signature("a b \ud800 c d e f g") is not None


def test_estimate_of_jaccard_lies_near_the_truth() -> None:
    rng = random.Random(5)
    vocabulary = [
        f"w{'abcdefghij'[i % 10]}{'klmnopqrst'[i // 10 % 10]}{'uvwxyz'[i // 100 % 6]}" for i in range(600)
    ]
    first = [rng.choice(vocabulary) for _ in range(800)]
    second = [w if rng.random() > 0.05 else rng.choice(vocabulary) for w in first]
    one, two = " ".join(first), " ".join(second)
    a, b = set(minhash.shingles(one)), set(minhash.shingles(two))
    truth = len(a & b) / len(a | b)
    left = minhash.signature(one, count=1024)
    right = minhash.signature(two, count=1024)
    assert abs(float(np.mean(left == right)) - truth) < 0.06
