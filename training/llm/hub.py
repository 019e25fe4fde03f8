"""Where a model to import comes from: a folder that the server may read, or a repository of the Hugging Face Hub.

Only weights as safetensors, settings, tokenizer and card are looked at or fetched. Pickled weights and
Python files, which could run code, never are.
"""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.guards import paths
from training.llm.export import TOKENIZER_FILES

SETTINGS = ("config.json", "generation_config.json")
CARD = ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE", "USE_POLICY.md")
_INDEX = "model.safetensors.index.json"
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_HUB_ID = re.compile(r"(?:[A-Za-z0-9][\w.-]*/)?[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Origin:
    """A model's files by name, and where they are from as the record tells it (never an absolute path)."""

    files: dict[str, Path]
    record: dict[str, str]


def find(source: str, revision: str, allowed: list[Path], scratch: Path) -> Origin:
    """The files of a model; what has the form of a Hub id and is no folder here is fetched into ``scratch``."""
    if not source.strip():
        raise InvalidInput("Name a folder or a Hub id.", field="source")
    is_id = bool(_HUB_ID.fullmatch(source)) and ".." not in source
    try:
        folder = paths.inside(allowed, source)
    except paths.PathRefused:
        if not is_id or any(os.path.lexists(root / source) for root in allowed):
            raise
        folder = None
    if folder is not None and folder.is_dir():
        return Origin(dict(_wanted(folder, allowed)), {"kind": "folder", "name": folder.name})
    if not is_id:
        raise NotFound(f"There is no folder {source}.", field="source")
    return _from_hub(source, revision, scratch)


def _wanted(folder: Path, allowed: list[Path]) -> Iterator[tuple[str, Path]]:
    """The files of a folder that are taken; links are followed, but not out of the allowed folders."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and _is_wanted(path.name):
            yield path.name, paths.inside(allowed, path)


def _is_wanted(name: str) -> bool:
    known = (*SETTINGS, *TOKENIZER_FILES, *CARD, _INDEX)
    return name in known or _WEIGHTS.fullmatch(name) is not None


def _from_hub(source: str, revision: str, scratch: Path) -> Origin:
    target = scratch / "hub"
    shutil.rmtree(target, ignore_errors=True)
    try:
        commit = HfApi().model_info(source, revision=revision, timeout=30).sha or revision
        patterns = [
            *SETTINGS,
            *TOKENIZER_FILES,
            *CARD,
            _INDEX,
            "model.safetensors",
            "model-*-of-*.safetensors",
        ]
        snapshot_download(source, revision=commit, local_dir=target, allow_patterns=patterns)
    except GatedRepoError:
        raise TilthError(
            f"{source} is gated: accept its terms on the Hub and give the worker an HF_TOKEN.", "hub_refused"
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise NotFound(f"The Hub has no model {source} at {revision}.", field="source") from None
    except HfHubHTTPError as error:
        raise TilthError(f"The Hub answered: {error}", "hub_error", retryable=True) from error
    except (OSError, httpx.TransportError) as error:
        raise TilthError(
            f"The Hub cannot be reached from this machine ({type(error).__name__}): bring the model's folder to a "
            "source folder of the server and name that.",
            "no_hub",
            retryable=True,
        ) from error
    record = {"kind": "hub", "name": source, "commit": commit}
    return Origin(dict(_wanted(target, [target])), record)
