"""Checkpoints in the storage: a folder of files in Hugging Face's layout, and ``checkpoint.json``, written last.

A checkpoint is made in a local folder, stored file by file under ``<folder>/attempt-N/``, and exists once
its ``checkpoint.json`` names every file with its hash; it never changes afterwards. A second attempt that
comes to the same step finds it there and leaves it.

Trainer state (optimizer, schedule, random numbers, place in the data) is kept apart, under the job's own
prefix: it serves to go on, is replaced as the run goes, and is no part of what others use.
"""

import errno
import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tilth.datasets.manifest import File
from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.storage import Storage, check_key
from training.llm.cache import Cache

NAME = "checkpoint.json"
FORMAT = "tilth.checkpoint"
VERSION = 1
SCORING = "ForSequenceClassification"
"""How the architecture of a model ends that scores and does not write."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """What is known of a checkpoint.

    ``holds`` is ``model`` (weights and tokenizer), ``tokenizer`` (no weights) or ``adapter`` (LoRA weights,
    merged ones are a model). ``tokens`` counts training tokens seen up to here, ``parameters`` the weights.
    ``tokenizer_hash`` and ``template_hash`` are sha256 hex; ``config`` are the stage's settings;
    ``metrics`` the last values measured; ``record`` code, packages, device and seeds.
    """

    run: int
    step: int
    stage: str
    holds: str
    files: list[File] = field(default_factory=list)
    tokens: int = 0
    parameters: int = 0
    architecture: str = ""
    context: int = 0
    tokenizer_hash: str = ""
    template_hash: str = ""
    licence: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Such as ``checkpoint:12/400``."""
        return f"checkpoint:{self.run}/{self.step}"

    @property
    def folder(self) -> str:
        """The storage key of its folder."""
        return checkpoint_folder(self.run, self.step)

    @property
    def scores(self) -> bool:
        """Whether it is a reward model, which answers with one number."""
        return self.architecture.endswith(SCORING)

    @property
    def bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.bytes for file in self.files)

    def to_json(self) -> dict[str, Any]:
        """A JSON object that says what it is."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, data: Any) -> "Checkpoint":
        """Read ``checkpoint.json``; raises :class:`InvalidInput` when it is none or newer than this code."""
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise InvalidInput("This is no checkpoint.", code="bad_checkpoint")
        if data["version"] > VERSION:
            raise InvalidInput(
                "This checkpoint was written by a newer Tilth: update.", code="newer_checkpoint"
            )
        values = {name: value for name, value in data.items() if name not in ("format", "version")}
        values["files"] = [File(**file) for file in values["files"]]
        for file in values["files"]:
            check_key(file.path)
        return cls(**values)


def checkpoint_folder(run: int, step: int) -> str:
    """The storage key of a checkpoint's folder."""
    return f"checkpoints/{run}/{step}"


def read(storage: Storage, folder: str) -> Checkpoint:
    """The checkpoint in a folder of the storage; raises :class:`NotFound` where there is none."""
    key = f"{folder}/{NAME}"
    if not storage.exists(key):
        raise NotFound(f"There is no checkpoint under {folder}.", code="no_checkpoint")
    return Checkpoint.from_json(storage.read_json(key))


def store(storage: Storage, made: Path, checkpoint: Checkpoint, attempt: int) -> Checkpoint:
    """Store the files of a local folder as this checkpoint; the one that is there already stays.

    Raises a :class:`TilthError` with the code ``disk_full`` when there is no room; nothing half-written
    then counts, and earlier checkpoints are untouched.
    """
    folder = checkpoint.folder
    if storage.exists(f"{folder}/{NAME}"):
        return read(storage, folder)
    try:
        files = put_files(storage, made, folder, f"attempt-{attempt}")
        whole = Checkpoint(**{**_fields(checkpoint), "files": files})
        storage.write_json(f"{folder}/{NAME}", whole.to_json())
    except OSError as error:
        storage.delete(f"{folder}/attempt-{attempt}")
        raise no_room(error) from error
    return whole


def put_files(storage: Storage, made: Path, folder: str, below: str) -> list[File]:
    """Store every file of a local folder under ``<folder>/<below>/``; their paths are relative to ``folder``."""
    files = []
    for path in sorted(p for p in made.rglob("*") if p.is_file()):
        relative = f"{below}/{path.relative_to(made).as_posix()}"
        storage.put(path, f"{folder}/{relative}")
        files.append(File(relative, path.stat().st_size, _sha256(path)))
    return files


def load(cache: Cache, storage: Storage, folder: str, into: Path) -> tuple[Checkpoint, Path]:
    """A checkpoint's files as a local folder in Hugging Face's layout, made of links into the cache."""
    checkpoint = read(storage, folder)
    target = into / folder.replace("/", "-")
    link_files(cache, storage, folder, checkpoint.files, target)
    return checkpoint, target


def link_files(cache: Cache, storage: Storage, folder: str, files: Iterable[File], target: Path) -> None:
    """Fetch files and link them under ``target`` by their paths below the attempt's folder."""
    shutil.rmtree(target, ignore_errors=True)
    for file in files:
        link = target / file.path.partition("/")[2]
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(cache.fetch(storage, folder, file))


def no_room(error: OSError) -> TilthError:
    """The fault to report for an error of writing; a full disk is named as such."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return TilthError(
            "The disk is full: the checkpoint was not saved, the one before it is kept. "
            "Free some space, then retry; the run goes on from there.",
            "disk_full",
            retryable=False,
        )
    return TilthError(f"The checkpoint could not be saved: {error}", "not_saved", retryable=True)


@dataclass(frozen=True)
class States:
    """The trainer states of one job, newest last; ``keep`` of them stay."""

    storage: Storage
    prefix: str
    keep: int = 2

    def save(self, made: Path, step: int, attempt: int) -> None:
        """Store a local folder as the state after ``step``; older ones go once it is whole."""
        folder = self._folder(step)
        try:
            files = put_files(self.storage, made, folder, f"attempt-{attempt}")
            listed = {"step": step, "files": [asdict(file) for file in files]}
            self.storage.write_json(f"{folder}/state.json", listed)
        except OSError as error:
            self.storage.delete(folder)
            raise no_room(error) from error
        for old in self.steps()[: -self.keep]:
            self.storage.delete(self._folder(old))

    def steps(self) -> list[int]:
        """The steps that have a whole state, in order."""
        found = self.storage.list(f"{self.prefix}/state", "/state.json")
        return sorted(int(key.split("/")[-2]) for key in found)

    def load_newest(self, cache: Cache, into: Path) -> tuple[int, Path] | None:
        """The newest state as a local folder, or ``None`` where the run is at its beginning."""
        steps = self.steps()
        if not steps:
            return None
        folder = self._folder(steps[-1])
        files = [File(**file) for file in self.storage.read_json(f"{folder}/state.json")["files"]]
        target = into / f"state-{steps[-1]}"
        link_files(cache, self.storage, folder, files, target)
        return steps[-1], target

    def clear(self) -> None:
        """Remove all states: the run is over."""
        self.storage.delete(f"{self.prefix}/state")

    def _folder(self, step: int) -> str:
        return f"{self.prefix}/state/{step:09d}"


def hash_files(folder: Path, names: Iterable[str]) -> str:
    """sha256 hex over the named files of a folder that are there, in the order given."""
    digest = hashlib.sha256()
    for name in names:
        path = folder / name
        if path.exists():
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _fields(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in checkpoint.__slots__}
