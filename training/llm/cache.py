"""Stored files on this machine's disk: pulled once, verified by hash, kept within a size.

A file's name in the cache is its sha256, so that two runs share it and a changed file is another file.
A file that a process uses is locked and never evicted. Where the storage is a local folder nothing is
copied; the hash is verified once and remembered beside size and time of change.
"""

import fcntl
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tilth.datasets.manifest import File
from tilth.errors import Conflict, TilthError
from tilth.storage import Storage

BLOCK = 4 << 20
DEFAULT_LIMIT = 200 << 30
FOLDER_VARIABLE = "TILTH_CACHE"
LIMIT_VARIABLE = "TILTH_CACHE_BYTES"


@dataclass
class Cache:
    """Files under ``root``, at most ``limit`` bytes of them unless more are in use at once."""

    root: Path
    limit: int = DEFAULT_LIMIT
    _held: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def from_environment(cls, fallback: Path) -> "Cache":
        """The machine's cache: ``TILTH_CACHE`` and ``TILTH_CACHE_BYTES``, else a folder beside the scratch."""
        root = Path(os.environ.get(FOLDER_VARIABLE) or fallback)
        return cls(root, int(os.environ.get(LIMIT_VARIABLE) or DEFAULT_LIMIT))

    def fetch(self, storage: Storage, folder: str, file: File) -> Path:
        """A local path of a stored file, verified; raises :class:`Conflict` when its bytes are not the published ones."""
        key = f"{folder}/{file.path}"
        if storage.is_local:
            return self._verified(storage.local(key), file)

        def pull(part: Path) -> None:
            self.make_room(file.bytes)
            _pull(storage, key, file, part)

        return self._held_file(file.sha256, pull)

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A file that this machine makes for itself, once: ``make(path)`` writes it where it is not there.

        ``name`` is hex that says what the file is made of. A ``make`` that fails or is killed leaves nothing
        that counts.
        """

        def whole(part: Path) -> None:
            make(part)
            self.make_room(part.stat().st_size)

        return self._held_file(name, whole)

    def _held_file(self, name: str, make: Callable[[Path], None]) -> Path:
        """The cached file of this name, made under a temporary name where it is missing, and held from now on."""
        target = self.root / "files" / name[:2] / name
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = self._lock(target)
        if not target.exists():
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                if not target.exists():  # another process may have made it while this one waited
                    _make(target, make)
            except BaseException:
                os.close(self._held.pop(name))
                raise
            fcntl.flock(lock, fcntl.LOCK_SH)
        os.utime(target)
        return target

    def fetch_all(self, storage: Storage, folder: str, files: Iterable[File]) -> list[Path]:
        """Local paths of several files, in order."""
        return [self.fetch(storage, folder, file) for file in files]

    def make_room(self, needed: int) -> None:
        """Remove the files unused for longest until ``needed`` bytes fit; those in use stay."""
        files = [path for path in (self.root / "files").glob("*/*") if _is_whole(path)]
        files.sort(key=lambda path: path.stat().st_mtime)
        used = sum(path.stat().st_size for path in files)
        for path in files:
            if used + needed <= self.limit:
                return
            size = path.stat().st_size
            if self._evict(path):
                used -= size

    def _lock(self, target: Path) -> int:
        """A shared lock on a file's place for the life of this process: nobody evicts it under a reader."""
        if target.name not in self._held:
            lock = target.with_name(f"{target.name}.lock")
            self._held[target.name] = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._held[target.name], fcntl.LOCK_SH)
        return self._held[target.name]

    def _evict(self, path: Path) -> bool:
        if path.name in self._held:
            return False
        lock = path.with_name(f"{path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _verified(self, path: Path, file: File) -> Path:
        """A local file as it is, hashed once; the note of it is good while size and time of change stay."""
        if not path.exists():
            raise Conflict(f"{path} is missing from the storage", code="damaged")
        stat = path.stat()
        note = self.root / "verified" / file.sha256
        seen = [str(path), stat.st_size, stat.st_mtime_ns]
        if not (note.exists() and json.loads(note.read_text()) == seen):
            _require(path, file, str(path))
            note.parent.mkdir(parents=True, exist_ok=True)
            part = note.with_name(f".{note.name}.{uuid.uuid4().hex}.part")
            part.write_text(json.dumps(seen))
            part.replace(note)
        return path


def _make(target: Path, make: Callable[[Path], None]) -> None:
    part = target.with_name(f".{target.name}.part")  # one writer holds the lock: it replaces a killed one's
    try:
        make(part)
        with part.open("rb") as handle:
            os.fsync(handle.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _pull(storage: Storage, key: str, file: File, part: Path) -> None:
    try:
        with storage.open(key) as source, part.open("wb") as sink:
            shutil.copyfileobj(source, sink, BLOCK)
    except OSError as error:
        raise TilthError(f"{key} could not be fetched: {error}", "no_data", retryable=True) from error
    _require(part, file, key)


def _is_whole(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix != ".lock"


def _require(path: Path, file: File, name: str) -> None:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as handle:
        while block := handle.read(BLOCK):
            digest.update(block)
            size += len(block)
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise Conflict(f"{name} is not what was published", code="damaged", retryable=True)
