"""What one run in the sandbox may use, and what came of it."""

from dataclasses import dataclass
from typing import Literal

from tilth.errors import InvalidInput

MIB = 1 << 20

Status = Literal["ok", "error", "timeout", "memory", "output", "killed"]
"""``ok``: ended with exit code 0; ``error``: another code (an exception, ``sys.exit(1)``); ``timeout``: wall clock
or CPU time was used up; ``memory``: the program ended with a ``MemoryError``; ``output``: it printed more than
allowed; ``killed``: a signal ended it (a crash, a file over the limit)."""

_BOUNDS = {
    "wall": (0.05, 3600),
    "cpu": (1, 3600),
    "memory": (64 * MIB, 64 * 1024 * MIB),
    "disk": (4096, 16 * 1024 * MIB),
    "files": (16, 1_000_000),
    "output": (1, 256 * MIB),
    "tasks": (1, 1024),
    "open_files": (16, 4096),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one run; refused where out of bounds.

    ``wall`` and ``cpu`` are seconds (``cpu`` whole, per process); ``memory`` bytes of address space per process;
    ``disk`` bytes and ``files`` number of files in the scratch folder; ``output`` bytes of stdout and of stderr
    each; ``tasks`` threads and processes together; ``fork`` lets the program start processes at all, each with
    its own ``memory``; ``open_files`` descriptors per process.
    """

    wall: float = 10.0
    cpu: int = 10
    memory: int = 512 * MIB
    disk: int = 16 * MIB
    files: int = 256
    output: int = MIB
    tasks: int = 16
    fork: bool = False
    open_files: int = 64

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise InvalidInput(
                    f"The sandbox limit “{name}” is between {low} and {high}, not {getattr(self, name)}.",
                    field=name,
                )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. ``exit_code`` is negative for a signal, ``None`` when the sandbox ended the run; ``stdout``
    and ``stderr`` are cut at the limit; ``seconds`` wall clock from the program's start; ``peak_memory`` bytes
    resident, of the largest process that was waited for."""

    status: Status
    exit_code: int | None
    stdout: str
    stderr: str
    seconds: float
    peak_memory: int

    @property
    def ok(self) -> bool:
        return self.status == "ok"
