"""Task files of lm-evaluation-harness as data: YAML is read, and nothing that it names is ever run.

The harness lets a file name Python code (``!function``). Here a tag that is no plain data is refused, and so is an
alias, with which a small file can stand for a huge one. ``include`` is followed within the allowed folders.
"""

from pathlib import Path
from typing import Any

import yaml

from tilth.errors import InvalidInput, NotFound
from tilth.guards import paths

LARGEST = 1_000_000
"""Bytes of a task file."""
MOST_INCLUDES = 16
Read = tuple[dict[str, Any], list[Path]]
"""What a file says, its includes under it, and the files that were read for it."""


class _Loader(yaml.SafeLoader):
    """Plain data without aliases; the file's name is in ``name``."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise refused(f"{_place(self)}: write out what the alias stands for.")
        return super().compose_node(parent, index)


class _Skimmer(yaml.SafeLoader):
    """The same for a look at a file's name alone: what is no plain data is nothing."""


def _refuse(loader: _Loader, suffix: str, node: yaml.Node) -> Any:
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    raise refused(
        f"{_place(loader, node)}: {tag} names code, and code of a task file is never run. Write a Jinja template, or "
        "put into the data what the function would make of it."
    )


_Loader.add_multi_constructor("", _refuse)
_Skimmer.add_multi_constructor("", lambda loader, suffix, node: None)


def refused(message: str) -> InvalidInput:
    """A fault in a task file."""
    return InvalidInput(message, code="bad_task", field="tasks")


def read(path: Path, allowed: list[Path]) -> Read:
    """A task file with what it includes, nearer keys over those of includes."""
    return _read(path, allowed, [])


def named(path: Path) -> str | None:
    """The task that a file defines; ``None`` for a template, a group and what is no task; raises for what is no YAML."""
    try:
        found = yaml.load(_text(path), _Skimmer)  # noqa: S506 (a safe loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise refused(f"{path.name} is no YAML.") from None
    name = found.get("task") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _read(path: Path, allowed: list[Path], above: list[Path]) -> Read:
    if path in above or len(above) > MOST_INCLUDES:
        raise refused(f"{path.name} includes itself, or too many files one by another.")
    found = _parsed(path)
    included = found.pop("include", None) or []
    merged: dict[str, Any] = {}
    files = [path]
    for name in included if isinstance(included, list) else [included]:
        if not isinstance(name, str):
            raise refused(f"{path.name}: include names a file.")
        below, more = _read(file_beside(path, name, allowed), allowed, [*above, path])
        merged |= below
        files += more
    return {**merged, **found}, files


def file_beside(path: Path, name: str, allowed: list[Path]) -> Path:
    """The file that a task file names, within the allowed folders."""
    if "://" in name or "::" in name:
        raise refused(
            f"{path.name}: {name} lies elsewhere; bring the file to the folder of the tasks and name it."
        )
    found = within(allowed, path.parent / name)
    if not found.is_file():
        raise NotFound(f"{path.name}: there is no file {name} beside it.", field="tasks")
    return found


def within(allowed: list[Path], typed: str | Path) -> Path:
    """The real path, within the allowed folders; raises :class:`tilth.guards.paths.PathRefused` for the setting."""
    try:
        return paths.inside(allowed, typed)
    except paths.PathRefused as error:
        error.field = "tasks"
        raise


def _parsed(path: Path) -> dict[str, Any]:
    loader = _Loader(_text(path))
    loader.name = path.name
    try:
        found = loader.get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        raise refused(f"{path.name} is no YAML: {error}") from None
    except RecursionError:
        raise refused(f"{path.name} is nested too deeply.") from None
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        raise refused(f"{path.name} holds no keys with values.")
    return found


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise refused(f"{path.name} is larger than {LARGEST:,} bytes: that is no task file.")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise refused(f"{path.name} is no text in UTF-8.") from None


def _place(loader: _Loader, node: yaml.Node | None = None) -> str:
    mark = node.start_mark if node is not None else loader.get_mark()
    return f"{loader.name}, line {mark.line + 1}"
