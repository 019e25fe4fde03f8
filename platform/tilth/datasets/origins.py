"""The files that went into a version, by name: so that a reader of the card knows what it was made from.

A manifest keeps them as ``statistics["sources"]``:
``{"count": files, "read": rows in all, "kept": of them, "files": [{"id", "name", "read", "kept", …}]}``, with
the first 1,000 files by id. Names are file names or addresses, never a place on somebody's disk. Pure: no Django.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tilth.datasets.manifest import Manifest

LISTED = 1000
KEY = "sources"
_LOGIN = re.compile(r"(?<=://)[^/@]*@")


def origin(identifier: str, read: int, kept: int, **more: Any) -> dict[str, Any]:
    """One file: its id (``file:…``, ``cc:…``, an address, ``upload:<sha256>``), rows read and rows kept.

    The name is the id without its scheme for files, and without a login for addresses.
    """
    identifier = _LOGIN.sub("", identifier)
    name = identifier.removeprefix("file:")
    return {"id": identifier, "name": name, "read": read, "kept": kept, **more}


def listed(files: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The entry for a manifest's statistics; the order in which files were done makes no difference."""
    ordered = sorted(files, key=lambda file: (file["id"], file["name"]))
    return {
        "count": len(ordered),
        "read": sum(file["read"] for file in ordered),
        "kept": sum(file["kept"] for file in ordered),
        "files": ordered[:LISTED],
    }


def sources_of(manifest: Manifest) -> dict[str, Any]:
    """What :func:`listed` wrote, empty where nobody recorded any."""
    found = manifest.statistics.get(KEY)
    return found if isinstance(found, dict) else {}


def renamed(manifest: Manifest, find: Callable[[list[str]], Mapping[str, str]]) -> Manifest:
    """The manifest with uploads called by their file names; ``find`` gives the names of these sha256."""
    found = sources_of(manifest)
    if not found:
        return manifest
    digests = [file["id"].removeprefix("upload:") for file in found["files"] if _is_upload(file)]
    names = find(digests) if digests else {}
    files = [
        {**file, "name": names.get(file["id"].removeprefix("upload:"), file["name"])}
        if _is_upload(file)
        else file
        for file in found["files"]
    ]
    return replace(manifest, statistics={**manifest.statistics, KEY: {**found, "files": files}})


def _is_upload(file: Mapping[str, Any]) -> bool:
    return bool(file["id"].startswith("upload:"))
