"""Where tasks come from: the rows of an upload or of a dataset version, filtered, cut or sampled. Pure.

Sources are told by an import's parameters: ``upload`` (a sha256, with ``name``) or ``version`` (``name``,
``number``), the latter with ``where``: ``words`` and ``filters`` as the row browser understands them.
"""

import json
import random
import time
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from labeling.protocol.kind import TaskKind
from tilth.datasets.browse.conditions import Condition, build_condition
from tilth.datasets.browse.search import matches
from tilth.datasets.import_.readers import BadRecord, Record, detect_format, read_records
from tilth.datasets.import_.sources import open_source
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.datasets.reader import read_batches
from tilth.storage import Storage

Found = Record | BadRecord


def records(params: Mapping[str, Any], storage: Storage, *, seconds: float | None = None) -> Iterator[Found]:
    """The rows of the source, numbered from 1. After ``seconds`` no further part of it is looked at."""
    if params.get("version"):
        yield from _version_rows(params, storage, seconds)
        return
    source = open_source({"upload": params["upload"], "name": params.get("name", "")}, storage)
    for file in source.files:
        yield from read_records(file, detect_format(file))


def chosen(params: Mapping[str, Any], storage: Storage) -> Iterator[Found]:
    """The rows asked for: all, the first ``limit``, or ``limit`` at random (``sample``, with a ``seed``)."""
    rows, limit = records(params, storage), params.get("limit") or None
    if limit is None or not params.get("sample"):
        return islice(rows, limit)
    total = sum(1 for _ in records(params, storage))
    return sample(rows, limit, total, params.get("seed") or 0)


def sample(rows: Iterator[Found], count: int, total: int, seed: int) -> Iterator[Found]:
    """So many of ``total`` rows, each with the same chance, in their order.

    Selection sampling: Knuth, The Art of Computer Programming 2, 3.4.2, algorithm S.
    """
    chance = random.Random(seed)
    for seen, row in enumerate(rows):
        if not count:
            return
        if chance.random() * (total - seen) < count:
            count -= 1
            yield row


def _version_rows(params: Mapping[str, Any], storage: Storage, seconds: float | None) -> Iterator[Record]:
    version = params["version"]
    manifest = Manifest.from_json(storage.read_bytes(manifest_key(version["name"], version["number"])))
    rows = _matching(params.get("where") or {}, storage, manifest, seconds)
    return _paired(rows) if manifest.kind == "completions" else rows


def _matching(
    where: Mapping[str, Any], storage: Storage, manifest: Manifest, seconds: float | None
) -> Iterator[Record]:
    condition: Condition | None = None
    first, until = 1, None if seconds is None else time.monotonic() + seconds
    for table in read_batches(storage, manifest.folder, manifest.shards, manifest.kind):
        if condition is None:
            condition = build_condition(table.schema, where.get("words") or "", where.get("filters") or {})
        offsets = matches(table, condition)
        for offset, row in zip(offsets, table.take(offsets).to_pylist(), strict=True):
            yield Record(first + offset, row)
        first += table.num_rows
        if until is not None and time.monotonic() > until:
            return


def _paired(rows: Iterator[Record]) -> Iterator[Record]:
    """Completions of one prompt that stand together, as one row with a list of candidates."""
    group: list[Record] = []
    for row in rows:
        if group and _prompt_key(row.values) != _prompt_key(group[0].values):
            yield _as_candidates(group)
            group = []
        group.append(row)
    if group:
        yield _as_candidates(group)


def _prompt_key(row: Mapping[str, Any]) -> str:
    return str(row.get("prompt_id") or json.dumps(row["prompt"], sort_keys=True, default=str))


def _as_candidates(group: list[Record]) -> Record:
    candidates = [
        {
            "messages": row.values["completion"],
            "model": row.values.get("model"),
            "checkpoint": row.values.get("checkpoint"),
            "sampling": row.values.get("sampling"),
        }
        for row in group
    ]
    first = group[0].values
    return Record(group[0].row, {"id": first["id"], "prompt": first["prompt"], "candidates": candidates})


def split_candidates(row: dict[str, Any], kind: TaskKind) -> list[dict[str, Any]]:
    """A row with more answers than a task of this kind shows, as several rows: disjoint pairs, or singles."""
    many = row.get("candidates")
    most = kind.candidates[1]
    if not isinstance(many, list) or not most or len(many) <= most:
        return [row]
    parts = [many[at : at + most] for at in range(0, len(many) - most + 1, most)]
    return [{**row, "candidates": part, "id": f"{row.get('id', '')}/{n}"} for n, part in enumerate(parts)]
