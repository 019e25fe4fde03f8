"""The program that publishes a campaign: out of the database, through a rule, into shards of a dataset version.

Run as ``python -m labeling.publish.program JOB_DIR``; ``DATABASE_URL`` comes by the environment. Memory
stays bounded whatever the size of the campaign. Pure: no Django.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

import pyarrow as pa

from labeling.protocol.kind import Answer, Submission, TaskKind, TaskView
from labeling.protocol.registry import kind_of
from labeling.publish import rules, tables
from labeling.publish.database import Snapshot, snapshot
from labeling.publish.tables import get
from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import version_folder
from tilth.datasets.schemas import row_id
from tilth.datasets.writer import DatasetWriter
from tilth.errors import InvalidInput
from tilth.jobs.reporting import Reporter, run_program


@dataclass(slots=True)
class Taken:
    """What went in, and what was left out and why."""

    annotations: int = 0
    rows: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave(self, why: str) -> None:
        """Count one that is left out."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


def publish(reporter: Reporter) -> dict[str, Any] | None:
    """Write the shards and the manifest; answers where the manifest lies and what was taken."""
    params, storage = reporter.params, reporter.storage
    folder = version_folder(params["dataset"], params["number"])
    taken = Taken()
    until = datetime.fromisoformat(params["until"])
    with (
        snapshot(os.environ["DATABASE_URL"]) as found,
        DatasetWriter(storage, f"{folder}/{reporter.attempt}", params["dataset_kind"]) as writer,
    ):
        for table in ahead(_tables(found, params, until, taken)):
            if reporter.stopping:
                return None
            writer.write(table)
            reporter.progress(taken.annotations, params["expected"], "writing", f"{writer.rows:,} rows")
        shards = writer.close()
        taken.rows = sum(shard.rows for shard in shards)
    if not taken.rows:
        raise InvalidInput(
            "The rule leaves no row; choose another, or wait until more is accepted.", code="no_rows"
        )
    manifest = build_manifest(
        storage,
        params["dataset"],
        params["number"],
        params["dataset_kind"],
        shards,
        producer=params["producer"],
        parents=params["parents"],
        recipe={"campaign": params["campaign"], "rule": params["rule"], **params["options"]},
        missing=[{"what": why, "count": count} for why, count in sorted(taken.left_out.items())],
    )
    key = f"{reporter.prefix}/manifest-{reporter.attempt}.json"
    storage.write_bytes(key, manifest.to_json().encode())
    return {"manifest_key": key, "rows": taken.rows, "annotations": taken.annotations}


def ahead(tables_: Iterator[Any]) -> Iterator[Any]:
    """The same tables, each made while the one before it is being written; two wait at most."""
    with ThreadPoolExecutor(1) as pool:
        done = object()
        coming = pool.submit(next, tables_, done)
        while (table := coming.result()) is not done:
            coming = pool.submit(next, tables_, done)
            yield table


def _tables(found: Snapshot, params: Mapping[str, Any], until: datetime, taken: Taken) -> Iterator[Any]:
    if params["dataset_kind"] == "annotations":
        yield from _unaggregated(found, params, until, taken)
    else:
        yield from _by_rule(found, params, until, taken)


def _wanted(params: Mapping[str, Any]) -> set[str]:
    roles = {"normal"}
    return (
        roles
        | ({"pilot"} if params["options"].get("pilot") else set())
        | ({"gold"} if params["options"].get("gold") else set())
    )


def _unaggregated(found: Snapshot, params: Mapping[str, Any], until: datetime, taken: Taken) -> Iterator[Any]:
    campaign, roles = params["campaign"], _wanted(params)
    known = tables.Beside(found.candidates(campaign, with_texts=False))
    for batch in found.annotations(campaign, until, with_tasks=False):
        kept = [row for row in batch if get(row, "role") in roles]
        for row in batch:
            if get(row, "role") not in roles:
                taken.leave(f"{get(row, 'role')} tasks")
        taken.annotations += len(kept)
        if kept:
            yield tables.annotations(kept, known.of({get(row, "task") for row in kept}), campaign)


def _by_rule(
    found: Snapshot, params: Mapping[str, Any], until: datetime, taken: Taken
) -> Iterator[list[dict]]:
    kind, schema = kind_of(params["kind"]), json.loads(found.schema(params["campaign"]))
    beside = tables.Beside(found.candidates(params["campaign"], with_texts=True))
    for batch in _whole_tasks(found, params, until):
        known = beside.of({get(row, "task") for row in batch})
        rows: list[dict[str, Any]] = []
        for task, group in groupby(batch, key=lambda row: get(row, "task")):
            kept = [row for row in group if _takes(row, params, taken)]
            made = [_rows(row, known.get(task, []), kind, schema, params) for row in kept]
            taken.annotations += len(kept)
            if params["rule"] == "majority":
                rows += rules.majority(params["dataset_kind"], made)
            else:
                rows += [row for several in made for row in several]
        yield rows


def _whole_tasks(found: Snapshot, params: Mapping[str, Any], until: datetime) -> Iterator[list[tuple]]:
    """Batches that never cut a task in two: a vote needs all of its annotations."""
    held: list[tuple] = []
    for batch in found.annotations(params["campaign"], until, with_tasks=True):
        held += batch
        last = get(held[-1], "task")
        cut = next(i for i, row in enumerate(held) if get(row, "task") == last)
        if cut:
            yield held[:cut]
            held = held[cut:]
    if held:
        yield held


def _takes(row: tuple, params: Mapping[str, Any], taken: Taken) -> bool:
    if get(row, "role") not in _wanted(params):
        taken.leave(f"{get(row, 'role')} tasks")
        return False
    if not rules.takes(params["rule"], get(row, "state"), _flag(get(row, "chosen"))):
        taken.leave(get(row, "state") if get(row, "chosen") not in (0, False) else "adjudicated otherwise")
        return False
    return True


def _flag(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _rows(
    row: tuple, candidates: list[tuple], kind: TaskKind, schema: dict[str, Any], params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The dataset rows of one annotation; what a reviewer edited or decided stands in for what was submitted."""
    payload = json.loads(get(row, "edited") or get(row, "payload"))
    if kind.upgrade is not None and get(row, "payload_version") < kind.version:
        payload = kind.upgrade(payload, get(row, "payload_version"))
    answers = [
        Answer(position, json.loads(messages), model, checkpoint, json.loads(sampling) if sampling else None)
        for _, position, model, checkpoint, sampling, messages in candidates
    ]
    submission = Submission(
        id=str(get(row, "id")),
        task=TaskView(
            json.loads(get(row, "task_payload")), answers, json.loads(get(row, "display")).get("order", ())
        ),
        payload=payload,
        schema=schema,
        key=get(row, "key"),
        provenance=tables.provenance(row, params["campaign"]),
        topic=get(row, "topic"),
    )
    made = kind.rows(params["dataset_kind"], submission)
    annotation = submission.provenance["annotation"]
    return [
        {**values, "id": row_id(annotation, number), "provenance": submission.provenance}
        for number, values in enumerate(made)
    ]


if __name__ == "__main__":
    pa.set_memory_pool(pa.system_memory_pool())  # gives back what it does not need; the others keep it
    run_program(publish, sys.argv[1])
