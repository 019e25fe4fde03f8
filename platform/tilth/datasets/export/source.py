"""The rows of a version as exports read them: a batch at a time, with the chosen columns and split. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets import schemas
from tilth.datasets.card import About
from tilth.datasets.export.options import Options
from tilth.datasets.manifest import File, Manifest, Shard
from tilth.datasets.reader import read_batches
from tilth.errors import TilthError
from tilth.storage import Storage

BATCH_ROWS = 512
Tick = Callable[[int], None]
"""Told how many rows were written since last time; may raise to stop the export."""


class DamagedFile(TilthError):
    """A file of the version is not what the manifest says."""

    code = "damaged"
    status = 500


@dataclass(frozen=True)
class Source:
    """A published version to export, with what people wrote about it."""

    storage: Storage
    manifest: Manifest
    options: Options
    about: About

    @cached_property
    def full_schema(self) -> pa.Schema:
        """The Arrow schema of all columns, with the measurements that this version has."""
        newest = schemas.schema(self.manifest.kind)
        if not self.manifest.shards:
            return newest.arrow
        with self._readable(), self._open(self.manifest.shards[0]) as handle:
            written = pq.read_schema(handle)
        return schemas.upgrade(written.empty_table(), self.manifest.kind, self.manifest.schema_version).schema

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema of the chosen columns, in the schema's order."""
        chosen = [
            field
            for field in self.full_schema
            if not self.options.columns or field.name in self.options.columns
        ]
        return pa.schema(chosen, metadata=self.full_schema.metadata)

    @property
    def keeps_shards(self) -> bool:
        """Whether shards can be taken over byte by byte."""
        newest = schemas.schema(self.manifest.kind).version
        return (
            not self.options.columns
            and not self.options.validation
            and self.manifest.schema_version == newest
        )

    def batches(self, split: str, shards: Iterable[Shard] | None = None) -> Iterator[pa.Table]:
        """Tables of at most :data:`BATCH_ROWS` rows of a split, in order, with the chosen columns."""
        manifest = self.manifest
        wanted = manifest.shards if shards is None else shards
        with self._readable():
            for table in read_batches(
                self.storage, manifest.folder, wanted, manifest.kind, batch_rows=BATCH_ROWS
            ):
                yield self._chosen(table, split)

    def copy(self, file: File | Shard, target: IO[bytes]) -> None:
        """Copy a file of the version byte by byte; raises :class:`DamagedFile` if its hash is another."""
        digest = hashlib.sha256()
        with self._open(file) as handle:
            while piece := handle.read(4 << 20):
                digest.update(piece)
                target.write(piece)
        if digest.hexdigest() != file.sha256:
            raise self._damaged(f"{file.path} has another sha256 than the manifest says")

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Say of a file that is missing or no Parquet any more which version it belongs to and what to do."""
        try:
            yield
        except (pa.ArrowInvalid, OSError) as error:
            raise self._damaged(f"a file cannot be read ({error})") from error

    def _damaged(self, what: str) -> DamagedFile:
        return DamagedFile(
            f"{self.manifest.reference} is damaged: {what}. Restore its files from a backup, then export again."
        )

    def _open(self, file: File | Shard) -> IO[bytes]:
        return self.storage.open(f"{self.manifest.folder}/{file.path}")

    def _chosen(self, table: pa.Table, split: str) -> pa.Table:
        if self.options.validation:
            table = table.filter(self._in_split(table, split))
        return table.select(self.schema.names).cast(self.schema)

    def _in_split(self, table: pa.Table, split: str) -> pa.Array:
        """Pairs of one prompt stay together, so that a validation prompt was never trained on."""
        ids = table["id"].to_pylist()
        groups = table["group"].to_pylist() if "group" in table.column_names else ids
        keys = (group or row for group, row in zip(groups, ids, strict=True))
        return pa.array([self.options.split_of(key) == split for key in keys], pa.bool_())
