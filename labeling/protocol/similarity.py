"""Near-copies: an answer against the task's own candidates, and against what others wrote in the campaign.

Candidates are few and compared exactly, by the share of the answer's five-word shingles that stand in
them. Other answers are many: MinHash with banding (datasketch) finds those that may be near, in memory or
in Redis, where every web process sees the same index. Texts under 30 words are not compared: short answers
to one question are alike without anybody having copied.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasketch import MinHash

FEWEST_WORDS = 30
PERMUTATIONS = 128
THRESHOLD = 0.7
SEED = 1


def long_enough(text: str) -> bool:
    """Whether a text says enough to be compared."""
    return len(text.split()) >= FEWEST_WORDS


def _shingles(text: str) -> list[str]:
    from tilth.text.minhash import shingles  # numba: only a process that compares texts pays for it

    return shingles(text)


def contained(text: str, other: str) -> float:
    """The share of the text's shingles that stand in another: 0 to 1."""
    mine = set(_shingles(text))
    return len(mine & set(_shingles(other))) / len(mine) if mine else 0.0


def jaccard(text: str, other: str) -> float:
    """How much two texts have in common: shared shingles by all shingles."""
    mine, theirs = set(_shingles(text)), set(_shingles(other))
    return len(mine & theirs) / len(mine | theirs) if mine or theirs else 0.0


def minhash(text: str) -> "MinHash":
    """The signature of a text."""
    from datasketch import MinHash  # scipy, as below: a web server or worker starts in half the time without

    signature = MinHash(num_perm=PERMUTATIONS, seed=SEED)
    signature.update_batch([shingle.encode("utf-8", "replace") for shingle in set(_shingles(text))])
    return signature


class Index:
    """Answers of one campaign by key. ``redis``: connection settings of datasketch's Redis storage, or none."""

    def __init__(self, name: str, redis: dict[str, Any] | None = None) -> None:
        from datasketch import MinHashLSH

        storage = None
        if redis is not None:
            storage = {"type": "redis", "basename": f"tilth:similar:{name}".encode(), "redis": redis}
        # Keys as plain bytes: by default the library pickles them, and a shared Redis must never be unpickled.
        self._lsh = MinHashLSH(
            threshold=THRESHOLD, num_perm=PERMUTATIONS, storage_config=storage, prepickle=False
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is remembered: a campaign's beginning, or a Redis that has lost its memory."""
        return bool(self._lsh.is_empty())

    def near(self, text: str) -> list[str]:
        """Keys of answers that are probably at least 70 % alike; to be compared exactly."""
        return sorted(key.decode() for key in self._lsh.query(minhash(text)))

    def add(self, key: str, text: str) -> None:
        """Remember an answer; the same key again changes nothing."""
        if key.encode() not in self._lsh:
            self._lsh.insert(key.encode(), minhash(text))

    def remove(self, keys: Iterable[str]) -> None:
        """Forget answers."""
        for key in keys:
            if key.encode() in self._lsh:
                self._lsh.remove(key.encode())
