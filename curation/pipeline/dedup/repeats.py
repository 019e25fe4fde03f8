"""Repeated lines over a whole corpus, in bounded memory: which lines go from which documents.

The same plan as for copies of documents: keys spill per shard, sorted; each range of keys is a task.
A task's answer is sorted by document and indexed by shard, so that publication reads only what
concerns the rows at hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.pipeline.dedup.cluster import EdgeTask, gather, ranges
from tilth.storage import Storage

REMOVAL = np.dtype([("number", "<i8"), ("key", "<u8")])
"""A document's corpus number and the key of a line that goes from it."""


@dataclass(frozen=True)
class LineTask:
    """Find lines that stand in more than ``documents`` documents, for one range of keys."""

    where: EdgeTask
    documents: int
    starts: tuple[int, ...]


def line_tasks(
    storage: Storage, folder: str, shards: Sequence[tuple[str, int]], keys: int, kept: str, documents: int
) -> list[LineTask]:
    """Tasks over the shards' line files, given as (line file, documents) in corpus order."""
    starts = tuple(np.concatenate(([0], np.cumsum([rows for _, rows in shards]))).astype(int).tolist())
    placed = tuple((key, start) for (key, rows), start in zip(shards, starts, strict=False) if rows)
    return [
        LineTask(
            EdgeTask(storage.url, placed, 0, low, high, kept, f"{folder}/lines-{low:03d}.bin"),
            documents,
            starts,
        )
        for low, high in ranges(keys)
    ]


def find_lines(task: LineTask, watch: Any = None) -> int:
    """Write the removals of a range of keys; returns their number."""
    storage = Storage(task.where.url)
    keys, numbers = gather(storage, task.where)
    order = np.argsort(keys, kind="stable")
    keys, numbers = keys[order], numbers[order]
    _, first, counts = np.unique(keys, return_index=True, return_counts=True)
    many = np.repeat(counts > task.documents, counts)
    many[first] = False  # the first document keeps its line
    removals = np.empty(int(many.sum()), dtype=REMOVAL)
    removals["number"], removals["key"] = numbers[many], keys[many]
    removals = removals[np.lexsort((removals["key"], removals["number"]))]
    index = np.searchsorted(removals["number"], np.array(task.starts)).astype("<u8")
    storage.write_bytes(task.where.out, index.tobytes() + removals.tobytes())
    return len(removals)


def removals_of(storage: Storage, files: Sequence[str], shards: int, shard: int) -> NDArray[Any]:
    """The removals from the documents of one shard (by position among ``shards``), sorted by document."""
    found = [np.empty(0, dtype=REMOVAL)]
    for key in files:
        with storage.open(key) as handle:
            handle.seek(8 * shard)
            start, stop = (int(n) for n in np.frombuffer(handle.read(16), dtype="<u8"))
            handle.seek(8 * (shards + 1) + REMOVAL.itemsize * start)
            found.append(np.frombuffer(handle.read(REMOVAL.itemsize * (stop - start)), dtype=REMOVAL))
    joined = np.concatenate(found)
    return joined[np.argsort(joined["number"], kind="stable")]
