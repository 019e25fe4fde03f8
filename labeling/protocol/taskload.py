"""The program of an import: checks every row and writes the good ones to the storage, chunk by chunk.

Run as ``python -m labeling.protocol.taskload JOB_DIR``. It never sees the database: the supervisor loads
the chunks when the program has ended. A chunk is a Parquet file whose columns are those of a task, JSON
among them as text, so that loading it is copying it. Memory stays bounded whatever the size of the source
and of its rows. Pure.
"""

import io
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labeling.protocol.kind import TaskKind
from labeling.protocol.registry import kind_of
from labeling.protocol.taskrows import TaskRow, fault_of, guess, read_row
from labeling.protocol.tasksource import chosen, records, split_candidates
from tilth.datasets.import_.readers import BadRecord, Record
from tilth.errors import InvalidInput, TilthError
from tilth.jobs.reporting import Reporter, run_program
from tilth.storage import Storage
from tilth.text.cells import Table

CHUNK = 2_000
CHUNK_CHARACTERS = 16_000_000
"""A chunk ends with whichever comes first, so many rows or so much text."""

MOST_FAULTS = 10_000
TICK = 1_000
SAMPLE = 20
PATIENCE = 4.0
"""Seconds that a preview looks for rows that meet a condition."""

_CANDIDATE = pa.struct([(name, pa.string()) for name in ("messages", "model", "checkpoint", "sampling")])
CHUNK_SCHEMA = pa.schema(
    [
        *(
            (name, pa.string())
            for name in ("key", "payload", "topic", "difficulty", "language", "gold", "author")
        ),
        ("candidates", pa.list_(_CANDIDATE)),
    ]
)


def mapping_for(params: Mapping[str, Any], rows: list[dict[str, Any]], kind: TaskKind) -> dict[str, str]:
    """The mapping asked for, on top of the one guessed from the first rows; an empty name unmaps a field."""
    columns = dict.fromkeys(name for row in rows for name in row)
    both = {**guess(columns, kind), **(params.get("mapping") or {})}
    return {field: name for field, name in both.items() if name}


def preview(params: Mapping[str, Any], storage: Storage, count: int = 5) -> dict[str, Any]:
    """The first rows as tasks, the mapping, the columns there are, and the faults among them."""
    kind, schema = kind_of(params["kind"]), params["schema"]
    first = list(islice(records(params, storage, seconds=PATIENCE), SAMPLE))
    values = [record.values for record in first if isinstance(record, Record)]
    mapping = mapping_for(params, values, kind)
    columns = list(dict.fromkeys(name for row in values for name in row))
    found: dict[str, Any] = {"mapping": mapping, "columns": columns, "tasks": [], "faults": []}
    for record in first[:count]:
        for number, task, fault in _convert(record, mapping, kind, schema, params):
            if task is not None:
                found["tasks"].append((number, task))
            else:
                found["faults"].append((number, *fault))
    return found


def _convert(
    record: Record | BadRecord,
    mapping: Mapping[str, str],
    kind: TaskKind,
    schema: Mapping[str, Any],
    params: Mapping[str, Any],
) -> Iterator[tuple[int, TaskRow | None, tuple[str, str]]]:
    if isinstance(record, BadRecord):
        yield record.row, None, ("", record.reason)
        return
    source = params.get("upload") or "{name}@{number}".format(**params["version"])
    for part, row in enumerate(split_candidates(record.values, kind)):
        try:
            task = read_row(row, mapping, kind, schema, f"{source}:{record.row}:{part}")
            if params.get("role") == "gold" and task.gold is None:
                raise InvalidInput("has no known answer", field="gold")
            yield record.row, task, ("", "")
        except TilthError as error:
            yield record.row, None, fault_of(error)


class Chunks:
    """Good rows on their way to the storage, a file at a time; ``sizes`` are the rows of each file."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage, self._prefix = storage, prefix
        self._waiting: list[dict[str, Any]] = []
        self._characters = self.rows = 0
        self.sizes: list[int] = []

    def add(self, columns: dict[str, Any]) -> None:
        """One more row."""
        self._waiting.append(columns)
        self.rows += 1
        self._characters += len(columns["payload"]) + sum(len(c["messages"]) for c in columns["candidates"])
        if len(self._waiting) == CHUNK or self._characters > CHUNK_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._waiting:
            buffer, table = io.BytesIO(), pa.Table.from_pylist(self._waiting, CHUNK_SCHEMA)
            pq.write_table(table, buffer, compression="zstd", use_dictionary=False)
            self._storage.write_bytes(chunk_key(self._prefix, len(self.sizes)), buffer.getvalue())
            self.sizes.append(len(self._waiting))
            self._waiting, self._characters = [], 0


def read_chunk(storage: Storage, prefix: str, number: int) -> list[dict[str, Any]]:
    """The rows of one chunk."""
    data = storage.read_bytes(chunk_key(prefix, number))
    rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(data)).to_pylist()
    return rows


def chunk_key(prefix: str, number: int) -> str:
    """Where a chunk lies in the storage."""
    return f"{prefix}/tasks/{number:06d}.parquet"


def report_key(prefix: str) -> str:
    """Where the report of bad rows lies."""
    return f"{prefix}/bad-rows.csv"


class Report:
    """Bad rows as a table: number, field, problem; the first ten thousand, and how many more there are."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._table = Table(self._text)
        self._table.write(["row", "field", "problem"])
        self.rows, self.first = 0, ""

    def add(self, row: int, fault: tuple[str, str]) -> None:
        """One more bad row."""
        self.rows += 1
        self.first = self.first or f"row {row}{f', {fault[0]}' if fault[0] else ''}: {fault[1]}"
        if self.rows <= MOST_FAULTS:
            self._table.write([row, *fault])

    def text(self) -> bytes:
        """The table as CSV."""
        more = self.rows - MOST_FAULTS
        return (self._text.getvalue() + (f",,and {more:,} more\r\n" if more > 0 else "")).encode()


def load(reporter: Reporter) -> dict[str, Any] | None:
    """Check everything; answers how many rows were good and bad, and the rows of each chunk of good ones."""
    params, storage = reporter.params, reporter.storage
    kind = kind_of(params["kind"])
    first = [r.values for r in islice(records(params, storage), SAMPLE) if isinstance(r, Record)]
    mapping = mapping_for(params, first, kind)
    chunks, report = Chunks(storage, reporter.prefix), Report()
    for number, record in enumerate(chosen(params, storage), start=1):
        for row, task, fault in _convert(record, mapping, kind, params["schema"], params):
            try:
                if task is not None:
                    chunks.add(task.to_columns())
                else:
                    report.add(row, fault)
            except InvalidInput as error:
                report.add(row, fault_of(error))
        if number % TICK == 0:
            if reporter.stopping:
                return None
            said = f"{chunks.rows:,} good, {report.rows:,} bad"
            total = params.get("limit") or params.get("rows") or 0
            reporter.progress(number, total, "checking", said)
    chunks.flush()
    storage.write_bytes(report_key(reporter.prefix), report.text())
    if not chunks.rows:
        raise InvalidInput(f"No row can become a task. The first fault: {report.first or 'there is no row'}")
    return {"rows": chunks.rows, "bad": report.rows, "chunks": chunks.sizes, "mapping": mapping}


if __name__ == "__main__":
    run_program(load, sys.argv[1])
