"""Run Python that a model or a labeler wrote, behind walls, and say how it ended.

``run_python`` is the only door; ``run_many`` opens it several times at once. Nothing foreign ever runs in the
calling process, and when that process dies, its runs die with it.
"""

import contextlib
import marshal
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath

from tilth.errors import InvalidInput, TilthError
from tilth.verify.sandbox import launcher, namespaces, probe
from tilth.verify.sandbox.limits import Limits, Outcome, Status

ROOTS_USER = 65534
"""The host's user for programs when root starts them."""

_GRACE = 5.0
"""Seconds after the wall clock's end until a warden that has not answered is killed from outside."""

_LONGEST_INPUT = 64 << 20
"""Bytes of source, stdin and files together."""

_SYSTEM_LIBRARIES = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo")
_START = "import sys; sys.path.append(sys.argv[1]); from tilth.verify.sandbox.launcher import main; main(*map(int, sys.argv[2:]))"


class SandboxFailed(TilthError):
    """The walls could not be built, though this host was found able to; trying again may help."""

    code = "sandbox_failed"
    status = 503
    retryable = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One program to run: source, what it reads from stdin, files of its scratch folder, limits."""

    source: str
    stdin: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)


def run_python(
    source: str,
    *,
    stdin: str = "",
    files: Mapping[str, bytes] | None = None,
    limits: Limits | None = None,
    allow: frozenset[str] = frozenset(),
    host: probe.Host | None = None,
) -> Outcome:
    """Run ``source`` as a program; it sees its files in the current folder, and the standard library.

    Refused (:class:`tilth.verify.sandbox.probe.SandboxRefused`) where the host lacks a part of the sandbox that
    ``allow`` does not name. ``host`` is what :func:`detect` found, unless given.
    """
    run = Run(source=source, stdin=stdin, files=files or {}, limits=limits or Limits())
    _check_input(run)
    parts = (host or detect()).require(allow)
    return start(run, parts)


def run_many(
    runs: Iterable[Run],
    *,
    workers: int | None = None,
    allow: frozenset[str] = frozenset(),
    host: probe.Host | None = None,
) -> Iterator[Outcome]:
    """Outcomes in the order of ``runs``, at most ``workers`` (default: the CPUs) of them at a time."""
    found = host or detect()
    found.require(allow)

    def one(run: Run) -> Outcome:
        return run_python(
            run.source, stdin=run.stdin, files=run.files, limits=run.limits, allow=allow, host=found
        )

    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="sandbox") as pool:
        yield from pool.map(one, runs)


@cache
def detect() -> probe.Host:
    """Which parts this host enforces: each is tried once per process, alone, by a program that tests it."""
    return probe.probe(lambda source, parts, limits: start(Run(source=source, limits=limits), parts))


def start(run: Run, parts: frozenset[str]) -> Outcome:
    """Run with exactly these parts; for :func:`run_python` and the probes."""
    if "mounts" in parts:
        return _launch(run, parts, namespaces.SCRATCH)
    scratch = tempfile.mkdtemp(prefix="tilth-sandbox-")
    try:
        if os.geteuid() == 0:
            os.chown(scratch, ROOTS_USER, ROOTS_USER)
        return _launch(run, parts, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _check_input(run: Run) -> None:
    for name in run.files:
        path = PurePosixPath(name)
        if not name or "\0" in name or path.is_absolute() or ".." in path.parts or str(path) != name:
            raise InvalidInput(f"“{name}” is not a plain relative file name for the sandbox.", field="files")
    size = len(run.source) + len(run.stdin) + sum(map(len, run.files.values()))
    if size > _LONGEST_INPUT:
        raise InvalidInput(f"Source, input and files are {size} bytes; the sandbox takes {_LONGEST_INPUT}.")


def _launch(run: Run, parts: frozenset[str], scratch: str) -> Outcome:
    control_read, control = os.pipe()
    report, report_write = os.pipe()
    try:
        process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-S",
                "-X",
                "utf8",
                "-c",
                _START,
                str(_package_root()),
                str(control_read),
                str(report_write),
                str(os.getpid()),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=(control_read, report_write),
            env={"MALLOC_ARENA_MAX": "1"},
            cwd="/",
            start_new_session=True,
        )
    except BaseException:
        os.close(control)
        os.close(report)
        raise
    finally:
        os.close(control_read)
        os.close(report_write)
    try:
        _send(control, _request(run, parts, scratch))
        texts, overflow = _collect(process, report, run.limits)
    finally:
        os.close(control)
        os.close(report)
        _end(process)
    return _outcome(texts, overflow, run.limits)


def _request(run: Run, parts: frozenset[str], scratch: str) -> bytes:
    program = run.source.encode("utf-8", "surrogatepass")
    return marshal.dumps(
        {
            "parts": list(parts),
            "user": ROOTS_USER,
            "view": [*_shown(), program, run.limits.disk, run.limits.files],
            "scratch": scratch,
            "stdin": run.stdin.encode("utf-8", "surrogatepass"),
            "files": dict(run.files),
            "limits": asdict(run.limits),
            "python_path": list(_python_path()),
        }
    )


@cache
def _python_path() -> tuple[str, ...]:
    """Where the standard library lies: of the interpreter itself, never of a virtual environment."""
    pure = sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix})
    compiled = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})
    return tuple(dict.fromkeys((pure, compiled, f"{compiled}/lib-dynload")))


@cache
def _shown() -> tuple[list[str], list[str]]:
    """Folders of the host that a program may read, and those among them that are shown empty."""
    own = {*_python_path(), str(sysconfig.get_config_var("LIBDIR") or "/usr/lib")}
    wanted = sorted({*_SYSTEM_LIBRARIES, *own} - {"/", ""})
    shown = [path for path in wanted if not any(path.startswith(f"{above}/") for above in wanted)]
    packages = {
        str(Path(folder) / name) for folder in _python_path() for name in ("site-packages", "dist-packages")
    }
    return shown, sorted(packages | {"/usr/lib/python3/dist-packages"})


def _package_root() -> Path:
    """The folder that holds ``tilth``."""
    return Path(launcher.__file__).resolve().parents[3]


def _send(control: int, request: bytes) -> None:
    """A launcher that died early says why in its report; a broken pipe adds nothing."""
    with contextlib.suppress(BrokenPipeError), open(control, "wb", closefd=False) as pipe:
        pipe.write(len(request).to_bytes(8, "little") + request)


def _collect(process: subprocess.Popen[bytes], report: int, limits: Limits) -> tuple[list[bytes], bool]:
    """What came from stdout, stderr and the report, until all are closed, and whether it was too much."""
    assert process.stdout and process.stderr
    files = [process.stdout.fileno(), process.stderr.fileno(), report]
    texts = [bytearray(), bytearray(), bytearray()]
    end = time.monotonic() + limits.wall + _GRACE
    with selectors.DefaultSelector() as selector:
        for index, file in enumerate(files):
            selector.register(file, selectors.EVENT_READ, index)
        while selector.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                chunk = os.read(key.fd, 1 << 16)
                texts[key.data] += chunk
                if not chunk:
                    selector.unregister(key.fd)
                    end = min(end, time.monotonic() + _GRACE) if key.fd == report else end
                if max(len(texts[0]), len(texts[1])) > limits.output:
                    return [bytes(text) for text in texts], True
    return [bytes(text) for text in texts], False


def _end(process: subprocess.Popen[bytes]) -> None:
    """With its control pipe closed the warden ends; the launcher ends after everything inside is gone."""
    assert process.stdout and process.stderr
    process.stdout.close()
    process.stderr.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _outcome(texts: list[bytes], overflow: bool, limits: Limits) -> Outcome:
    stdout, stderr = (text[: limits.output].decode("utf-8", "replace") for text in texts[:2])
    words = texts[2].decode("utf-8", "replace").split(maxsplit=1)
    if overflow:
        return Outcome("output", None, stdout, stderr, 0.0, 0)
    if not words:
        return Outcome("timeout", None, stdout, stderr, limits.wall + _GRACE, 0)
    if words[0] == "failed":
        raise SandboxFailed(f"The sandbox could not be built: {words[1]}.")
    code, seconds, cpu, peak = words[1].split()
    status, exit_code = _status(code, float(cpu), limits)
    return Outcome(status, exit_code, stdout, stderr, float(seconds), int(peak) * 1024)


def _status(code: str, cpu: float, limits: Limits) -> tuple[Status, int | None]:
    if code == "timeout":
        return "timeout", None
    number = int(code)
    if number < 0:
        out_of_time = number in (-signal.SIGXCPU, -signal.SIGKILL) and cpu >= limits.cpu - 0.1
        return ("timeout" if out_of_time else "killed"), number
    return {0: "ok", launcher.MEMORY_EXIT: "memory"}.get(number, "error"), number  # type: ignore[return-value]
