"""Which walls this host can build: each part is tried alone, by a program that attacks exactly that wall.

Nothing is concluded from version numbers: a container may refuse on a new kernel what an old one grants.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tilth.errors import InvalidInput, TilthError
from tilth.verify.sandbox.limits import MIB, Limits, Outcome

PARTS = {
    "user": "a user namespace: not root inside, no power over the host's processes",
    "mounts": "a file system of its own: the standard library read-only, an empty scratch folder of limited size",
    "network": "a network namespace without any interface that leads out",
    "pids": "a PID namespace: other processes are not seen, and all that a run started ends with it",
    "ipc": "an IPC namespace: no shared memory or queues of others",
    "hostname": "a UTS namespace",
    "limits": "limits of memory, processes, file size and descriptors that bind",
    "landlock": "Landlock: reading and writing outside the named folders is refused",
    "seccomp": "a seccomp filter: no sockets, no exec, no mounts, no tracing",
}
"""Every part of the full sandbox, and what it does."""

_LIBC = "import ctypes, os, time, _thread; c = ctypes.CDLL(None, use_errno=True); errno = ctypes.get_errno"
_PROGRAMS = {
    "user": """
assert os.getuid() not in (0, 65534) and os.getgid() not in (0, 65534), os.getuid()
""",
    "mounts": """
assert not os.path.exists("/etc") and not os.path.exists("/proc/1")
for path, content, expected in ("/x", b"x", 30), ("x", bytes(2 << 20), 28):  # EROFS, ENOSPC
    try:
        with open(path, "wb") as file: file.write(content)
    except OSError as error: assert error.errno == expected, error
    else: raise SystemExit(f"{path} could be written")
""",
    "network": """
socket = c.socket(2, 2, 0)
address = (2).to_bytes(2, "little") + bytes([0, 53, 192, 0, 2, 1]) + bytes(8)
assert socket >= 0 and c.connect(socket, address, 16) == -1 and errno() == 101, errno()  # ENETUNREACH
""",
    "pids": """
assert os.getpid() < 10 and os.getppid() == 1, os.getpid()
""",
    "ipc": """
with_queue = c.shmget(0, 4096, 0o1600)  # IPC_PRIVATE, IPC_CREAT: numbered from 0 in a new namespace
assert with_queue == 0, with_queue
c.shmctl(with_queue, 0, None)
""",
    "hostname": """
assert os.uname().nodename == "sandbox", os.uname().nodename
""",
    "limits": """
started = 0
try:
    for _ in range(20):
        _thread.start_new_thread(time.sleep, (0.3,))
        started += 1
except RuntimeError: pass
assert 2 <= started <= 4, started
try: bytearray(200 << 20)
except MemoryError: pass
else: raise SystemExit("memory is not limited")
""",
    "landlock": """
with open("x", "w") as file: file.write("x")
try: open("/etc/passwd").close()
except PermissionError: pass
else: raise SystemExit("/etc/passwd could be read")
""",
    "seccomp": """
assert c.socket(2, 1, 0) == -1 and errno() == 1, errno()
try: os.fork()
except PermissionError: pass
else: raise SystemExit("a process could be started")
""",
}
_WITH = {"user": ()} | dict.fromkeys(("mounts", "network", "pids", "ipc", "hostname", "limits"), ("user",))
"""Parts that a part is tried together with: an unprivileged host user makes all else inside a user namespace."""

_LIMITS = Limits(wall=10.0, memory=128 * MIB, disk=1 * MIB, tasks=4)


class SandboxRefused(TilthError):
    """This host cannot build the full sandbox, and nobody allowed less."""

    code = "sandbox_refused"
    status = 503


@dataclass(frozen=True, slots=True)
class Host:
    """What a host enforces: ``missing`` maps each part that it cannot to the reason."""

    missing: dict[str, str] = field(default_factory=dict)

    @property
    def level(self) -> str:
        """``full``, or ``without`` and the parts that are missing."""
        return f"without {', '.join(sorted(self.missing))}" if self.missing else "full"

    @property
    def parts(self) -> frozenset[str]:
        return frozenset(PARTS) - self.missing.keys()

    def require(self, allow: frozenset[str]) -> frozenset[str]:
        """The parts to run with; refuses when one is missing that ``allow`` does not name."""
        if unknown := allow - PARTS.keys():
            raise InvalidInput(
                f"The sandbox has no part {', '.join(sorted(unknown))}; its parts are {', '.join(PARTS)}.",
                field="allow",
            )
        lacking = [part for part in PARTS if part in self.missing and part not in allow]
        if lacking:
            reasons = "; ".join(f"{part}: {PARTS[part]} ({self.missing[part]})" for part in lacking)
            raise SandboxRefused(
                f"This host cannot enforce the whole sandbox, so no untrusted code runs here. Missing: {reasons}. "
                "Let the host grant it, or allow running without these parts by name (docs/sandbox.md)."
            )
        return self.parts


def probe(start: Callable[[str, frozenset[str], Limits], Outcome]) -> Host:
    """Try every part alone, then what held all together."""
    missing: dict[str, str] = {}
    with ThreadPoolExecutor(4) as pool:
        for part, trouble in zip(PARTS, pool.map(lambda part: _try(start, part), PARTS), strict=True):
            if trouble:
                missing[part] = trouble
    host = Host(missing)
    if host.parts and (trouble := _attempt(start, "pass", host.parts)):
        return Host(dict.fromkeys(PARTS, f"the parts do not work together: {trouble}"))
    return host


def _try(start: Callable[[str, frozenset[str], Limits], Outcome], part: str) -> str:
    parts = frozenset({part, *_WITH.get(part, ())})
    return _attempt(start, f"{_LIBC}\n{_PROGRAMS[part]}", parts)


def _attempt(
    start: Callable[[str, frozenset[str], Limits], Outcome], source: str, parts: frozenset[str]
) -> str:
    """Why it does not hold, or an empty string."""
    try:
        outcome = start(source, parts, _LIMITS)
    except (TilthError, OSError) as error:
        return str(error)
    return "" if outcome.ok else (outcome.stderr.strip().rpartition("\n")[2] or outcome.status)
