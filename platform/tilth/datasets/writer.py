"""Writes the Parquet shards of a version: the same rows give the same bytes, in bounded memory.

Row groups close by the size of their rows alone (never by how the rows were handed in), shards close
after the row group that passes the target. Each file appears whole or not at all. Pure: no Django.
"""

import hashlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.manifest import Shard
from tilth.datasets.schemas import conform, schema
from tilth.datasets.sizes import table_row_bytes
from tilth.storage import Storage

ROW_GROUP_BYTES = 8 << 20
ROW_GROUP_ROWS = 65_536


class HashingFile:
    """A file for writing that counts and hashes what passes through."""

    closed = False

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: Any) -> int:
        """Write bytes or any buffer; returns how many."""
        view = memoryview(data).cast("B")
        self._handle.write(view)
        self._sha256.update(view)
        self.bytes += len(view)
        return len(view)

    def tell(self) -> int:
        """Bytes written so far."""
        return self.bytes

    def flush(self) -> None:
        """Nothing is held back here; the owner of the handle syncs it."""

    def close(self) -> None:
        """The handle belongs to whoever opened it."""
        self.closed = True

    def hexdigest(self) -> str:
        """sha256 of everything written."""
        return self._sha256.hexdigest()


class StoredFile:
    """One file being written to storage; :meth:`finish` makes it appear, :meth:`abandon` leaves nothing."""

    def __init__(self, storage: Storage, key: str) -> None:
        self.key = key
        self._context: AbstractContextManager[IO[bytes]] = storage.create(key)
        self.file = HashingFile(self._context.__enter__())

    def finish(self) -> None:
        """Make the file appear."""
        self._context.__exit__(None, None, None)

    def abandon(self) -> None:
        """Drop what was written."""
        self._context.__exit__(_Abandoned, _Abandoned(), None)


class _Abandoned(Exception):
    """Tells a half-written file that it is not wanted."""


class DatasetWriter:
    """Shards of one kind under ``prefix``; use it as a context manager or call :meth:`close`.

    ``signals`` names the measurements a recipe adds to ``documents``. Shard paths are relative to the
    prefix's parent (the version's folder, where the prefix is an attempt's), or to ``relative_to``.
    """

    def __init__(
        self,
        storage: Storage,
        prefix: str,
        kind: str,
        target_bytes: int = 256 << 20,
        *,
        signals: Iterable[str] = (),
        stem: str = "shard",
        relative_to: str | None = None,
    ) -> None:
        names = tuple(signals)
        self._schema = schema(kind).with_signals(names) if names else schema(kind)
        self._storage, self._prefix, self._stem = storage, prefix, stem
        self._base = relative_to if relative_to is not None else prefix.rpartition("/")[0]
        self._target = target_bytes
        self._shards: list[Shard] = []
        self._group: list[pa.Table] = []
        self._group_rows = self._group_bytes = self._shard_rows = 0
        self._stored: StoredFile | None = None
        self._parquet: pq.ParquetWriter | None = None

    def __enter__(self) -> "DatasetWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abandon()

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return sum(shard.rows for shard in self._shards) + self._shard_rows + self._group_rows

    def write(self, rows: pa.Table | Iterable[Mapping[str, Any]]) -> None:
        """Add a table or rows; raises :class:`InvalidInput` naming the column that does not fit."""
        table = conform(rows, self._schema) if isinstance(rows, pa.Table) else self._schema.table(rows)
        table = table.cast(self._schema.arrow)
        sizes = table_row_bytes(table)
        start = 0
        while start < table.num_rows:
            taken, full = self._take(sizes[start:])
            self._group.append(table.slice(start, taken))
            self._group_rows += taken
            self._group_bytes += int(sizes[start : start + taken].sum())
            start += taken
            if full:
                self._flush_group()

    def _take(self, sizes: np.ndarray) -> tuple[int, bool]:
        """How many of the next rows still go into the open row group, and whether that fills it."""
        totals = self._group_bytes + np.cumsum(sizes[: ROW_GROUP_ROWS - self._group_rows])
        count = min(int(np.searchsorted(totals, ROW_GROUP_BYTES)) + 1, len(totals))
        full = totals[count - 1] >= ROW_GROUP_BYTES or self._group_rows + count == ROW_GROUP_ROWS
        return count, bool(full)

    def _flush_group(self) -> None:
        if self._parquet is None:
            self._open_shard()
        assert self._parquet is not None and self._stored is not None
        if self._group:
            table = pa.concat_tables(self._group).combine_chunks()
            self._group = []  # the copy alone is held while it is written
            self._parquet.write_table(table, row_group_size=max(1, table.num_rows))
        self._shard_rows += self._group_rows
        self._group, self._group_rows, self._group_bytes = [], 0, 0
        if self._stored.file.bytes >= self._target:
            self._close_shard()

    def _open_shard(self) -> None:
        self._stored = StoredFile(
            self._storage, f"{self._prefix}/{self._stem}-{len(self._shards):05d}.parquet"
        )
        self._parquet = pq.ParquetWriter(
            pa.PythonFile(self._stored.file, mode="w"),
            self._schema.arrow,
            compression="zstd",
            compression_level=3,
            version="2.6",
        )

    def _close_shard(self) -> None:
        assert self._parquet is not None and self._stored is not None
        self._parquet.close()
        self._stored.finish()
        file, path = self._stored.file, relative_path(self._stored.key, self._base)
        self._shards.append(Shard(path, self._shard_rows, file.bytes, file.hexdigest()))
        self._parquet, self._stored, self._shard_rows = None, None, 0

    def close(self) -> list[Shard]:
        """Finish the last shard and return all; without any row there is one empty shard."""
        if self._group or (not self._shards and self._stored is None):
            self._flush_group()
        if self._stored is not None:
            self._close_shard()
        return list(self._shards)

    def abandon(self) -> None:
        """Drop the shard that is being written; finished ones stay."""
        if self._parquet is not None:
            self._parquet.close()
        if self._stored is not None:
            self._stored.abandon()
        self._parquet, self._stored, self._group = None, None, []


def relative_path(key: str, base: str) -> str:
    """The key as seen from the folder ``base``."""
    return key[len(base) + 1 :] if base and key.startswith(f"{base}/") else key
