"""From kept rows and decisions to the published shards: the same rows in the same files every time.

The kept documents, in corpus order, are cut into parts of about ``TARGET_TEXT`` bytes of text; a part is
one file and one task. Where the cuts fall depends on the documents alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.pipeline.dedup.cluster import DECISION
from curation.pipeline.engines.base import Watch
from curation.pipeline.funnel import Funnel
from curation.pipeline.kept import read_kept
from curation.pipeline.relined import LineRemover, Lines, row_document
from curation.pipeline.samples import Samples, sample_row
from curation.pipeline.step import Drop
from tilth.datasets.manifest import Shard
from tilth.datasets.writer import DatasetWriter
from tilth.storage import Storage

TARGET_TEXT = 640 << 20
"""Bytes of text in a published file; zstd makes about 200 to 300 MB of them."""

_WHOLE = 1 << 62


@dataclass(frozen=True)
class Slice:
    """Rows ``start:stop`` of the kept rows of shard number ``shard``; ``first`` is the corpus number of row 0."""

    shard: int
    kept: str
    first: int
    start: int
    stop: int


@dataclass(frozen=True)
class PartTask:
    """Write one published file.

    ``decisions`` is the key of the decision records, empty where nothing was deduplicated; ``passes``
    are (step, reason) in the order of the decisions' reason numbers. The file goes under ``attempt``
    inside ``target``, the version's folder. ``lines`` says which repeated lines go, if any.
    """

    url: str
    target: str
    attempt: str
    number: int
    slices: tuple[Slice, ...]
    decisions: str
    passes: tuple[tuple[str, str], ...]
    signals: tuple[str, ...]
    samples: int
    out: str
    lines: Lines | None = None


def cut(
    shards: Sequence[tuple[str, int]], sizes: NDArray[np.uint32], kept: NDArray[np.bool_]
) -> list[tuple[Slice, ...]]:
    """Slices of each part; ``shards`` are (kept rows' key, documents), ``sizes`` text bytes per document.

    A last part of less than a quarter of the target joins the one before; without documents there is one
    part without slices.
    """
    weights = np.where(kept, sizes, 0).astype(np.int64)
    before = np.cumsum(weights) - weights
    part_of = before // TARGET_TEXT
    cuts = np.flatnonzero(np.diff(part_of)) + 1
    if len(cuts) and weights[cuts[-1] :].sum() < TARGET_TEXT // 4:
        cuts = cuts[:-1]
    bounds = [0, *cuts.tolist(), len(sizes)]
    return [tuple(_slices(shards, low, high)) for low, high in pairwise(bounds)]


def _slices(shards: Sequence[tuple[str, int]], low: int, high: int) -> Iterator[Slice]:
    first = 0
    for place, (key, rows) in enumerate(shards):
        start, stop = max(low - first, 0), min(high - first, rows)
        if start < stop:
            yield Slice(place, key, first, start, stop)
        first += rows


def publish_part(task: PartTask, watch: Watch) -> None:
    """Write the file of a part, then its record: the file's hash and a sample of the copies left out."""
    storage = Storage(task.url)
    samples = Samples(task.samples)
    remover = LineRemover(storage, task.lines, samples) if task.lines else None
    with DatasetWriter(
        storage,
        f"{task.target}/{task.attempt}" if task.attempt else task.target,
        "documents",
        _WHOLE,
        signals=task.signals,
        stem=f"shard-{task.number:05d}",
        relative_to=task.target,
    ) as writer:
        for piece in task.slices:
            for table, numbers in _rows(storage, piece):
                decided = _decisions(storage, task, numbers)
                _sample(table, decided, task.passes, samples)
                chosen = decided["reason"] == 0
                kept = _with_sizes(table.filter(pa.array(chosen)), decided["size"][chosen])
                writer.write(remover.edited(kept, numbers[chosen], piece.shard) if remover else kept)
        shards = writer.close()
    record = {"shards": [asdict(shard) for shard in shards], "samples": samples.rows()}
    steps = Funnel([remover.step] if remover else []).to_json()
    storage.write_json(task.out, {**record, "funnel": steps})


@dataclass(frozen=True)
class PartRecord:
    """What came of a part: its files, the sampled documents left out, and what removing lines did."""

    shards: list[Shard]
    samples: list[dict[str, Any]]
    funnel: Funnel


def read_part(storage: Storage, key: str) -> PartRecord:
    """The record of a finished part."""
    record = storage.read_json(key)
    shards = [Shard(**shard) for shard in record["shards"]]
    return PartRecord(shards, record["samples"], Funnel.from_json(record["funnel"]))


def _rows(storage: Storage, piece: Slice) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """The slice's rows with their corpus numbers."""
    at = 0
    for table in read_kept(storage, piece.kept):
        start, stop = max(piece.start - at, 0), min(piece.stop - at, table.num_rows)
        if start < stop:
            numbers = np.arange(at + start, at + stop, dtype=np.int64) + piece.first
            yield table.slice(start, stop - start), numbers
        at += table.num_rows
        if at >= piece.stop:
            return


def _decisions(storage: Storage, task: PartTask, numbers: NDArray[np.int64]) -> NDArray[Any]:
    if not task.decisions:
        decided = np.zeros(len(numbers), dtype=DECISION)
        decided["survivor"], decided["size"] = numbers, 1
        return decided
    with storage.open(task.decisions) as handle:
        handle.seek(int(numbers[0]) * DECISION.itemsize)
        return np.frombuffer(handle.read(len(numbers) * DECISION.itemsize), dtype=DECISION)


def _with_sizes(table: pa.Table, sizes: NDArray[np.int32]) -> pa.Table:
    place = table.schema.get_field_index("cluster_size")
    return table.set_column(place, table.schema.field(place), pa.array(sizes, pa.int32()))


def _sample(
    table: pa.Table, decided: NDArray[Any], passes: Sequence[tuple[str, str]], samples: Samples
) -> None:
    ids = table.column("id")
    for row in np.flatnonzero(decided["reason"]).tolist():
        step, reason = passes[decided["reason"][row] - 1]
        if samples.wants(step, reason, ids[row].as_py()):
            document = row_document(table.slice(row, 1).to_pylist()[0])
            found = sample_row(step, Drop(reason), document)
            samples.add({**found, "survivor": int(decided["survivor"][row])})


def name_survivors(
    storage: Storage, shards: Sequence[tuple[str, int]], rows: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The sampled copies with ``survivor`` as id and URL instead of the corpus number; other rows as they are."""
    starts = np.concatenate(([0], np.cumsum([count for _, count in shards])))
    named: dict[int, dict[str, str]] = {}
    for number in sorted({row["survivor"] for row in rows if "survivor" in row}):
        place = int(np.searchsorted(starts, number, side="right")) - 1
        named[number] = _identity(storage, shards[place][0], number - int(starts[place]))
    return [_named(row, named) for row in rows]


def _named(row: dict[str, Any], named: dict[int, dict[str, str]]) -> dict[str, Any]:
    if "survivor" not in row:
        return row
    survivor = named[row["survivor"]]
    return {**row, "survivor": survivor, "value": survivor["url"]}


def _identity(storage: Storage, key: str, row: int) -> dict[str, str]:
    with storage.open(key) as handle, pq.ParquetFile(handle) as file:
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            if row < count:
                found = file.read_row_group(group, columns=["id", "url"]).slice(row, 1).to_pylist()[0]
                return {"id": found["id"], "url": found["url"]}
            row -= count
    raise IndexError(f"{key} has no such row")
