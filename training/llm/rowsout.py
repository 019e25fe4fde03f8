"""Rows that a run makes: shards of the dataset version that its launch reserved, and the version's manifest.

The manifest is left in the storage under the job and named in the result; whoever launched the run publishes it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import version_folder
from tilth.datasets.writer import DatasetWriter
from tilth.errors import InvalidInput
from training.llm.program import Workspace


def publishable(work: Workspace, kind: str, parts: Iterable[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """Write rows as the run's dataset version; answers ``manifest_key`` and ``rows``.

    Raises :class:`InvalidInput` where the run names no dataset, or there is no row.
    """
    named = work.spec.dataset
    if not named:
        raise InvalidInput(
            f"{work.spec.stage} writes rows: name the dataset they belong to.", field="dataset"
        )
    folder = version_folder(named["name"], named["number"])
    storage = work.report.storage
    with DatasetWriter(storage, f"{folder}/attempt-{work.report.attempt}", kind) as writer:
        for rows in parts:
            writer.write(rows)
        shards = writer.close()
    count = sum(shard.rows for shard in shards)
    if not count:
        raise InvalidInput("No row came of it: choose other sources.", code="no_rows")
    manifest = build_manifest(
        storage,
        named["name"],
        named["number"],
        kind,
        shards,
        producer=work.spec.stage,
        parents=work.spec.parents,
        recipe={"run": work.spec.run, "config": work.spec.config},
    )
    key = f"{work.report.prefix}/manifest-{work.report.attempt}.json"
    storage.write_bytes(key, manifest.to_json().encode())
    return {"manifest_key": key, "rows": count}


def stored(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Messages as rows hold them: tool arguments as JSON text. The opposite of ``inputs.messages``."""
    return [_stored(message) for message in messages]


def _stored(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = message.get("tool_calls")
    if not calls:
        return dict(message)
    written = [
        {**call, "function": {**call["function"], "arguments": _text(call["function"]["arguments"])}}
        for call in calls
    ]
    return {**message, "tool_calls": written}


def _text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
