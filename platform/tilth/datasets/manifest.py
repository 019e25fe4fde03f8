"""The manifest: the file that makes a version exist, naming every shard with its hash.

It is written last, next to the attempts' folders (``datasets/<name>/<number>/manifest.json``); shard
paths in it are relative to that folder. Equal content gives equal bytes: it holds no time of its own.
Pure: no Django.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from tilth.errors import InvalidInput
from tilth.storage import check_key

FORMAT = "tilth.manifest"
VERSION = 1
ESTIMATED = "estimated from bytes"
"""Tokenizer name of a token count that nobody counted (4 bytes of UTF-8 a token)."""


@dataclass(frozen=True, slots=True)
class File:
    """A file beside a shard: path relative to the version's folder, bytes, sha256 hex."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard: path relative to the version's folder, rows, bytes, sha256 hex.

    ``boundaries`` names the file with the documents' places in a flat token shard.
    """

    path: str
    rows: int
    bytes: int
    sha256: str
    boundaries: File | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything known about a version (DESIGN: data).

    ``parents`` are references; ``recipe`` the rules that made it; ``missing`` what was left out and
    why (one dict a source); ``tokens`` is ``{"count": int, "tokenizer": str}``; ``contributions`` are
    ``{"kind", "value", "rows"}`` for labeler, guideline, campaign and crawl.
    """

    dataset: str
    number: int
    kind: str
    schema_version: int
    shards: list[Shard] = field(default_factory=list)
    statistics: dict[str, Any] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)
    producer: str = ""
    recipe: dict[str, Any] | None = None
    missing: list[dict[str, Any]] = field(default_factory=list)
    code_version: str = ""
    tokens: dict[str, Any] = field(default_factory=dict)
    contributions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """Rows of all shards."""
        return sum(shard.rows for shard in self.shards)

    @property
    def total_bytes(self) -> int:
        """Bytes of all shards and what lies beside them."""
        return sum(file.bytes for file in self.files)

    @property
    def files(self) -> list[File]:
        """Every data file of the version, in order."""
        found = []
        for shard in self.shards:
            found.append(File(shard.path, shard.bytes, shard.sha256))
            if shard.boundaries:
                found.append(shard.boundaries)
        return found

    @property
    def folder(self) -> str:
        """Storage key of the version's folder."""
        return version_folder(self.dataset, self.number)

    @property
    def reference(self) -> str:
        """The version's reference, such as ``fineweb-mini@3``."""
        return f"{self.dataset}@{self.number}"

    def to_json(self) -> str:
        """JSON text, keys sorted."""
        return json.dumps(
            {"format": FORMAT, "version": VERSION, **asdict(self)},
            sort_keys=True,
            ensure_ascii=False,
            indent=1,
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """Read a manifest; raises :class:`InvalidInput` when it is none or newer than this code."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"this is not a manifest: {error}", code="bad_manifest") from None
        if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
            raise InvalidInput("this JSON is not a dataset manifest", code="bad_manifest")
        if data.pop("version") > VERSION:
            raise InvalidInput("this manifest was written by a newer Tilth: update", code="newer_manifest")
        data["shards"] = [_shard(item) for item in data["shards"]]
        return cls(**data)


def _shard(item: dict[str, Any]) -> Shard:
    boundaries = item.pop("boundaries", None)
    shard = Shard(**item, boundaries=File(**boundaries) if boundaries else None)
    check_key(shard.path)
    return shard


def version_folder(dataset: str, number: int) -> str:
    """Storage key of the folder of a version."""
    return f"datasets/{dataset}/{number}"


def manifest_key(dataset: str, number: int) -> str:
    """Storage key of a version's manifest."""
    return f"{version_folder(dataset, number)}/manifest.json"
