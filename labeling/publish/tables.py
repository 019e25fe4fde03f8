"""Batches of database rows as Arrow tables of ``annotations``, column by column. Pure: no Django.

No JSON is parsed on the way: payloads and displays pass through as text, and candidates are put together
from flat columns, which is what makes a million annotations a matter of seconds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from labeling.publish.database import COLUMNS
from tilth.datasets.columns import CANDIDATE, PROVENANCE, SAMPLING, TIMESTAMP
from tilth.datasets.schemas import row_id, schema

_AT = {name: number for number, name in enumerate(COLUMNS)}
Candidates = dict[int, list[tuple]]


class Beside:
    """Candidates read beside the annotations: both come in the order of tasks, so neither is ever asked for twice."""

    def __init__(self, stream: Iterator[tuple[int, list[tuple]]]) -> None:
        self._stream = stream
        self._known: Candidates = {}
        self._last = 0

    def of(self, tasks: set[int]) -> Candidates:
        """The candidates of a batch's tasks; those before the batch are forgotten."""
        first, last = min(tasks), max(tasks)
        self._known = {task: rows for task, rows in self._known.items() if task >= first}
        while self._last < last:
            task, rows = next(self._stream, (last, []))
            self._last = task
            if rows and task >= first:
                self._known[task] = rows
        return self._known


def annotations(batch: Sequence[tuple], candidates: Candidates, campaign: int) -> pa.Table:
    """A batch as a table of the newest ``annotations`` schema."""
    column = dict(zip(COLUMNS, zip(*batch, strict=True), strict=True))
    payloads = [
        f'{{"version": {version}, {text[1:]}' if text != "{}" else f'{{"version": {version}}}'
        for version, text in zip(column["payload_version"], map(_text, column["payload"]), strict=True)
    ]
    ids = list(map(spelled, column["id"]))
    values = {
        "id": pa.array([row_id(value) for value in ids], pa.string()),
        "item": pa.array(column["key"], pa.string()),
        "kind": pa.array(column["kind"], pa.string()),
        "payload": pa.array(payloads, pa.string()),
        "state": pa.array(column["state"], pa.string()),
        "review": pa.array(column["review"], pa.string()),
        "candidates": _candidates(column["task"], candidates),
        "display": pa.array([_text(value) for value in column["display"]], pa.string()),
        "provenance": _provenance(column, ids, campaign),
    }
    target = schema("annotations")
    return pa.Table.from_arrays([values[c.name] for c in target.columns], schema=target.arrow)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def spelled(value: Any) -> str:
    """A UUID in its usual spelling; SQLite keeps it without dashes."""
    text = str(value)
    if len(text) == 36:
        return text
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _candidates(tasks: Sequence[int], known: Candidates) -> pa.Array:
    offsets: list[int] = [0]
    flat: list[tuple] = []
    for task in tasks:
        flat += known.get(task, ())
        offsets.append(len(flat))
    sampling = pa.array([json.loads(row[4]) if row[4] else None for row in flat], pa.struct(SAMPLING))
    fields = {
        "model": pa.array([row[2] for row in flat], pa.string()),
        "checkpoint": pa.array([row[3] for row in flat], pa.string()),
        "sampling": sampling,
        "position": pa.array([row[1] for row in flat], pa.int32()),
    }
    structs = pa.StructArray.from_arrays([fields[f.name] for f in CANDIDATE], fields=list(CANDIDATE))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _provenance(column: Mapping[str, Sequence[Any]], ids: list[str], campaign: int) -> pa.StructArray:
    count = len(ids)
    fields = {
        "campaign": pa.array([f"campaign:{campaign}"] * count, pa.string()),
        "task": pa.array([f"task:{value}" for value in column["task"]], pa.string()),
        "annotation": pa.array([f"annotation:{value}" for value in ids], pa.string()),
        "labeler": pa.array(column["labeler"], pa.string()),
        "guideline": pa.array(column["guideline"], pa.string()),
        "seconds": pa.array(column["seconds"], pa.float64()),
        "created_at": pa.array([moment(value) for value in column["submitted_at"]], TIMESTAMP),
    }
    return pa.StructArray.from_arrays([fields[f.name] for f in PROVENANCE], fields=list(PROVENANCE))


def moment(value: Any) -> datetime:
    """A time as either database gives it, in UTC."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def provenance(row: tuple, campaign: int) -> dict[str, Any]:
    """The provenance of one row, for the kinds that are written row by row."""
    return {
        "campaign": f"campaign:{campaign}",
        "task": f"task:{row[_AT['task']]}",
        "annotation": f"annotation:{spelled(row[_AT['id']])}",
        "labeler": row[_AT["labeler"]],
        "guideline": row[_AT["guideline"]],
        "seconds": row[_AT["seconds"]],
        "created_at": moment(row[_AT["submitted_at"]]),
    }


def get(row: tuple, name: str) -> Any:
    """One value of a row by its column."""
    return row[_AT[name]]
