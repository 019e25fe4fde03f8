"""From keys to decisions: which document stands for which, over all shards, in bounded memory.

A document's number is its place in the corpus: shards in the order of the plan (crawl, then file),
rows in the order of the file. Per pass: every (bucket, range of keys) is one task that reads the
matching slices of the shards' key files, sorts them and writes edges between documents with equal
keys; then a union-find over ``int64`` numbers joins them, the lowest number of a cluster being its
root and survivor. Tasks are independent, so any engine can run them; their order changes nothing.

Memory: 21 bytes a document for the decisions, and one slice of keys per task.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.pipeline.dedup.keyfile import KeyFile
from curation.pipeline.dedup.scopes import Pass
from tilth.storage import Storage

DECISION = np.dtype([("survivor", "<i8"), ("reason", "u1"), ("size", "<i4")])
"""Per document: the number of the one that stands for it (itself when kept), the pass that dropped it
(from 1; 0 when kept) and, when kept, how many documents it stands for, itself included."""

KEYS_PER_TASK = 4_000_000


@dataclass(frozen=True, slots=True)
class EdgeTask:
    """Find the edges of one bucket for keys whose first byte lies in ``low:high``.

    ``shards`` are (key file, first document number); ``kept`` names the packed bits of the documents
    that are still there, empty for all; the edges go to ``out``.
    """

    url: str
    shards: tuple[tuple[str, int], ...]
    bucket: int
    low: int
    high: int
    kept: str
    out: str


Map = Callable[[Callable[[EdgeTask], Any], Sequence[EdgeTask]], Any]


@dataclass
class Clusters:
    """The state of the search: one entry per document."""

    survivor: NDArray[np.int64]
    reason: NDArray[np.uint8]
    size: NDArray[np.int32]

    @classmethod
    def start(cls, documents: int) -> "Clusters":
        """Every document stands for itself."""
        return cls(
            np.arange(documents, dtype=np.int64),
            np.zeros(documents, dtype=np.uint8),
            np.ones(documents, dtype=np.int32),
        )

    def join(self, edges: Iterable[NDArray[np.int64]], number: int) -> None:
        """Make clusters of the edges; all but the lowest document of each are dropped by this pass."""
        from curation.pipeline.dedup import union_kernels  # numba: only a process that clusters pays for it

        parent = np.arange(len(self.survivor), dtype=np.int64)
        for pairs in edges:
            union_kernels.unite(parent, pairs)
        union_kernels.flatten(parent)
        dropped = np.flatnonzero(parent != np.arange(len(parent), dtype=np.int64))
        roots = parent[dropped]
        self.survivor[dropped] = roots
        self.reason[dropped] = number
        np.add.at(self.size, roots, self.size[dropped])

    def decisions(self) -> NDArray[Any]:
        """One record per document; a survivor that a later pass dropped hands on to its own survivor."""
        while True:
            further = self.survivor[self.survivor]
            if np.array_equal(further, self.survivor):
                break
            self.survivor = further
        found = np.empty(len(self.survivor), dtype=DECISION)
        found["survivor"], found["reason"], found["size"] = self.survivor, self.reason, self.size
        return found


def decide(
    storage: Storage, folder: str, shards: Sequence[tuple[str, int]], passes: Sequence[Pass], run: Map
) -> NDArray[Any]:
    """Decide over all documents of the shards, given as (key file, documents) in the order of the corpus.

    Edges go to ``folder`` of the storage; tasks whose edges are there already are not run again.
    """
    starts = np.concatenate(([0], np.cumsum([rows for _, rows in shards]))).astype(np.int64)
    placed = tuple((key, int(start)) for (key, rows), start in zip(shards, starts, strict=False) if rows)
    clusters = Clusters.start(int(starts[-1]))
    bucket = 0
    for number, part in enumerate(passes, 1):
        kept = save_kept(storage, folder, clusters.reason, number)
        buckets = range(bucket, bucket + part.buckets)
        tasks = _tasks(storage, folder, placed, buckets, int(starts[-1]), kept)
        run(find_edges, [task for task in tasks if not storage.exists(task.out)])
        clusters.join((_load(storage, task.out) for task in tasks), number)
        bucket += part.buckets
    return clusters.decisions()


def find_edges(task: EdgeTask, watch: Any = None) -> int:
    """Write the pairs (lowest document with the key, other document with it); returns their number."""
    storage = Storage(task.url)
    keys, numbers = gather(storage, task)
    order = np.argsort(keys, kind="stable")
    keys, numbers = keys[order], numbers[order]
    same = np.zeros(len(keys), dtype=bool)
    same[1:] = keys[1:] == keys[:-1]
    group_start = np.maximum.accumulate(np.where(same, 0, np.arange(len(keys))))
    edges = np.stack([numbers[group_start[same]], numbers[same]], axis=1).astype("<i8")
    storage.write_bytes(task.out, edges.tobytes())
    return len(edges)


def gather(storage: Storage, task: EdgeTask) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Keys and document numbers of a task's slice, over all its shards in corpus order."""
    kept = np.frombuffer(storage.read_bytes(task.kept), dtype=np.uint8) if task.kept else None
    all_keys, all_numbers = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for key, start in task.shards:
        keys, rows = KeyFile.open(storage, key).read(task.bucket, task.low, task.high)
        numbers = rows.astype(np.int64) + start
        if kept is not None:
            there = (kept[numbers >> 3] >> (7 - (numbers & 7)).astype(np.uint8)) & 1 == 1
            keys, numbers = keys[there], numbers[there]
        all_keys.append(keys)
        all_numbers.append(numbers)
    return np.concatenate(all_keys), np.concatenate(all_numbers)


def ranges(keys: int) -> list[tuple[int, int]]:
    """Ranges of first bytes that split so many keys into slices that fit in memory."""
    parts = min(256, max(1, -(-keys // KEYS_PER_TASK)))
    return list(pairwise(256 * part // parts for part in range(parts + 1)))


def _tasks(
    storage: Storage,
    folder: str,
    shards: tuple[tuple[str, int], ...],
    buckets: range,
    documents: int,
    kept: str,
) -> list[EdgeTask]:
    return [
        EdgeTask(storage.url, shards, bucket, low, high, kept, f"{folder}/edges-{bucket:03d}-{low:03d}.bin")
        for bucket in buckets
        for low, high in ranges(documents)
    ]


def save_kept(storage: Storage, folder: str, reason: NDArray[np.uint8], number: int) -> str:
    """Store which documents are still there, as packed bits; the key, or empty when all are."""
    if not reason.any():
        return ""
    key = f"{folder}/kept-{number}.bin"
    storage.write_bytes(key, np.packbits(reason == 0).tobytes())
    return key


def _load(storage: Storage, key: str) -> NDArray[np.int64]:
    return np.frombuffer(storage.read_bytes(key), dtype="<i8").reshape(-1, 2)
