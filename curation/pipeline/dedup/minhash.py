"""Fuzzy deduplication: one document per cluster of near-copies, by MinHash over word 5-grams.

Two documents become neighbours when all values of one band of their signatures agree; a cluster is
what neighbours of neighbours connect. With 14 bands of 8 a pair of Jaccard similarity 0.8 meets with
probability 92 %, one of 0.6 with 21 %.

The survivor is the first document of the cluster in (crawl, file, offset) order, not a random one as
in FineWeb: so the result does not depend on which worker finished first.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from curation.pipeline.dedup.scopes import SCOPE_HELP, SCOPES, KeysOf, Pass, key_of, seed_of
from curation.pipeline.document import Document
from curation.pipeline.step import Resources, setting

NAME = "minhash"
TITLE = "Fuzzy deduplication (MinHash)"
SOURCE = "Penedo et al. 2024, The FineWeb Datasets; Broder 1997"
SCOPE = "corpus"
VERSION = 1
REASONS = {"near_copy": "A document with nearly the same words comes earlier"}


@dataclass(frozen=True)
class Settings:
    """Shape of the signature; bands x rows permutations are computed."""

    bands: int = setting(14, "Bands of the signature: more find more distant copies", minimum=1, maximum=256)
    rows: int = setting(8, "Values in a band: more ask for closer copies", minimum=1, maximum=64)
    words: int = setting(5, "Words in the n-grams that are compared", minimum=1, maximum=50)
    seed: int = setting(1, "Seed of the permutations", minimum=0, maximum=2**32 - 1)
    scope: str = setting("per-crawl", SCOPE_HELP, choices=SCOPES)


def passes(settings: Settings) -> tuple[Pass, ...]:
    """One pass that compares every band."""
    return (Pass("near_copy", settings.bands),)


def build(settings: Any, resources: Resources) -> KeysOf:
    """Return the function that gives a document one key per band; none to a text shorter than an n-gram."""
    from tilth.text import minhash  # numba: only a process that reads texts pays for it

    count = settings.bands * settings.rows

    def keys(document: Document) -> Any:
        found = minhash.signature(document.text, count=count, size=settings.words, seed=settings.seed)
        if found is None:
            return np.zeros(settings.bands, dtype=np.uint64)
        seed = seed_of(document, settings.scope)
        bands = found.reshape(settings.bands, settings.rows)
        return np.array([key_of(band.tobytes(), seed) for band in bands], dtype=np.uint64)

    return keys
