"""Exports that keep the rows as they are: Parquet, JSON lines, token files. Pure."""

import gzip
import io
import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.export.source import Source, Tick
from tilth.datasets.export.target import Target
from tilth.datasets.manifest import Shard

GROUP_BYTES = 32 << 20
Row = dict[str, Any]


def parquet_names(source: Source, folder: str = "") -> list[str]:
    """Names of the Parquet files: one per shard, and one for a validation split."""
    count = len(source.manifest.shards)
    names = [f"{folder}train-{index:05d}-of-{count:05d}.parquet" for index in range(count)]
    if source.options.validation:
        names.append(f"{folder}validation-00000-of-00001.parquet")
    return names


def write_parquet(source: Source, target: Target, tick: Tick, folder: str = "") -> None:
    """One Parquet file per shard: the shard itself where nothing was chosen, else rewritten."""
    names = parquet_names(source, folder)
    for shard, name in zip(source.manifest.shards, names, strict=False):
        with target.create(name) as handle:
            if source.keeps_shards:
                source.copy(shard, handle)
                tick(shard.rows)
            else:
                _rewrite(source, "train", [shard], handle, tick)
    if source.options.validation:
        with target.create(names[-1]) as handle:
            _rewrite(source, "validation", source.manifest.shards, handle, tick)


def _rewrite(source: Source, split: str, shards: Iterable[Shard], handle: IO[bytes], tick: Tick) -> None:
    with pq.ParquetWriter(pa.PythonFile(handle, "w"), source.schema, compression="zstd") as writer:
        held: list[pa.Table] = []
        for table in source.batches(split, shards):
            held.append(table)
            if sum(part.nbytes for part in held) >= GROUP_BYTES:
                writer.write_table(pa.concat_tables(held))
                held = []
            tick(table.num_rows)
        if held:
            writer.write_table(pa.concat_tables(held))


def jsonl_names(source: Source) -> list[str]:
    """Names of the JSON lines files: one per split."""
    suffix = ".jsonl.gz" if source.options.gzip else ".jsonl"
    if source.options.validation:
        return [f"{split}{suffix}" for split in source.options.splits]
    return [f"{source.manifest.dataset}-{source.manifest.number}{suffix}"]


def write_jsonl(source: Source, target: Target, tick: Tick) -> None:
    """Every row as one JSON object with its columns; times as ISO 8601."""
    write_lines(source, target, tick, lambda row: row)


def write_lines(source: Source, target: Target, tick: Tick, shape: Callable[[Row], Row | None]) -> None:
    """Every row through ``shape`` as one line of JSON; rows for which it gives None are left out."""
    for split, name in zip(source.options.splits, jsonl_names(source), strict=True):
        with target.create(name) as handle, _compressed(handle, source.options.gzip) as lines:
            for table in source.batches(split):
                shaped = (shape(row) for row in table.to_pylist())
                lines.write("".join(f"{to_json(row)}\n" for row in shaped if row is not None).encode())
                tick(table.num_rows)


@contextmanager
def _compressed(handle: IO[bytes], wanted: bool) -> Iterator[IO[bytes]]:
    if not wanted:
        yield handle
        return
    # No file name and no time in the header, so that equal rows give equal bytes.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=handle, mtime=0) as packed,
        io.BufferedWriter(packed) as lines,
    ):  # type: ignore[type-var]
        yield lines  # type: ignore[misc]


def to_json(value: Any) -> str:
    """One line of JSON that every reader takes: no NaN, times as ISO 8601."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain, separators=(",", ":"))
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} does not go into JSON")


def _finite(value: Any) -> Any:
    """NaN and infinities as null, which JSON has no other word for."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value


def file_names(source: Source) -> list[str]:
    """Names of the version's own files, as the manifest has them."""
    return [file.path for file in source.manifest.files]


def write_files(source: Source, target: Target, tick: Tick) -> None:
    """The version's files as they are (token shards and their boundaries)."""
    for file in source.manifest.files:
        with target.create(file.path) as handle:
            source.copy(file, handle)
    tick(source.manifest.rows)
