"""Where imported rows come from: an uploaded file, a file on the server, or a Hugging Face folder.

A source is an ordered list of files, each known by the sha256 of its bytes, so that rows keep their
ids wherever the file lies. Pure: no Django.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tilth.datasets.import_ import hub_folder
from tilth.errors import InvalidInput, NotFound
from tilth.storage import Storage

BLOCK = 1 << 20


@dataclass(frozen=True)
class SourceFile:
    """One file to read: its name for people, its size, how to open it, and its sha256 if known."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]
    sha256: str = ""

    def content_id(self) -> str:
        """sha256 of the bytes; reads the file once if nobody has yet."""
        if self.sha256:
            return self.sha256
        digest = hashlib.sha256()
        with self.open() as handle:
            while block := handle.read(BLOCK):
                digest.update(block)
        return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    """What is imported: files in order, its licence and title if it says so, and its other parts.

    ``choices`` are the configs and splits of a folder, as ``config/split``; ``chosen`` is the one read.
    """

    name: str
    files: tuple[SourceFile, ...]
    licence: str = ""
    title: str = ""
    choices: tuple[str, ...] = ()
    chosen: str = ""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


def open_source(spec: dict[str, Any], storage: Storage) -> Source:
    """The source that a job's parameters name.

    ``{"upload": sha256, "name": …}`` or ``{"path": …, "part": "config/split"}``. Whether a typed path is
    allowed was decided before: this reads what it is given.
    """
    if spec.get("upload"):
        return _uploaded(spec["upload"], spec.get("name") or "upload", storage)
    path = Path(spec["path"]).expanduser()
    if not path.exists():
        raise NotFound(f"there is no file or folder {path} on this machine", field="path")
    if path.is_file():
        return Source(path.name, (_local(path, path.name),))
    folder = hub_folder.read_folder(path, spec.get("part", ""))
    files = tuple(_local(file, str(file.relative_to(path))) for file in folder.files)
    return Source(path.name, files, folder.licence, folder.title, folder.choices, folder.chosen)


def _uploaded(sha256: str, name: str, storage: Storage) -> Source:
    key = f"uploads/{sha256}"
    if not storage.exists(key):
        raise NotFound("the uploaded file is gone; upload it again", code="no_upload", field="upload")
    return Source(name, (SourceFile(name, storage.size(key), lambda: storage.open(key), sha256),))


def _local(path: Path, name: str) -> SourceFile:
    try:
        size = path.stat().st_size
        with path.open("rb"):
            pass
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}", field="path") from None
    return SourceFile(name, size, lambda: path.open("rb"))
