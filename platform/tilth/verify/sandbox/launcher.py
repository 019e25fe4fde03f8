"""The small program between the host and untrusted Python: it builds the walls, starts the program, watches it.

Started by ``run.py`` with an argument list, without environment or site packages. Three processes: the *launcher*
makes the namespaces; the *warden*, process 1 of them, enforces the wall clock and ends when the host's end of the
control pipe closes, which ends all that live there; the *program* is the only one that runs foreign code.
The warden writes one line to the report pipe: ``failed WHY``, or ``exit CODE SECONDS CPU PEAK_KIB`` where CODE is
negative for a signal and ``timeout`` when time was up.
"""

import contextlib
import marshal
import os
import resource
import select
import signal
import sys
import time
from types import ModuleType
from typing import Any

from tilth.verify.sandbox import landlock, namespaces, seccomp

MEMORY_EXIT = 86
"""Exit code of a program that ended with a ``MemoryError``."""

_GLANCE = 0.2
"""Seconds between two looks at processes that lost their parent."""


def main(control: int, report: int, parent: int) -> None:
    """Read the request from ``control`` and run it; never returns in the process that called."""
    request = _read_request(control)
    parts = frozenset(request["parts"])
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # process 1 must have no handler that a program could call
    try:
        given = os.memfd_create("stdin", os.MFD_CLOEXEC)
        os.write(given, request["stdin"])
        os.lseek(given, 0, os.SEEK_SET)
        view = namespaces.View(*request["view"])
        namespaces.enter(parts, request["user"], view)
        namespaces.die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        warden = os.fork()
    except OSError as error:
        _say(report, f"failed {error}")
        os._exit(1)
    if warden:
        os.waitpid(warden, 0)
        os._exit(0)
    _guard(request, parts, given, control, report)


def _read_request(control: int) -> dict[str, Any]:
    with open(control, "rb", closefd=False) as pipe:
        return marshal.loads(pipe.read(int.from_bytes(pipe.read(8), "little")))  # noqa: S302


def _say(report: int, line: str) -> None:
    os.write(report, line.encode("utf-8", "replace")[:4000])


def _guard(request: dict[str, Any], parts: frozenset[str], given: int, control: int, report: int) -> None:
    """The warden: start the program, wait for it, its time or its host's end, report, end."""
    try:
        namespaces.die_with_parent()
        _fill_scratch(request["scratch"], request["files"])
        namespaces.drop_privileges()
        ready, started = os.pipe()
        program = os.fork()
        if not program:
            os.close(ready)
            _become_program(request, parts, given, started)
            return
    except OSError as error:
        _say(report, f"failed {error}")
        os._exit(1)
    os.close(started)
    with open(ready, "rb") as pipe:  # noqa: PTH123
        trouble = pipe.read()
    if trouble:
        _say(report, f"failed {trouble.decode('utf-8', 'replace')}")
        os._exit(1)
    _watch(program, request["limits"], control, report)
    _kill_group(program)
    os._exit(0)


def _watch(program: int, limits: dict[str, Any], control: int, report: int) -> None:
    begun = time.monotonic()
    events = select.poll()
    events.register(control, 0)  # a hang-up alone: the host is gone or wants an end
    events.register(os.pidfd_open(program), select.POLLIN)
    while True:
        for pid, status, usage in _ended():
            if pid == program:
                code = os.waitstatus_to_exitcode(status)
                seconds, cpu = time.monotonic() - begun, usage.ru_utime + usage.ru_stime
                _say(report, f"exit {code} {seconds:.6f} {cpu:.6f} {usage.ru_maxrss}")
                return
        left = begun + limits["wall"] - time.monotonic()
        if left <= 0:
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            _say(report, f"exit timeout {time.monotonic() - begun:.6f} 0 {peak}")
            return
        if any(file == control for file, _ in events.poll(min(left, _GLANCE) * 1000)):
            return


def _ended() -> list[tuple[int, int, resource.struct_rusage]]:
    """Children that ended, orphans that fell to this process among them."""
    found = []
    try:
        while (one := os.wait4(-1, os.WNOHANG))[0]:
            found.append(one)
    except ChildProcessError:
        pass
    return found


def _kill_group(program: int) -> None:
    """Without a PID namespace the warden's end kills nobody: take the program's session along."""
    with contextlib.suppress(OSError):
        os.killpg(program, signal.SIGKILL)


def _fill_scratch(scratch: str, files: dict[str, bytes]) -> None:
    """The caller's files; their names were checked."""
    os.chdir(scratch)
    for name, content in files.items():
        os.makedirs(os.path.dirname(name) or ".", exist_ok=True)  # noqa: PTH103, PTH120
        with open(name, "wb") as file:  # noqa: PTH123
            file.write(content)


def _become_program(request: dict[str, Any], parts: frozenset[str], given: int, started: int) -> None:
    """The last steps before foreign code: own session, three descriptors, limits, Landlock, seccomp."""
    try:
        namespaces.die_with_parent()
        os.setsid()
        os.dup2(given, 0)
        os.dup2(started, 3, inheritable=False)
        os.closerange(4, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        started = 3
        if "landlock" in parts:
            view: list[str] = [*request["view"][0], namespaces.PROGRAM, "/dev/random", "/dev/urandom"]
            landlock.apply(readable=view, writable=[request["scratch"], "/dev/null", "/dev/zero"])
        if "limits" in parts:
            _limit(request["limits"])
        if "seccomp" in parts:
            seccomp.apply(fork=request["limits"]["fork"])
    except OSError as error:
        os.write(started, str(error).encode())
        os._exit(1)
    os.close(started)
    sys.exit(_execute(request))


def _limit(limits: dict[str, Any]) -> None:
    for name, value in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_CPU, limits["cpu"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_STACK, 8 << 20),
        (resource.RLIMIT_AS, limits["memory"]),
        (resource.RLIMIT_NPROC, limits["tasks"] + 1),  # the warden is the same user
    ):
        resource.setrlimit(name, (value, value))


def _execute(request: dict[str, Any]) -> int:
    """Run the source as ``__main__`` with nothing of ours in reach by name; answers the exit code."""
    import builtins
    from _sitebuiltins import Quitter  # what ``import site`` would have given

    builtins.exit = Quitter("exit", "Ctrl-D")  # type: ignore[assignment]
    builtins.quit = Quitter("quit", "Ctrl-D")  # type: ignore[assignment]
    sys.path[:] = [path for path in sys.path if path in request["python_path"]]
    sys.path.insert(0, request["scratch"])
    sys.argv = [namespaces.PROGRAM]
    for name in [name for name in sys.modules if name.split(".")[0] == "tilth"]:
        del sys.modules[name]
    os.environ.clear()
    os.environ.update({"HOME": request["scratch"], "TMPDIR": request["scratch"], "LANG": "C.UTF-8"})
    module = ModuleType("__main__")
    module.__dict__.update(__file__=namespaces.PROGRAM, __builtins__=builtins)
    sys.modules["__main__"] = module
    try:
        # What it runs is hostile by definition: the walls around this process stand by now.
        exec(compile(request["view"][2], namespaces.PROGRAM, "exec"), module.__dict__)  # noqa: S102
    except SystemExit:
        raise
    except MemoryError:
        print("MemoryError", file=sys.stderr)
        return MEMORY_EXIT
    except BaseException as error:
        own_frame = error.__traceback__
        error = error.with_traceback(own_frame.tb_next if own_frame else None)
        sys.__excepthook__(type(error), error, error.__traceback__)
        return 1
    return 0
