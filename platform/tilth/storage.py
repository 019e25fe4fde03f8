"""The storage root: one place for every published byte, local folder or any fsspec URL.

Keys are relative, slash-separated paths; nothing outside the root can be named. A file appears whole
or not at all: locally by temporary name, fsync and rename, on an object store by one complete put.
Pure: no Django, so that jobs and the pipeline use it on machines without a database.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import fsspec
from fsspec.implementations.local import LocalFileSystem

from tilth.errors import InvalidInput


def check_key(key: str) -> str:
    """Return ``key`` if it stays inside the root, else raise :class:`InvalidInput`."""
    parts = key.split("/")
    bad = not key or key.startswith("/") or "\\" in key or "\x00" in key
    if bad or any(part in {"", ".", ".."} for part in parts):
        raise InvalidInput(f"{key!r} is not a path inside the storage root", code="bad_path")
    return key


@dataclass(frozen=True)
class Storage:
    """Files under one root URL (``/srv/tilth``, ``file:///srv/tilth``, ``s3://bucket/tilth``, ``memory://x``)."""

    url: str

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        fs, root = fsspec.core.url_to_fs(self.url)
        return fs, str(root).rstrip("/")

    @property
    def fs(self) -> Any:
        """The fsspec file system behind the root."""
        return self._opened[0]

    @property
    def is_local(self) -> bool:
        """Whether files are plain files of this machine (or of a shared mount)."""
        return isinstance(self.fs, LocalFileSystem)

    def path(self, key: str) -> str:
        """The file system's own path of a key (what pyarrow and duckdb open together with ``fs``)."""
        return f"{self._opened[1]}/{check_key(key)}"

    def under(self, key: str) -> "Storage":
        """The storage rooted at a folder of this one."""
        return Storage(f"{self.url.rstrip('/')}/{check_key(key)}")

    def local(self, key: str) -> Path:
        """The local path of a key; raises when the root is not local."""
        if not self.is_local:
            raise InvalidInput(f"{self.url} is not a local folder", code="not_local")
        return Path(self.path(key))

    def exists(self, key: str) -> bool:
        """Whether a file or folder has this key."""
        return bool(self.fs.exists(self.path(key)))

    def size(self, key: str) -> int:
        """Bytes of a file."""
        return int(self.fs.size(self.path(key)))

    def open(self, key: str) -> IO[bytes]:
        """Open a file for reading bytes, seekable."""
        return self.fs.open(self.path(key), "rb")

    def read_bytes(self, key: str) -> bytes:
        """The whole file."""
        return bytes(self.fs.cat_file(self.path(key)))

    def read_json(self, key: str) -> Any:
        """The file parsed as JSON."""
        return json.loads(self.read_bytes(key))

    def list(self, prefix: str, suffix: str = "") -> list[str]:
        """Keys of all files below a folder, sorted; empty when the folder is not there."""
        base = self.path(prefix)
        if not self.fs.exists(base):
            return []
        root = self._opened[1] + "/"
        found = (str(p) for p in self.fs.find(base))
        keys = (
            p[len(root) :] if p.startswith(root) else p.lstrip("/")[len(root.lstrip("/")) :] for p in found
        )
        return sorted(k for k in keys if k.endswith(suffix) and not _is_temporary(k))

    @contextmanager
    def create(self, key: str) -> Iterator[IO[bytes]]:
        """A file to write bytes to, which appears under ``key`` only when the block ends without error."""
        target = self.path(key)
        if not self.is_local:
            with self.fs.transaction, self.fs.open(target, "wb") as handle:
                yield handle
            return
        folder = Path(target).parent
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{Path(target).name}.{uuid.uuid4().hex}.part"
        try:
            with temporary.open("wb") as handle:
                yield handle
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(target)
            _sync_folder(folder)
        finally:
            temporary.unlink(missing_ok=True)

    def write_bytes(self, key: str, data: bytes) -> None:
        """Write a whole file at once."""
        with self.create(key) as handle:
            handle.write(data)

    def write_json(self, key: str, value: Any) -> None:
        """Write a value as JSON, keys sorted, so that equal values give equal bytes."""
        self.write_bytes(key, json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1).encode())

    def put(self, local: Path, key: str) -> None:
        """Copy a local file in; it appears whole."""
        with local.open("rb") as source, self.create(key) as target:
            shutil.copyfileobj(source, target, 4 << 20)

    def get(self, key: str, local: Path) -> None:
        """Copy a file out to a local path; it appears whole."""
        local.parent.mkdir(parents=True, exist_ok=True)
        part = local.with_name(f".{local.name}.{uuid.uuid4().hex}.part")
        with self.open(key) as source, part.open("wb") as target:
            shutil.copyfileobj(source, target, 4 << 20)
        part.replace(local)

    def delete(self, key: str) -> None:
        """Remove a file or a whole folder; removing what is not there is no error."""
        if self.exists(key):
            self.fs.rm(self.path(key), recursive=True)


def _is_temporary(key: str) -> bool:
    name = key.rsplit("/", 1)[-1]
    return name.startswith(".") and name.endswith(".part")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
