"""Reads shards back as tables of the newest schema, a batch at a time. Pure: no Django."""

import hashlib
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.manifest import File, Shard
from tilth.datasets.schemas import schema, upgrade
from tilth.errors import Conflict
from tilth.storage import Storage

BATCH_ROWS = 1024


def shard_version(file: pq.ParquetFile) -> int:
    """The schema version a shard was written with (1 where it does not say)."""
    metadata = file.schema_arrow.metadata or {}
    return int(metadata.get(b"tilth.version", b"1"))


def read_batches(
    storage: Storage,
    folder: str,
    shards: Iterable[Shard],
    kind: str,
    columns: Iterable[str] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.Table]:
    """Tables of at most ``batch_rows`` rows, in shard order, with only ``columns`` if given."""
    wanted = list(columns) if columns is not None else None
    for shard in shards:
        with storage.open(f"{folder}/{shard.path}") as handle:
            file = pq.ParquetFile(handle)
            version = shard_version(file)
            direct = wanted if version == schema(kind).version else None
            for batch in file.iter_batches(batch_rows, columns=direct):
                table = pa.Table.from_batches([batch])
                if direct is None:
                    table = upgrade(table, kind, version)
                yield table if wanted is None else table.select(wanted)


def read_table(storage: Storage, folder: str, shards: Iterable[Shard], kind: str) -> pa.Table:
    """All rows at once: for small datasets and tests."""
    tables = list(read_batches(storage, folder, shards, kind))
    return pa.concat_tables(tables) if tables else schema(kind).arrow.empty_table()


def verify(storage: Storage, folder: str, files: Iterable[File]) -> None:
    """Read every file and compare size and hash; raises :class:`Conflict` naming the one that differs."""
    for file in files:
        digest, size = hashlib.sha256(), 0
        with storage.open(f"{folder}/{file.path}") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
                size += len(block)
        if (size, digest.hexdigest()) != (file.bytes, file.sha256):
            raise Conflict(f"{folder}/{file.path} is not what was published", code="damaged")
