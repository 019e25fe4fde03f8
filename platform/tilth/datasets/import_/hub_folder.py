"""Reads the layout of a Hugging Face dataset folder: its card, its configs and splits, its data files.

Known layouts: a card (``README.md``) whose ``configs`` name data files; ``data/train-00000-of-00001.parquet``
and its like, where the split is in the name; what ``save_to_disk`` writes (``.arrow`` files, with
``dataset_dict.json`` for several splits); and any folder with files of one kind. Pure: no Django.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tilth.errors import InvalidInput

DATA_SUFFIXES = (
    ".parquet",
    ".jsonl",
    ".jsonl.gz",
    ".jsonl.zst",
    ".json",
    ".json.gz",
    ".csv",
    ".csv.gz",
    ".tsv",
    ".arrow",
)
_SPLIT = re.compile(r"(?:^|[-._/])(train|test|validation|valid|dev|val)(?=$|[-._/])", re.IGNORECASE)
_SPLIT_NAMES = {"valid": "validation", "dev": "validation", "val": "validation"}


@dataclass(frozen=True)
class Folder:
    """The files of one part of the folder, and what the card says."""

    files: tuple[Path, ...]
    licence: str
    title: str
    choices: tuple[str, ...]
    chosen: str


def read_folder(path: Path, part: str = "") -> Folder:
    """The files of ``part`` (``config/split``); without one, the only part, or the ``train`` split."""
    card = read_card(path)
    parts = _configured(path, card) or _saved_to_disk(path) or _by_name(path)
    if not parts:
        raise InvalidInput(
            f"{path} holds no data file; expected {', '.join(DATA_SUFFIXES)} or a card that names them",
            code="empty_folder",
            field="path",
        )
    chosen = _choose(parts, part)
    licence = card.get("license") or ""
    return Folder(
        files=tuple(parts[chosen]),
        licence=licence if isinstance(licence, str) else ", ".join(map(str, licence)),
        title=str(card.get("pretty_name") or ""),
        choices=tuple(parts),
        chosen=chosen,
    )


def _choose(parts: dict[str, list[Path]], part: str) -> str:
    matching = [name for name in parts if part in {name, name.partition("/")[0], name.partition("/")[2]}]
    found = matching if part else list(parts)
    train = [name for name in found if name.endswith("/train")]
    if len(found) == 1 or train:
        return (train or found)[0]
    raise InvalidInput(
        f"choose which part of the folder to import: {', '.join(parts)}"
        if found
        else f"the folder has no part {part!r}; it has {', '.join(parts)}",
        code="choose_part",
        field="part",
    )


def read_card(path: Path) -> dict[str, Any]:
    """The YAML head of ``README.md``, empty where there is none."""
    readme = path / "README.md"
    if not readme.is_file():
        return {}
    text = readme.read_text(encoding="utf-8", errors="replace")
    match = re.match(r"---\s*\n(.*?)\n---\s*(\n|$)", text, re.DOTALL)
    if not match:
        return {}
    try:
        head = yaml.safe_load(match[1])
    except yaml.YAMLError as error:
        raise InvalidInput(f"the card {readme} has a broken YAML head: {error}", field="path") from None
    return head if isinstance(head, dict) else {}


def _configured(path: Path, card: dict[str, Any]) -> dict[str, list[Path]]:
    parts: dict[str, list[Path]] = {}
    for config in card.get("configs") or []:
        name = config.get("config_name", "default")
        for split, patterns in _data_files(config.get("data_files")):
            files = _matching(path / config.get("data_dir", ""), path, patterns)
            if files:
                parts[f"{name}/{split}"] = files
    return parts


def _data_files(value: Any) -> list[tuple[str, list[str]]]:
    """The card's ``data_files`` in any of its spellings, as (split, patterns)."""
    if isinstance(value, str):
        return [("train", [value])]
    if isinstance(value, dict):
        value = [{"split": split, "path": path} for split, path in value.items()]
    found = []
    for item in value or []:
        if isinstance(item, str):
            found.append(("train", [item]))
        else:
            patterns = item["path"]
            found.append((item.get("split", "train"), [patterns] if isinstance(patterns, str) else patterns))
    return found


def _matching(base: Path, root: Path, patterns: list[str]) -> list[Path]:
    """Files that the patterns name, sorted, none outside the folder."""
    found = {file for pattern in patterns if ".." not in pattern for file in base.glob(pattern.lstrip("/"))}
    inside = root.resolve()
    return sorted(file for file in found if file.is_file() and file.resolve().is_relative_to(inside))


def _saved_to_disk(path: Path) -> dict[str, list[Path]]:
    """The folders that ``save_to_disk`` makes: one of a dataset, or one a split."""
    if (path / "dataset_dict.json").is_file():
        splits = json.loads((path / "dataset_dict.json").read_text())["splits"]
        return {f"default/{split}": _arrow_files(path / split) for split in splits}
    return {"default/train": _arrow_files(path)} if (path / "state.json").is_file() else {}


def _arrow_files(path: Path) -> list[Path]:
    state = json.loads((path / "state.json").read_text())
    return [path / Path(item["filename"]).name for item in state["_data_files"]]


def _by_name(path: Path) -> dict[str, list[Path]]:
    """All data files, grouped by the split in their names; files without one are ``train``."""
    files = [f for f in _matching(path, path, ["**/*"]) if f.name.lower().endswith(DATA_SUFFIXES)]
    files = [f for f in files if not any(part.startswith(".") for part in f.relative_to(path).parts)]
    files = [f for f in files if f.name not in {"dataset_info.json", "dataset_infos.json"}]
    parts: dict[str, list[Path]] = {}
    for file in files:
        match = _SPLIT.search(str(file.relative_to(path).with_suffix("")))
        split = match[1].lower() if match else "train"
        parts.setdefault(f"default/{_SPLIT_NAMES.get(split, split)}", []).append(file)
    return parts
