"""The program that publishes a campaign: out of the database, through a rule, into shards of a dataset version.

Run as ``python -m labeling.publish.program JOB_DIR``; ``DATABASE_URL`` comes by the environment. Memory
stays bounded whatever the size of the campaign. Pure: no Django.
"""

import gc
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import pyarrow as pa

from labeling.protocol.kind import Answer, Submission, TaskKind, TaskView
from labeling.protocol.registry import kind_of
from labeling.publish import rules, tables
from labeling.publish.database import Snapshot, snapshot
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
    campaign, by_rule = params["campaign"], params["dataset_kind"] != "annotations"
    kind, schema = kind_of(params["kind"]), json.loads(found.schema(campaign))
    for part in found.parts(campaign, until):
        batch = found.annotations(campaign, until, part, with_tasks=by_rule)
        kept = batch.filter(pa.array([_takes(row, params, taken) for row in _standing(batch)], pa.bool_()))
        taken.annotations += len(kept)
        if not len(kept):
            continue
        candidates = found.candidates(campaign, part, with_texts=by_rule)
        if by_rule:
            yield _by_rule(kept, candidates, kind, schema, params)
        else:
            yield tables.annotations(kept, candidates, campaign)


def _standing(batch: pa.Table) -> Iterable[tuple[str, str, int | None]]:
    return zip(*(batch[name].to_pylist() for name in ("role", "state", "chosen")), strict=True)


def _takes(row: tuple[str, str, int | None], params: Mapping[str, Any], taken: Taken) -> bool:
    role, state, chosen = row
    if role != "normal" and not params["options"].get(role):
        taken.leave(f"{role} tasks")
        return False
    if not rules.takes(params["rule"], state, None if chosen is None else bool(chosen)):
        taken.leave(state if chosen != 0 else "adjudicated otherwise")
        return False
    return True


def _by_rule(
    batch: pa.Table, candidates: pa.Table, kind: TaskKind, schema: dict[str, Any], params: Mapping[str, Any]
) -> list[dict[str, Any]]:
    known = tables.answers(candidates)
    found: list[dict[str, Any]] = []
    for task, group in groupby(tables.rows(batch, params["campaign"]), key=itemgetter("task")):
        made = [_rows(row, known.get(task, []), kind, schema, params["dataset_kind"]) for row in group]
        if params["rule"] == "majority":
            found += rules.majority(params["dataset_kind"], made)
        else:
            found += [row for several in made for row in several]
    return found


def _rows(
    row: dict[str, Any], answers: list[Answer], kind: TaskKind, schema: dict[str, Any], dataset_kind: str
) -> list[dict[str, Any]]:
    """The dataset rows of one annotation."""
    payload = row["payload"]
    if kind.upgrade is not None and row["payload_version"] < kind.version:
        payload = kind.upgrade(payload, row["payload_version"])
    submission = Submission(
        id=row["id"],
        task=TaskView(row["task_payload"], answers, row["display"].get("order", ())),
        payload=payload,
        schema=schema,
        key=row["key"],
        provenance=row["provenance"],
        topic=row["topic"],
    )
    annotation = submission.provenance["annotation"]
    return [
        {**values, "id": row_id(annotation, number), "provenance": submission.provenance}
        for number, values in enumerate(kind.rows(dataset_kind, submission))
    ]


if __name__ == "__main__":
    pa.set_memory_pool(pa.system_memory_pool())  # gives back what it does not need; the others keep it
    # Rows come and go by the ten thousand and refer to nothing in a circle.
    gc.set_threshold(50_000)
    run_program(publish, sys.argv[1])
