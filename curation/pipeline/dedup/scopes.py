"""What the deduplication steps share: the shape of such a step, and how far it looks for copies.

A deduplication step (``SCOPE = "corpus"``) gives every document a row of 64-bit keys and says, pass by
pass, which of them make two documents copies: equal in one key of a pass is enough. Key 0 means "none".
``scope`` mixes the crawl into every key, so that documents of different crawls never meet.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import xxhash
from numpy.typing import NDArray

from curation.pipeline.document import Document

SCOPES = ("per-crawl", "global")
SCOPE_HELP = "per-crawl compares documents of the same crawl only; global compares all"

KeysOf = Callable[[Document], NDArray[np.uint64]]


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over the survivors of the passes before: its drop reason and how many keys it compares."""

    reason: str
    buckets: int


def seed_of(document: Document, scope: str) -> int:
    """The hash seed that keeps crawls apart, or 0 for all alike."""
    return xxhash.xxh3_64_intdigest(document.crawl.encode()) if scope == "per-crawl" else 0


def key_of(data: bytes, seed: int) -> int:
    """A 64-bit key, never 0.

    Two different values share a key with probability 2**-64: in a corpus of a billion documents about
    3 % for a single wrong pair.
    """
    return xxhash.xxh3_64_intdigest(data, seed) or 1
