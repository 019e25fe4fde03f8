"""Rows of a published version by row number: which shard and row group holds them, read a group at a time.

A row's number is its position in the manifest's order of shards, from 0; it never changes, because a
published version never changes. So row numbers are the paging keys of the row browser: plain browsing
jumps to any row at the cost of one row group, and a search goes on from the row where it stopped.
Pure: no Django.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets import schemas
from tilth.storage import Storage

ROW = "__row"
"""Name of the row-number column that reads add; no schema may use it."""


class ShardLike(Protocol):
    """What reading needs to know of a shard: its key below the version's folder and its number of rows."""

    @property
    def path(self) -> str:
        """Key relative to the version's folder."""

    @property
    def rows(self) -> int:
        """Number of rows."""


@dataclass(frozen=True, slots=True)
class Block:
    """One row group: the unit in which rows are read. ``first`` is its first row number."""

    key: str
    group: int
    first: int
    rows: int

    @property
    def end(self) -> int:
        """The row number after its last row."""
        return self.first + self.rows


@dataclass(frozen=True)
class ShardRows:
    """The rows of one version: shards under ``prefix`` of a storage, in the manifest's order.

    Shards written under an older version of the kind's schema are brought up to date as they are read.
    """

    storage: Storage
    prefix: str
    shards: Sequence[ShardLike]
    kind: str
    schema_version: int = 1

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the rows as they are read, with the measurements this version has."""
        if not self.shards:
            return schemas.schema(self.kind).arrow
        footer = self._footer(f"{self.prefix}/{self.shards[0].path}")
        written = footer.schema.to_arrow_schema()
        return self._upgraded(written.empty_table()).schema if self._is_old else written

    @property
    def _is_old(self) -> bool:
        return self.schema_version < schemas.schema(self.kind).version

    def _upgraded(self, table: pa.Table) -> pa.Table:
        return schemas.upgrade(table, self.kind, self.schema_version)

    @cached_property
    def total(self) -> int:
        """Number of rows in all shards."""
        return sum(shard.rows for shard in self.shards)

    def blocks(self, start: int, backwards: bool = False) -> Iterator[Block]:
        """Row groups from the one that holds row ``start`` on (or back); footers are read as they come."""
        placed = list(self._placed())
        for shard, first in reversed(placed) if backwards else placed:
            outside = first > start if backwards else first + shard.rows <= start
            if outside or not shard.rows:
                continue
            blocks = self._blocks_of(f"{self.prefix}/{shard.path}", first)
            for block in reversed(blocks) if backwards else blocks:
                if (block.first <= start) if backwards else (block.end > start):
                    yield block

    def read(self, block: Block, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group with its row numbers; ``columns`` are top-level names, all when not given."""
        with self.storage.open(block.key) as handle:
            source = pq.ParquetFile(handle, metadata=self._footer(block.key))
            table = source.read_row_group(block.group, columns=self._written(columns), use_threads=False)
        return self._finish(table, columns, block.first)

    def page(self, start: int, count: int, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows ``start`` to ``start + count`` (fewer at the end), streamed, so that memory stays small."""
        parts: list[pa.Table] = []
        missing = count
        for block in self.blocks(start):
            if missing <= 0:
                break
            part = self._slice(block, max(0, start - block.first), missing, columns)
            missing -= part.num_rows
            parts.append(part)
        return pa.concat_tables(parts) if parts else self._finish(self.schema.empty_table(), columns, 0)

    def _slice(self, block: Block, skip: int, count: int, columns: Sequence[str] | None) -> pa.Table:
        first = block.first + skip
        wanted = min(count, block.rows - skip)
        kept: list[pa.RecordBatch] = []
        with self.storage.open(block.key) as handle:
            source = pq.ParquetFile(handle, metadata=self._footer(block.key))
            batches = source.iter_batches(
                1024, row_groups=[block.group], columns=self._written(columns), use_threads=False
            )
            left = wanted
            for batch in batches:
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                piece = batch.slice(skip, left)
                skip = 0
                left -= piece.num_rows
                kept.append(piece)
                if left <= 0:
                    break
        return self._finish(pa.Table.from_batches(kept), columns, first)

    def _written(self, columns: Sequence[str] | None) -> list[str] | None:
        """The columns to read from the file: all of an old one, for the upgrade may need any."""
        return None if columns is None or self._is_old else [name for name in columns if name != ROW]

    def _finish(self, table: pa.Table, columns: Sequence[str] | None, first: int) -> pa.Table:
        """Upgrade where needed and add the row numbers."""
        if self._is_old:
            table = self._upgraded(table)
            table = table if columns is None else table.select(list(columns))
        return table.append_column(ROW, pa.array(range(first, first + table.num_rows), pa.int64()))

    def _placed(self) -> Iterator[tuple[ShardLike, int]]:
        first = 0
        for shard in self.shards:
            yield shard, first
            first += shard.rows

    def _blocks_of(self, key: str, first: int) -> list[Block]:
        footer = self._footer(key)
        blocks = []
        for group in range(footer.num_row_groups):
            rows = footer.row_group(group).num_rows
            blocks.append(Block(key, group, first, rows))
            first += rows
        return blocks

    def _footer(self, key: str) -> pq.FileMetaData:
        return _footer(self.storage, key)


@lru_cache(maxsize=256)
def _footer(storage: Storage, key: str) -> pq.FileMetaData:
    """A shard's footer; kept in memory because shards are written once and never change."""
    with storage.open(key) as handle:
        return pq.read_metadata(handle)
