"""Rows of the dataset versions that a run reads: pulled, verified, brought to the newest schema, in order."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.manifest import File, Manifest
from tilth.datasets.reader import shard_version
from tilth.datasets.schemas import schema, upgrade
from tilth.storage import Storage
from training.llm.cache import Cache
from training.llm.spec import Source

BATCH_ROWS = 1024


@dataclass(frozen=True)
class Inputs:
    """Where a run finds its rows."""

    storage: Storage
    cache: Cache

    def manifest(self, source: Source) -> Manifest:
        """The manifest of a source."""
        return Manifest.from_json(self.storage.read_bytes(f"{source.folder}/manifest.json"))

    def paths(self, source: Source) -> list[Path]:
        """Local paths of a source's shards, in order."""
        shards = self.manifest(source).shards
        files = [File(shard.path, shard.bytes, shard.sha256) for shard in shards]
        return self.cache.fetch_all(self.storage, source.folder, files)

    def batches(self, source: Source, columns: list[str] | None = None) -> Iterator[pa.Table]:
        """A source's rows as tables of at most a thousand rows, in their order."""
        for path in self.paths(source):
            yield from tables(path, source.kind, columns)

    def rows(self, source: Source, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
        """A source's rows as dictionaries, in their order; messages are cleaned by :func:`messages`."""
        for table in self.batches(source, columns):
            for row in table.to_pylist():
                yield {
                    name: messages(value) if _are_messages(value) else value for name, value in row.items()
                }


def tables(path: Path, kind: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """One shard's rows as tables of at most a thousand rows of the newest schema."""
    file = pq.ParquetFile(path)
    version = shard_version(file)
    direct = columns if version == schema(kind).version else None
    for batch in file.iter_batches(BATCH_ROWS, columns=direct):
        table = pa.Table.from_batches([batch])
        if direct is None:
            table = upgrade(table, kind, version)
        yield table if columns is None else table.select(columns)


def messages(stored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Stored messages as chat templates read them: no empty fields, tool arguments decoded from JSON."""
    return [_message(message) for message in stored]


def _message(stored: dict[str, Any]) -> dict[str, Any]:
    message = {name: value for name, value in stored.items() if value is not None}
    message.setdefault("content", "")
    calls = message.pop("tool_calls", None)
    if calls:
        message["tool_calls"] = [
            {**call, "function": {**call["function"], "arguments": _arguments(call["function"]["arguments"])}}
            for call in calls
        ]
    return message


def _arguments(text: str | None) -> Any:
    try:
        return json.loads(text) if text else {}
    except ValueError:
        return text


def _are_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict) and "role" in value[0]
