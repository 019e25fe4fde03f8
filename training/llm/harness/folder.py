"""A folder of tasks: which there are, and each with its data's files, all within the folders that may be read."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InvalidInput, NotFound
from training.llm.harness.allowed import KINDS, SPLITS, task_config
from training.llm.harness.taskfile import file_beside, named, read, refused, within

ENDINGS = (".yaml", ".yml")
MOST_FILES = 20_000
"""Files that a folder of tasks holds at most; one with more is something else."""


@dataclass(frozen=True, slots=True)
class TaskFile:
    """One task: what the harness is told of it, and the files of its splits.

    ``digest`` is a sha256 over everything that it is made of.
    """

    name: str
    config: dict[str, Any]
    kind: str
    splits: dict[str, list[Path]]
    digest: str


def tasks_in(folder: str, names: str, allowed: list[Path]) -> list[TaskFile]:
    """The tasks of these names (with commas; all where empty) in the order asked, else by name."""
    unread: list[str] = []
    found = dict(sorted(_defined(_folder(folder, allowed), allowed, unread)))
    wanted = list(dict.fromkeys(name.strip() for name in names.split(",") if name.strip())) or list(found)
    more = f" Not read, for it is no YAML: {', '.join(unread)}." if unread else ""
    if not found:
        raise NotFound(
            f"There is no task in {folder}: a task is a {ENDINGS[0]} file with a key task.{more}",
            field="tasks",
        )
    for name in wanted:
        if name not in found:
            known = ", ".join(found)
            raise NotFound(f"There is no task {name!r}; there are {known}.{more}", field="task_names")
    return [_task(found[name], allowed) for name in wanted]


def _folder(typed: str, allowed: list[Path]) -> Path:
    folder = within(allowed, typed)
    if not folder.is_dir():
        raise NotFound(f"There is no folder {typed}.", field="tasks")
    return folder


def _defined(folder: Path, allowed: list[Path], unread: list[str]) -> Iterator[tuple[str, Path]]:
    """The tasks that files below a folder define, by name, and what is no YAML. Linked folders are not gone into."""
    seen: dict[str, str] = {}
    count = 0
    for place, _, files in os.walk(folder):
        count += len(files)
        if count > MOST_FILES:
            raise InvalidInput(
                f"More than {MOST_FILES:,} files: name the folder of the tasks alone.", field="tasks"
            )
        for file in files:
            path = Path(place, file)
            if path.suffix not in ENDINGS or not path.is_file():
                continue
            real = within(allowed, path)
            try:
                name = named(real)
            except InvalidInput:
                unread.append(file)
                continue
            if name is None:
                continue
            if name in seen:
                raise refused(f"{seen[name]} and {file} both define {name!r}: rename one.")
            seen[name] = file
            yield name, real


def _task(path: Path, allowed: list[Path]) -> TaskFile:
    said, read_files = read(path, allowed)
    config = task_config(path.name, said)
    kind = said["dataset_path"]
    given = (said.get("dataset_kwargs") or {}).get("data_files")
    splits = {
        split: [_data(path, kind, name, allowed) for name in names]
        for split, names in _by_split(path.name, given).items()
    }
    _check_splits(path.name, config, list(splits))
    files = [*read_files, *(file for listed in splits.values() for file in listed)]
    return TaskFile(said["task"], config, kind, splits, _digest(files))


def _by_split(file: str, given: Any) -> dict[str, list[str]]:
    """``data_files`` in its three forms; without names of splits all is ``train``, as the harness has it."""
    by_split = given if isinstance(given, dict) else {"train": given}
    listed = {split: names if isinstance(names, list) else [names] for split, names in by_split.items()}
    if not listed or not all(isinstance(name, str) and name for names in listed.values() for name in names):
        raise refused(
            f"{file}: name the data as dataset_kwargs: data_files, one file, or files by split: {{test: quiz.jsonl}}."
        )
    return {str(split): names for split, names in listed.items()}


def _data(path: Path, kind: str, name: str, allowed: list[Path]) -> Path:
    found = file_beside(path, name, allowed)
    if Path(name).suffix not in KINDS[kind]:
        raise refused(f"{path.name}: files of {kind} end in {' or '.join(KINDS[kind])}; {name} does not.")
    return found


def _check_splits(file: str, config: dict[str, Any], splits: list[str]) -> None:
    named_splits = {key: config[key] for key in SPLITS if config.get(key)}
    if shown := (config.get("fewshot_config") or {}).get("split"):
        named_splits["fewshot_config: split"] = shown
    for key, split in named_splits.items():
        if split not in splits:
            raise refused(f"{file}: {key} is {split!r}, but data_files has {', '.join(splits)}.")
    if not (config.get("test_split") or config.get("validation_split")):
        raise refused(f"{file}: test_split says which split is asked; data_files has {', '.join(splits)}.")


def _digest(files: list[Path]) -> str:
    """Over the contents of files in their order."""
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as source:
            whole.update(hashlib.file_digest(source, "sha256").digest())
    return whole.hexdigest()
