"""Process groups: is this one still alive, and is it the one that was started then?"""

import os
import signal
from functools import cache
from pathlib import Path

PROC = Path("/proc")


def process_key(pid: int) -> str:
    """What tells a process from a later one with the same number: boot id and start time; empty where unknown."""
    fields = _stat(pid)
    return f"{_boot_id()}:{fields[19]}" if fields else ""


def is_same_process(pid: int, key: str) -> bool:
    """Whether the process with this number is alive and the one that had this key."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process_key(pid) == key


def group_is_dead(leader: int, key: str) -> bool:
    """Whether no process of the group that ``leader`` led runs any more (an unburied one does not run)."""
    if key and key.split(":")[0] != _boot_id():
        return True
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    # A living leader with another start time means that the number was given out again.
    now = process_key(leader)
    if key and now and now != key:
        return True
    return PROC.exists() and not _running_in_group(leader)


def kill_group(leader: int, number: int = signal.SIGKILL) -> None:
    """Signal every process of a group; one that is gone already is fine."""
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return


def _running_in_group(leader: int) -> bool:
    members = (_stat(int(entry.name)) for entry in PROC.iterdir() if entry.name.isdecimal())
    return any(fields and fields[2] == str(leader) and fields[0] not in "ZX" for fields in members)


def _stat(pid: int) -> list[str]:
    """The process's fields from its state on; empty when there is no such process."""
    try:
        line = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    # The name may hold spaces and brackets: fields are counted after the last bracket.
    return line.rsplit(")", 1)[1].split()


@cache
def _boot_id() -> str:
    path = PROC / "sys/kernel/random/boot_id"
    return path.read_text().strip() if path.exists() else ""
