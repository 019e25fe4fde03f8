"""Finding rows: DuckDB over one row group after another until the page is full or the time is up.

DuckDB sees only Arrow tables that are handed to it: file access, extensions and settings are locked, so
nothing that a person types or that a row contains can reach a file. Row groups are filtered side by side
but taken in order, so a page is the same whatever the machine's speed; when the time is up the answer
says from which row to go on. Pure: no Django.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

import duckdb
import pyarrow as pa

from tilth.datasets.browse.conditions import Condition
from tilth.datasets.browse.shards import ROW, Block, ShardRows

SECONDS = 1.8
"""Time for one search, below the two seconds that a web request may take."""

FIRST_SECONDS = 8.0
"""Further time for the first row group, so that going on from where a search stopped always gets further."""

MEMORY = "512MB"
PARALLEL = min(4, os.cpu_count() or 1)
_slots = threading.BoundedSemaphore(2)


@dataclass(frozen=True, slots=True)
class Found:
    """Rows that were found.

    ``rows`` are row numbers in ascending order; ``more_from`` is the row number to go on from (None when
    every row has been looked at); ``searched`` counts the rows looked at; ``timed_out`` says that the time
    was up before the page was full.
    """

    rows: list[int] = field(default_factory=list)
    more_from: int | None = None
    searched: int = 0
    timed_out: bool = False


def search(
    source: ShardRows,
    condition: Condition,
    start: int,
    count: int,
    *,
    backwards: bool = False,
    seconds: float = SECONDS,
) -> Found:
    """The first ``count`` rows from row ``start`` on (or back) that meet the condition."""
    deadline = time.monotonic() + seconds
    if not _slots.acquire(timeout=seconds):
        return Found(more_from=start, timed_out=True)
    try:
        return _Hunt(source, condition, start, count, backwards, deadline).run()
    finally:
        _slots.release()


@dataclass
class _Hunt:
    """One search under way."""

    source: ShardRows
    condition: Condition
    start: int
    count: int
    backwards: bool
    deadline: float
    stop: threading.Event = field(default_factory=threading.Event)
    cursors: list[duckdb.DuckDBPyConnection] = field(default_factory=list)

    def run(self) -> Found:
        """Take blocks in order until the page is full, the rows are at an end or the time is up."""
        rows: list[int] = []
        position = self.start
        with closing(self._in_order()) as blocks:
            for block, found in blocks:
                if found is None:
                    return self._found(rows, position, timed_out=True)
                rows += found[: self.count - len(rows)]
                position = block.first - 1 if self.backwards else block.end
                if len(rows) == self.count:
                    position = rows[-1] + (-1 if self.backwards else 1)
                    break
        return self._found(rows, position)

    def _found(self, rows: list[int], position: int, timed_out: bool = False) -> Found:
        inside = 0 <= position < self.source.total
        return Found(sorted(rows), position if inside else None, abs(position - self.start), timed_out)

    def _in_order(self) -> Generator[tuple[Block, list[int] | None], None, None]:
        """Each block with its matching rows, in order; None for the block at which the time was up."""
        blocks = self.source.blocks(self.start, self.backwards)
        pending: deque[tuple[Block, Future[list[int]]]] = deque()
        pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="search")
        patience = FIRST_SECONDS
        try:
            while True:
                for block in islice(blocks, PARALLEL - len(pending)):
                    pending.append((block, pool.submit(self._matches, block)))
                if not pending:
                    return
                block, future = pending.popleft()
                try:
                    found: list[int] | None = future.result(
                        max(0.0, self.deadline + patience - time.monotonic())
                    )
                except TimeoutError:
                    found = None
                yield block, found
                patience = 0.0
        finally:
            self.stop.set()
            for cursor in self.cursors:
                cursor.interrupt()
            pool.shutdown(wait=False, cancel_futures=True)

    def _matches(self, block: Block) -> list[int]:
        """Row numbers in one block that meet the condition, nearest to the start first."""
        table = self.source.read(block, self.condition.columns)
        cursor = _database().cursor()
        self.cursors.append(cursor)
        if self.stop.is_set():
            return []
        cursor.register("block", table)
        comparison, order = ("<=", "DESC") if self.backwards else (">=", "ASC")
        # The text is made of the schema's own names and bound parameters only (see conditions.py).
        sql = (
            f"SELECT {ROW} FROM block WHERE {ROW} {comparison} $start AND {self.condition.sql} "  # noqa: S608
            f"ORDER BY {ROW} {order} LIMIT $count"
        )
        parameters = {**self.condition.parameters, "start": self.start, "count": self.count}
        return [row for (row,) in cursor.execute(sql, parameters).fetchall()]


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """One empty database per process, cut off from files, extensions and further settings."""
    return duckdb.connect(
        ":memory:",
        config={
            "enable_external_access": "false",
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": "",
            "memory_limit": MEMORY,
            "threads": "1",
            "lock_configuration": "true",
        },
    )


def matches(table: pa.Table, condition: Condition) -> list[int]:
    """Offsets of the table's rows that meet the condition, ascending: for programs that read everything."""
    if condition.is_empty:
        return list(range(table.num_rows))
    numbers = pa.array(range(table.num_rows), pa.int64())
    cursor = _database().cursor()
    cursor.register("block", table.select(list(condition.columns)).append_column(ROW, numbers))
    sql = f"SELECT {ROW} FROM block WHERE {condition.sql} ORDER BY {ROW}"  # noqa: S608 (see conditions.py)
    return [row for (row,) in cursor.execute(sql, condition.parameters).fetchall()]


def take_rows(source: ShardRows, rows: list[int], columns: list[str] | None = None) -> pa.Table:
    """The named rows (ascending row numbers) with their columns, reading only the row groups they lie in."""
    parts: list[pa.Table] = []
    left = deque(rows)
    while left:
        block = next(source.blocks(left[0]))
        here = []
        while left and left[0] < block.end:
            here.append(left.popleft() - block.first)
        parts.append(source.read(block, columns).take(pa.array(here)))
    return pa.concat_tables(parts) if parts else source.page(0, 0, columns)
