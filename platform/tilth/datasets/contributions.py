"""Whose data a version holds: counts by labeler, guideline, campaign, crawl, domain and URL.

Whoever edited a label is a labeler of its row, too.

The first four are few and go into the manifest (and from there into the database); domains and URL
hashes may be millions and go into ``contributions.parquet`` beside the manifest, sorted by kind and
value, so that a look-up reads one row group. Counting is DuckDB's: it spills to disk. Pure: no Django.
"""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tilth.datasets.manifest import Shard
from tilth.datasets.reader import read_batches
from tilth.datasets.schemas import schema
from tilth.datasets.writer import StoredFile
from tilth.storage import Storage

NAME = "contributions.parquet"
MEMORY = "256MB"
ROW_GROUP = 50_000
SCHEMA = pa.schema(
    [
        pa.field("kind", pa.string(), nullable=False),
        pa.field("value", pa.string(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
    ]
)
FEW = ("labeler", "guideline", "campaign", "crawl")
MANY = ("domain", "url")


def url_hash(url: str) -> str:
    """The name of a URL in contributions: the first 32 hex digits of its sha256."""
    return hashlib.sha256(url.encode()).hexdigest()[:32]


def count_contributions(
    storage: Storage, shards: Iterable[Shard], kind: str, folder: str, key: str
) -> list[dict[str, Any]]:
    """Count where the rows come from; writes the many to ``key`` and returns the few for the manifest."""
    columns = _sources(kind)
    if not columns:
        write_contributions(storage, key, [])
        return []
    with tempfile.TemporaryDirectory(prefix="tilth-contributions-") as scratch:
        database = duckdb.connect(
            str(Path(scratch) / "counts.duckdb"),
            config={"memory_limit": MEMORY, "threads": 1, "temp_directory": scratch},
        )
        try:
            _load(database, storage, shards, kind, folder, columns)
            _write(storage, key, _sorted_counts(database, MANY))
            few = [row for batch in _sorted_counts(database, FEW) for row in batch.to_pylist()]
        finally:
            database.close()
    return few


def _sources(kind: str) -> tuple[str, ...]:
    names = ("domain", "url", "crawl", "provenance")
    return tuple(name for name in names if name in schema(kind).by_name)


def _load(
    database: duckdb.DuckDBPyConnection,
    storage: Storage,
    shards: Iterable[Shard],
    kind: str,
    folder: str,
    columns: tuple[str, ...],
) -> None:
    database.execute("CREATE TABLE seen (kind VARCHAR, value VARCHAR, rows BIGINT)")
    for table in read_batches(storage, folder, shards, kind, columns, batch_rows=16_384):
        for name, values in _values(table):
            batch = pa.table({"value": values})
            value = "left(sha256(value), 32)" if name == "url" else "value"
            database.register("batch", batch)
            database.execute(
                f"INSERT INTO seen SELECT ?, {value}, count(*) FROM batch "  # noqa: S608 (two constants)
                "WHERE value IS NOT NULL AND value <> '' GROUP BY value",
                [name],
            )
            database.unregister("batch")


def _values(table: pa.Table) -> Iterator[tuple[str, pa.ChunkedArray]]:
    for name in table.column_names:
        if name != "provenance":
            yield name, table.column(name)
            continue
        part = {
            p: pc.struct_field(table.column(name), p) for p in ("labeler", "guideline", "campaign", "editor")
        }
        alone = pc.fill_null(pc.equal(part["labeler"], part["editor"]), False)
        yield "labeler", pc.if_else(alone, None, part.pop("editor"))  # a row counts once for each person
        yield from part.items()


def _sorted_counts(database: duckdb.DuckDBPyConnection, kinds: tuple[str, ...]) -> Iterator[pa.Table]:
    marks = ", ".join("?" for _ in kinds)
    counts = database.sql(
        f"SELECT kind, value, sum(rows)::BIGINT AS rows FROM seen WHERE kind IN ({marks}) "  # noqa: S608
        "GROUP BY ALL ORDER BY kind, value",
        params=list(kinds),
    )
    reader = counts.to_arrow_reader(ROW_GROUP)
    for batch in reader:
        yield pa.Table.from_batches([batch]).cast(SCHEMA)


def write_contributions(storage: Storage, key: str, counts: Iterable[tuple[str, str, int]]) -> None:
    """Write (kind, value, rows) counts, sorted; values of kind ``url`` are :func:`url_hash` of it."""
    kinds, values, rows = zip(*sorted(counts), strict=True) if (counts := list(counts)) else ((), (), ())
    arrays = [pa.array(kinds, pa.string()), pa.array(values, pa.string()), pa.array(rows, pa.int64())]
    _write(storage, key, iter([pa.Table.from_arrays(arrays, schema=SCHEMA)]))


def _write(storage: Storage, key: str, tables: Iterator[pa.Table]) -> None:
    stored = StoredFile(storage, key)
    try:
        sink = pa.PythonFile(stored.file, mode="w")
        with pq.ParquetWriter(sink, SCHEMA, compression="zstd", version="2.6") as writer:
            for table in tables:
                writer.write_table(table, row_group_size=ROW_GROUP)
    except BaseException:
        stored.abandon()
        raise
    stored.finish()


def rows_of(storage: Storage, key: str, kind: str, value: str) -> int:
    """How many rows of a version have this domain or URL hash; 0 where there is none."""
    if not storage.exists(key):
        return 0
    with storage.open(key) as handle:
        found = pq.read_table(handle, filters=[("kind", "=", kind), ("value", "=", value)])
    return int(pc.sum(found["rows"]).as_py() or 0)
