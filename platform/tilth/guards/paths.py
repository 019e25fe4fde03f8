"""The one guard for every path that a person can type: only files under the allowed folders are read.

Symbolic links are resolved first, on both sides, so that a link inside an allowed folder cannot lead
out of it.
"""

from collections.abc import Iterable
from pathlib import Path

from tilth.errors import TilthError


class PathRefused(TilthError):
    """The path lies outside the folders that the server may read."""

    code = "path_refused"
    status = 403


def inside(roots: Iterable[Path], typed: str | Path) -> Path:
    """The real path of what was typed, if it lies in (or is) one of the roots.

    A relative path is looked up under each root in turn, and the first that exists is taken. Raises
    :class:`PathRefused`, which names the roots, and says the same of a file that exists outside and one
    that does not, so that nobody can feel about for files.
    """
    allowed = [Path(root).resolve() for root in roots]
    if not allowed:
        raise PathRefused(
            "the server reads no folder of its own; upload the file, or let the operator name folders in "
            "TILTH_SOURCE_ROOTS"
        )
    text = str(typed)
    if "\x00" in text or not text.strip():
        raise PathRefused("the path is empty or has a NUL character in it")
    candidates = [Path(text)] if Path(text).is_absolute() else [root / text for root in allowed]
    found = [real for real in map(_real, candidates) if real and any(_below(real, root) for root in allowed)]
    for path in found:
        if path.exists():
            return path
    if found:
        return found[0]
    raise PathRefused(
        f"{text} is not under a folder that the server may read: {', '.join(map(str, allowed))}"
    )


def _real(path: Path) -> Path | None:
    """The path with every symbolic link resolved; ``None`` for links in circles and names no disk can hold."""
    try:
        real = path.resolve()
        real.exists()
    except (OSError, RuntimeError):
        return None
    return real


def _below(path: Path, root: Path) -> bool:
    return path == root or path.is_relative_to(root)
