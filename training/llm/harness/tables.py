"""The data of tasks as the tables that the harness works on, read here: nothing is fetched, unpacked or cached."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset

from training.llm.harness.folder import TaskFile
from training.llm.harness.taskfile import refused

LARGEST = 1 << 30
"""Bytes of a data file."""


def splits_of(task: TaskFile) -> dict[str, Dataset]:
    """The rows of each split."""
    return {split: Dataset(_table(task, files)) for split, files in task.splits.items()}


def _table(task: TaskFile, files: list[Path]) -> pa.Table:
    names = ", ".join(file.name for file in files)
    large = next((file.name for file in files if file.stat().st_size > LARGEST), None)
    if large:
        raise refused(f"{task.name}: {large} is larger than {LARGEST:,} bytes.")
    try:
        table = pa.concat_tables(map(_READERS[task.kind], files), promote_options="default")
    except (pa.ArrowException, pl.exceptions.PolarsError, ValueError, OverflowError, RecursionError) as error:
        raise refused(f"{task.name}: {names} cannot be read as {task.kind}: {error}") from None
    if not table.num_rows:
        raise refused(f"{task.name}: {names} holds no row.")
    return table


def _json(file: Path) -> pa.Table:
    """A row a line, or one list of rows."""
    text = file.read_text(encoding="utf-8-sig")
    rows = json.loads(text) if text.lstrip().startswith("[") else list(_lines(text))
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a row holds keys with values")
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: pa.array([row.get(name) for row in rows]) for name in names})


def _lines(text: str) -> Iterator[Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None


def _csv(file: Path) -> pa.Table:
    return pl.read_csv(file, infer_schema_length=None).to_arrow(compat_level=pl.CompatLevel.oldest())


_READERS: dict[str, Callable[[Path], pa.Table]] = {"json": _json, "parquet": pq.read_table, "csv": _csv}
