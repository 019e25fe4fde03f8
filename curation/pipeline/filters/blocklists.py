"""Lists of hosts and addresses to block, kept small: millions of entries as sorted 64-bit hashes.

A folder holds one sub-folder per category with the files ``domains`` and ``urls``, one entry a line, as the
University of Toulouse publishes them. Five million entries take 45 MB, where a set of strings takes 600;
two entries share a hash about once in a million such lists.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

FILES = ("domains", "urls")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NOT_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Blocklist:
    """Entries as sorted hashes, and the category of each."""

    hashes: NDArray[np.uint64]
    owners: NDArray[np.uint8]
    categories: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.hashes)

    def find(self, entry: str) -> str:
        """The category that lists the entry, the first in order where several do; "" for none."""
        value = np.uint64(xxhash.xxh3_64_intdigest(entry.encode("utf-8", "surrogatepass")))
        at = bisect_left(self.hashes, value)
        found = at < len(self.hashes) and self.hashes[at] == value
        return self.categories[self.owners[at]] if found else ""


def bare_address(url: str) -> str:
    """An address as lists spell it: no scheme, no ``www.``, no slash at the end, host in lower case."""
    bare = _SCHEME.sub("", url.strip(), count=1)
    host, slash, rest = bare.partition("/")
    return (host.lower().removeprefix("www.") + slash + rest).rstrip("/")


def missing(folder: Path | None, categories: tuple[str, ...]) -> list[str]:
    """The categories that have no file in the folder."""
    if folder is None:
        return list(categories)
    return [name for name in categories if not any((folder / name / file).is_file() for file in FILES)]


@cache
def load_blocklist(folder: Path | None, categories: tuple[str, ...]) -> Blocklist:
    """Read the lists of the categories; those without files are left out. Kept for the life of the process."""
    parts: list[NDArray[np.uint64]] = []
    owners: list[NDArray[np.uint8]] = []
    absent = missing(folder, categories)
    for number, name in enumerate(categories):
        if folder is None or name in absent:
            continue
        found = np.fromiter(_hashes(folder / name), dtype=np.uint64)
        parts.append(found)
        owners.append(np.full(len(found), number, dtype=np.uint8))
    if not parts:
        return Blocklist(np.empty(0, np.uint64), np.empty(0, np.uint8), categories)
    hashes, every = np.concatenate(parts), np.concatenate(owners)
    order = np.argsort(hashes, kind="stable")  # equal entries keep the order of the categories
    return Blocklist(hashes[order], every[order], categories)


def read_words(folder: Path | None, name: str) -> frozenset[str]:
    """The words of a file in the folder, one a line, lower case, signs left out; none when it is not there."""
    path = folder / name if folder else None
    if path is None or not path.is_file():
        return frozenset()
    lines = path.read_text(encoding="utf-8", errors="replace").lower().splitlines()
    return frozenset(filter(None, (_NOT_WORD.sub("", line) for line in lines if not line.startswith("#"))))


def _hashes(folder: Path) -> Iterator[int]:
    """The hash of every entry of a category."""
    for file in FILES:
        if not (folder / file).is_file():
            continue
        with (folder / file).open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                entry = line.strip()
                if entry and not entry.startswith("#"):
                    yield xxhash.xxh3_64_intdigest(bare_address(entry).encode())
