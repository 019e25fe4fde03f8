"""The files that lie ready under the source roots, for the form to offer."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from curation.pipeline.source_file import format_of

MOST = 500
"""Files offered at most; a folder can be named whole instead."""


@dataclass(frozen=True, slots=True)
class InboxFile:
    """One file: its path as the form takes it, the name shown, its bytes."""

    path: str
    name: str
    bytes: int


def files(roots: Iterable[Path]) -> list[InboxFile]:
    """Source files under the roots, by name, links left out."""
    found: list[InboxFile] = []
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder) / name
                if format_of(name) and path.is_file() and not path.is_symlink():
                    found.append(InboxFile(str(path), str(path.relative_to(root)), path.stat().st_size))
            if len(found) >= MOST:
                break
    return sorted(found, key=lambda file: file.name)[:MOST]
