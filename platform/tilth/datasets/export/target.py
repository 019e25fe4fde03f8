"""Where an export goes: a folder, one file, or one zip of several files, each written as a stream.

A zip is stored, not compressed (Parquet is compressed already), with fixed times, so that the same export
has the same bytes; it is written in one pass, so neither its size nor memory is a limit. Pure.
"""

import shutil
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from tilth.datasets.writer import HashingFile
from tilth.errors import Conflict

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class Target(Protocol):
    """Somewhere to create files, one after another."""

    def create(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file to write; names use slashes."""


@dataclass
class OneFile:
    """The single file of an export that makes just one."""

    handle: HashingFile

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """The stream itself."""
        yield self.handle  # type: ignore[misc]


@dataclass
class ZipFile:
    """A zip that is written as its files come, all below one folder, so that unpacking makes no mess."""

    archive: zipfile.ZipFile
    folder: str

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """The next entry of the zip."""
        entry = zipfile.ZipInfo(f"{self.folder}/{name}", _ZIP_TIME)
        entry.external_attr = 0o644 << 16
        with self.archive.open(entry, "w", force_zip64=True) as handle:
            yield handle


@dataclass
class Folder:
    """A folder of this machine: files appear whole, and all vanish again when the export fails."""

    path: Path
    written: list[Path] = field(default_factory=list)

    @classmethod
    def prepare(cls, path: Path, force: bool = False) -> "Folder":
        """Use an empty or new folder; with ``force`` also one with files, of which same names are replaced."""
        if path.exists() and not path.is_dir():
            raise Conflict(f"{path} is a file; name a folder.", code="not_a_folder")
        if path.is_dir() and any(path.iterdir()) and not force:
            raise Conflict(f"{path} is not empty; name another folder or add --force.", code="not_empty")
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """A file below the folder."""
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        try:
            with part.open("wb") as handle:
                yield handle
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        self.written.append(target)

    def undo(self) -> None:
        """Remove what was written and the folders that are empty now."""
        for path in self.written:
            path.unlink(missing_ok=True)
        for folder in sorted((p for p in self.path.rglob("*") if p.is_dir()), reverse=True):
            if not any(folder.iterdir()):
                shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Written:
    """A file that was created: its name, size and hash."""

    name: str
    bytes: int
    sha256: str


@dataclass
class Noting:
    """A target that remembers size and hash of what goes through to another one."""

    inner: Target
    files: list[Written] = field(default_factory=list)

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """A file of the inner target."""
        with self.inner.create(name) as handle:
            hashed = HashingFile(handle)
            yield hashed  # type: ignore[misc]
        self.files.append(Written(name, hashed.bytes, hashed.hexdigest()))
