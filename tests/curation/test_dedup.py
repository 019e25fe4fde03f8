"""The deduplication steps: what is a copy of what, and how far they look."""

import random

import numpy as np
import pytest

from curation.pipeline.dedup import exact, minhash
from curation.pipeline.document import Document
from curation.pipeline.step import Resources

WORDS = [a + b + c for a in "bcdfgh" for b in "aeiou" for c in "lmnprst"]


def page(
    url: str = "https://example.org/a", text: str = "One text", crawl: str = "CC-MAIN-2026-20"
) -> Document:
    document = Document(url=url, source="s", record_offset=0, record_length=1, crawl=crawl)
    document.text = text
    return document


def exact_keys(document: Document, **settings) -> list[int]:
    return exact.build(exact.Settings(**settings), Resources())(document).tolist()


def bands(document: Document, **settings) -> np.ndarray:
    return minhash.build(minhash.Settings(**settings), Resources())(document)


def essay(words: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [rng.choice(WORDS) for _ in range(words)]


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("https://Example.ORG/a#top", "https://example.org/a"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("http://example.org", "http://example.org/"),
    ],
)
def test_spellings_of_one_url_are_equal(one: str, two: str) -> None:
    assert exact_keys(page(one))[0] == exact_keys(page(two))[0]


@pytest.mark.parametrize(
    "other",
    [
        "https://example.org/A",
        "https://example.org/a?b=1",
        "http://example.org/a",
        "https://example.org:8080/a",
    ],
)
def test_different_urls_differ(other: str) -> None:
    assert exact_keys(page(other))[0] != exact_keys(page("https://example.org/a"))[0]


def test_a_url_that_cannot_be_parsed_is_compared_as_it_stands() -> None:
    assert exact.normal_url("http://[broken/") == "http://[broken/"
    assert exact.normal_url("http://example.org:99999/") == "http://example.org:99999/"


def test_a_row_without_a_url_has_no_url_key() -> None:
    assert exact_keys(page(url=""))[0] == 0


def test_texts_are_compared_byte_by_byte() -> None:
    assert exact_keys(page(text="Same"))[1] == exact_keys(page("https://other.org/", "Same"))[1]
    assert exact_keys(page(text="Same"))[1] != exact_keys(page(text="same"))[1]


def test_scope_decides_whether_crawls_meet() -> None:
    here, there = page(crawl="CC-MAIN-2026-20"), page(crawl="CC-MAIN-2026-25")
    assert exact_keys(here) != exact_keys(there)
    assert exact_keys(here, scope="global") == exact_keys(there, scope="global")
    here.text = there.text = " ".join(essay(100, 1))
    assert not np.any(bands(here) == bands(there))
    assert np.all(bands(here, scope="global") == bands(there, scope="global"))


def test_passes_follow_the_settings() -> None:
    assert [p.reason for p in exact.passes(exact.Settings())] == ["same_url", "same_text"]
    assert [p.reason for p in exact.passes(exact.Settings(url=False))] == ["same_text"]
    assert len(exact_keys(page(), url=False)) == 1
    assert minhash.passes(minhash.Settings(bands=20))[0].buckets == 20


def test_every_reason_is_explained() -> None:
    for module in (exact, minhash):
        assert {p.reason for p in module.passes(module.Settings())} == set(module.REASONS)


def share_that_meets(similarity: float, trials: int, **settings) -> float:
    """How many of ``trials`` pairs share a band; a pair's 1-gram sets have the Jaccard similarity."""
    met = 0
    for trial in range(trials):
        union = essay(4000, trial)
        unique = list(dict.fromkeys(f"{w}{i}x".translate(DIGITS) for i, w in enumerate(union)))[:1000]
        shared = int(similarity * len(unique))
        half = (len(unique) - shared) // 2
        one = page(text=" ".join(unique[: shared + half]))
        two = page(text=" ".join(unique[:shared] + unique[shared + half :]))
        met += bool(np.any(bands(one, words=1, **settings) == bands(two, words=1, **settings)))
    return met / trials


DIGITS = str.maketrans("0123456789", "bcdfghjklm")


@pytest.mark.parametrize(("shape", "similarity"), [((14, 8), 0.8), ((14, 8), 0.6), ((20, 5), 0.5)])
def test_pairs_meet_as_often_as_the_bands_say(shape: tuple[int, int], similarity: float) -> None:
    count, rows = shape
    expected = 1 - (1 - similarity**rows) ** count
    met = share_that_meets(similarity, 150, bands=count, rows=rows)
    assert abs(met - expected) < 4 * (expected * (1 - expected) / 150) ** 0.5 + 0.01


def test_short_texts_have_no_keys() -> None:
    assert not np.any(bands(page(text="only four words here")))
