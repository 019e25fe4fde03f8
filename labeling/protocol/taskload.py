"""The program of an import: checks every row and writes the good ones to the storage, chunk by chunk.

Run as ``python -m labeling.protocol.taskload JOB_DIR``. It never sees the database: the supervisor loads
the chunks when the program has ended. Memory stays bounded whatever the size of the source. Pure.
"""

import csv
import io
import json
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from labeling.protocol.kind import TaskKind
from labeling.protocol.registry import kind_of
from labeling.protocol.taskrows import TaskRow, fault_of, guess, read_row
from tilth.datasets.import_.readers import BadRecord, Record, detect_format, read_records
from tilth.datasets.import_.sources import open_source
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.datasets.reader import read_batches
from tilth.errors import InvalidInput, TilthError
from tilth.jobs.reporting import Reporter, run_program
from tilth.storage import Storage
from tilth.text.cells import harmless

CHUNK = 2_000
MOST_FAULTS = 10_000
TICK = 1_000
SAMPLE = 20


def records(params: Mapping[str, Any], storage: Storage) -> Iterator[Record | BadRecord]:
    """The rows of an upload or of a dataset version, numbered from 1."""
    if params.get("version"):
        yield from _version_rows(params["version"], storage)
        return
    source = open_source({"upload": params["upload"], "name": params.get("name", "")}, storage)
    for file in source.files:
        yield from read_records(file, detect_format(file))


def _version_rows(version: Mapping[str, Any], storage: Storage) -> Iterator[Record]:
    manifest = Manifest.from_json(storage.read_bytes(manifest_key(version["name"], version["number"])))
    rows = _rows_of(storage, manifest)
    for number, row in enumerate(_paired(rows) if manifest.kind == "completions" else rows, start=1):
        yield Record(number, row)


def _rows_of(storage: Storage, manifest: Manifest) -> Iterator[dict[str, Any]]:
    for table in read_batches(storage, manifest.folder, manifest.shards, manifest.kind):
        yield from table.to_pylist()


def _paired(rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Completions of one prompt that stand together, as one row with a list of candidates."""
    group: list[dict[str, Any]] = []
    for row in rows:
        if group and _prompt_key(row) != _prompt_key(group[0]):
            yield _as_candidates(group)
            group = []
        group.append(row)
    if group:
        yield _as_candidates(group)


def _prompt_key(row: Mapping[str, Any]) -> str:
    return str(row.get("prompt_id") or json.dumps(row["prompt"], sort_keys=True, default=str))


def _as_candidates(group: list[dict[str, Any]]) -> dict[str, Any]:
    candidates = [
        {
            "messages": row["completion"],
            "model": row.get("model"),
            "checkpoint": row.get("checkpoint"),
            "sampling": row.get("sampling"),
        }
        for row in group
    ]
    return {"id": group[0]["id"], "prompt": group[0]["prompt"], "candidates": candidates}


def split_candidates(row: dict[str, Any], kind: TaskKind) -> list[dict[str, Any]]:
    """A row with more answers than a task of this kind shows, as several rows: disjoint pairs, or singles."""
    many = row.get("candidates")
    most = kind.candidates[1]
    if not isinstance(many, list) or not most or len(many) <= most:
        return [row]
    parts = [many[at : at + most] for at in range(0, len(many) - most + 1, most)]
    return [{**row, "candidates": part, "id": f"{row.get('id', '')}/{n}"} for n, part in enumerate(parts)]


def mapping_for(params: Mapping[str, Any], storage: Storage, kind: TaskKind) -> dict[str, str]:
    """The mapping asked for, on top of the one guessed from the first rows."""
    first = [r.values for r in islice(records(params, storage), SAMPLE) if isinstance(r, Record)]
    columns = dict.fromkeys(name for row in first for name in row)
    return {**guess(columns, kind), **{k: v for k, v in (params.get("mapping") or {}).items() if v}}


def preview(params: Mapping[str, Any], storage: Storage, count: int = 5) -> dict[str, Any]:
    """The first rows as tasks, the mapping, the columns there are, and the faults among them."""
    kind, schema = kind_of(params["kind"]), params["schema"]
    mapping = mapping_for(params, storage, kind)
    found: dict[str, Any] = {"mapping": mapping, "columns": [], "tasks": [], "faults": []}
    for record in islice(records(params, storage), count):
        if isinstance(record, Record):
            found["columns"] = list(dict.fromkeys([*found["columns"], *record.values]))
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
    """Good rows on their way to the storage, a file of ``CHUNK`` lines at a time."""

    def __init__(self, storage: Storage, prefix: str) -> None:
        self._storage, self._prefix = storage, prefix
        self._lines: list[str] = []
        self.count = self.rows = 0

    def add(self, row: TaskRow) -> None:
        """One more row."""
        self._lines.append(json.dumps(row.to_json(), ensure_ascii=False, default=str))
        self.rows += 1
        if len(self._lines) == CHUNK:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        if self._lines:
            data = "\n".join(self._lines).encode("utf-8", "replace")
            self._storage.write_bytes(chunk_key(self._prefix, self.count), data)
            self.count += 1
            self._lines = []


def chunk_key(prefix: str, number: int) -> str:
    """Where a chunk lies in the storage."""
    return f"{prefix}/tasks/{number:06d}.jsonl"


def report_key(prefix: str) -> str:
    """Where the report of bad rows lies."""
    return f"{prefix}/bad-rows.csv"


def load(reporter: Reporter) -> dict[str, Any] | None:
    """Check everything; answers how many rows were good and bad, and in how many chunks the good ones lie."""
    params, storage = reporter.params, reporter.storage
    kind = kind_of(params["kind"])
    mapping = mapping_for(params, storage, kind)
    chunks, bad = Chunks(storage, reporter.prefix), 0
    report = io.StringIO()
    writer = csv.writer(report)
    writer.writerow(["row", "field", "problem"])
    limit = params.get("limit") or None
    for number, record in enumerate(islice(records(params, storage), limit), start=1):
        for row, task, fault in _convert(record, mapping, kind, params["schema"], params):
            if task is not None:
                chunks.add(task)
            else:
                bad += 1
                if bad <= MOST_FAULTS:
                    writer.writerow([row, *(harmless(cell) for cell in fault)])
        if number % TICK == 0:
            if reporter.stopping:
                return None
            reporter.progress(
                number, params.get("rows") or 0, "checking", f"{chunks.rows:,} good, {bad:,} bad"
            )
    chunks.flush()
    storage.write_bytes(report_key(reporter.prefix), report.getvalue().encode())
    if not chunks.rows:
        first = report.getvalue().splitlines()[1:2]
        raise InvalidInput(
            f"No row can become a task. The first fault: {first[0] if first else 'there is no row'}"
        )
    return {"rows": chunks.rows, "bad": bad, "chunks": chunks.count, "mapping": mapping}


if __name__ == "__main__":
    run_program(load, sys.argv[1])
