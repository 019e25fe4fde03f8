"""What the database gave, as tables of ``annotations`` or as what kinds work on. Pure: no Django.

Everything is done column by column. For ``annotations`` no JSON is parsed on the way: payloads and
displays pass through as text, which is what makes a million annotations a matter of seconds.
"""

import json
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from labeling.protocol.kind import Answer
from tilth.datasets.columns import CANDIDATE, PROVENANCE, SAMPLING
from tilth.datasets.schemas import row_id, schema


def annotations(batch: pa.Table, candidates: pa.Table, campaign: int) -> pa.Table:
    """A batch with the candidates of its tasks as a table of the newest ``annotations`` schema."""
    rest = pc.utf8_slice_codeunits(batch["payload"], 1)
    comma = pc.if_else(pc.equal(rest, "}"), "", ", ")
    version = batch["payload_version"].cast(pa.string())
    made = {
        "id": pa.array(map(row_id, batch["id"].to_pylist()), pa.string()),
        "item": batch["key"],
        "kind": batch["kind"],
        "payload": pc.binary_join_element_wise('{"version": ', version, comma, rest, ""),
        "state": batch["state"],
        "review": batch["review"],
        "candidates": _candidates(batch["task"].to_numpy(), candidates),
        "display": batch["display"],
        "provenance": provenance(batch, campaign),
    }
    target = schema("annotations")
    return pa.table([made[column.name] for column in target.columns], schema=target.arrow)


def _candidates(tasks: np.ndarray, known: pa.Table) -> pa.ListArray:
    """Of each task the candidates; ``known`` is in the order of tasks."""
    values = {
        "model": known["model"].combine_chunks(),
        "checkpoint": known["checkpoint"].combine_chunks(),
        "sampling": pa.array(parsed(known["sampling"]), pa.struct(SAMPLING)),
        "position": known["position"].combine_chunks(),
    }
    structs = pa.StructArray.from_arrays([values[f.name] for f in CANDIDATE], fields=list(CANDIDATE))
    of = known["task"].to_numpy()
    starts = np.searchsorted(of, tasks)
    counts = np.searchsorted(of, tasks, side="right") - starts
    offsets = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], counts)
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs.take(pa.array(places)))


def provenance(batch: pa.Table, campaign: int) -> pa.StructArray:
    """Where each row of a batch comes from."""
    values = {
        "campaign": pa.repeat(f"campaign:{campaign}", len(batch)),
        "task": pc.binary_join_element_wise("task", batch["task"].cast(pa.string()), ":"),
        "annotation": pc.binary_join_element_wise("annotation", batch["id"], ":"),
        "labeler": batch["labeler"],
        "guideline": batch["guideline"],
        "seconds": batch["seconds"],
        "created_at": batch["submitted_at"],
        "editor": batch["editor"],
    }
    arrays = [values[f.name] for f in PROVENANCE]
    flat = [a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arrays]
    return pa.StructArray.from_arrays(flat, fields=list(PROVENANCE))


def parsed(column: pa.ChunkedArray) -> list[Any]:
    """What JSON texts say; equal texts share one value, so nobody may change it."""
    encoded = column.combine_chunks().dictionary_encode()
    values = json.loads(f"[{','.join(encoded.dictionary.to_pylist())}]")
    return [None if at is None else values[at] for at in encoded.indices.to_pylist()]


def rows(batch: pa.Table, campaign: int) -> list[dict[str, Any]]:
    """A batch row by row, JSON parsed; what a reviewer edited stands in for what was submitted."""
    columns = {name: batch[name].to_pylist() for name in ("id", "task", "key", "topic", "payload_version")}
    columns["payload"] = parsed(pc.coalesce(batch["edited"], batch["payload"]))
    columns["task_payload"] = parsed(batch["task_payload"])
    columns["display"] = parsed(batch["display"])
    columns["provenance"] = provenance(batch, campaign).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def answers(candidates: pa.Table) -> dict[int, list[Answer]]:
    """Each task's candidates as its kind sees them."""
    found = zip(
        candidates["task"].to_pylist(),
        candidates["position"].to_pylist(),
        parsed(candidates["messages"]),
        candidates["model"].to_pylist(),
        candidates["checkpoint"].to_pylist(),
        parsed(candidates["sampling"]),
        strict=True,
    )
    return {
        task: [Answer(*rest) for _, *rest in several] for task, several in groupby(found, lambda row: row[0])
    }
