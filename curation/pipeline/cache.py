"""Whole remote files on local disk, for runs that read them more than once, within a disk budget.

A download goes on where an earlier one was cut off, appears under its name only when whole, and is
refused before it would pass the budget or fill the disk.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xxhash

from curation.pipeline.access import Access
from curation.pipeline.transfer import RemoteFile, open_remote
from tilth.errors import TilthError

CHUNK = 4 << 20
RESERVE = 512 << 20
"""Bytes of the disk that stay free for everything else."""


class DiskBudget(TilthError):
    """There is no room for the file."""

    code = "disk_budget"
    status = 507


def cached(url: str, access: Access) -> Path:
    """The local copy of a remote file, downloaded if it is not there yet.

    Raises :class:`DiskBudget` where it does not fit into ``access.cache_budget`` or onto the disk.
    """
    assert access.cache is not None
    access.cache.mkdir(parents=True, exist_ok=True)
    target = access.cache / xxhash.xxh3_128_hexdigest(url.encode())
    with _locked(target.with_suffix(".lock")):
        if not target.exists():
            _download(url, target, access)
    return target


def _download(url: str, target: Path, access: Access) -> None:
    part = target.with_suffix(".part")
    with open_remote(url, access) as remote:
        have = part.stat().st_size if part.exists() else 0
        if have and (remote.size is None or have > remote.size):
            part.unlink()
            have = 0
        if have:
            remote.seek(have)
        if remote.size is not None:
            _check_room(url, remote.size - have, access)
        with part.open("ab") as handle:
            for chunk in _chunks(remote):
                if remote.size is None:
                    _check_room(url, len(chunk), access)
                handle.write(chunk)
    part.replace(target)


def _chunks(remote: RemoteFile) -> Iterator[bytes]:
    while chunk := remote.read(CHUNK):
        yield chunk


def _check_room(url: str, more: int, access: Access) -> None:
    assert access.cache is not None
    held = sum(path.stat().st_size for path in access.cache.iterdir() if path.is_file())
    if held + more > access.cache_budget:
        raise DiskBudget(
            f"{url} needs {more:,} bytes, and the download folder may hold {access.cache_budget:,} of which "
            f"{held:,} are used. Raise the disk budget, empty {access.cache}, or stream instead."
        )
    free = shutil.disk_usage(access.cache).free
    if free - more < RESERVE:
        raise DiskBudget(
            f"{url} needs {more:,} bytes, and only {free:,} are free on the disk of {access.cache}."
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
