"""What a job's child program uses to speak to its supervisor: no Django, no database, only files.

The supervisor starts the program with the job's folder as its last argument, a held lock and the
reading end of a pipe. The program reports by appending lines to ``attempt-N/events.jsonl``, leaves its
result in ``attempt-N/result.json`` or its fault in ``attempt-N/error.json``, and ends its whole process
group when the pipe closes, because then nobody supervises it any more.

The same program runs without a job through :meth:`Reporter.null`, which prints progress on stderr.
"""

import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from tilth.errors import TilthError
from tilth.storage import Storage

STOPPED = 75
"""Exit status of a program that saved its state and ended because it was asked to."""

PIPE_VARIABLE = "TILTH_JOB_PIPE"
LOCK_VARIABLE = "TILTH_JOB_LOCK"

RECENT_SECONDS = 900
"""For so long a report may wait unread: a supervisor outlasts a database that is away for as long."""

RECENT_POINTS = 10_000

_stop_asked = threading.Event()


@dataclass(frozen=True)
class Reporter:
    """A program's view of its job: parameters, where to keep files, and ways to report."""

    params: dict[str, Any]
    job: int
    attempt: int
    storage: Storage
    prefix: str
    job_dir: Path
    emit: Callable[[dict[str, Any]], None] = field(repr=False)
    _recent: "deque[list[Any]]" = field(default_factory=lambda: deque(maxlen=RECENT_POINTS), repr=False)

    @classmethod
    def from_job_dir(cls, path: str | Path) -> "Reporter":
        """Take up the job in this folder: watch the supervisor, hold the lock, catch SIGTERM."""
        job_dir = Path(path)
        config = json.loads((job_dir / "config.json").read_text())
        _hold_lock(job_dir)
        _watch_supervisor()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, lambda *_: _stop_asked.set())
        work_dir = job_dir / f"attempt-{config['attempt']}"
        work_dir.mkdir(exist_ok=True)
        return cls(
            params=config["params"],
            job=config["job"],
            attempt=config["attempt"],
            storage=Storage(config["storage"]),
            prefix=config["prefix"],
            job_dir=job_dir,
            emit=_append_to(work_dir / "events.jsonl"),
        )

    @classmethod
    def null(
        cls, folder: str | Path, params: dict[str, Any] | None = None, *, quiet: bool = False
    ) -> "Reporter":
        """A reporter without a job: files go under ``folder``, progress goes to stderr."""
        root = Path(folder).resolve()
        (root / "attempt-0").mkdir(parents=True, exist_ok=True)
        emit = _ignore if quiet else _print_event
        return cls(params or {}, 0, 0, Storage(str(root)), "work", root, emit)

    @property
    def work_dir(self) -> Path:
        """This attempt's own scratch folder."""
        return self.job_dir / f"attempt-{self.attempt}"

    @property
    def stopping(self) -> bool:
        """Whether SIGTERM arrived: save, then exit with :data:`STOPPED`."""
        return _stop_asked.is_set()

    def progress(self, done: float, total: float, stage: str = "", message: str = "") -> None:
        """How far the work is; ``stage`` names the step and ``message`` says more in one line."""
        self._event("progress", done=done, total=total, stage=stage, message=message)

    def metric(self, name: str, value: float, step: int) -> None:
        """One point of a series; the first value of a (name, step) stays."""
        self._point(name, value, step, time.time())

    def recent_points(self) -> list[list[Any]]:
        """The newest points, to be kept with a program's state: a supervisor that dies may not have read them."""
        since = time.time() - RECENT_SECONDS
        return [point for point in self._recent if point[3] >= since]

    def report_again(self, points: Iterable[list[Any]]) -> None:
        """Report what :meth:`recent_points` gave to an earlier attempt, as of then."""
        for name, value, step, at in points:
            self._point(name, value, step, at)

    def log(self, text: str, level: str = "info") -> None:
        """A line for the job's log; ``level`` is debug, info, warning or error."""
        self._event("log", text=text, level=level)

    def artifact(self, name: str, key: str, size: int) -> None:
        """A file that the program stored under ``key`` of the storage, ``size`` bytes long."""
        self._event("artifact", name=name, key=key, bytes=size)

    def result(self, value: dict[str, Any]) -> None:
        """Leave the result; the job succeeds only with a result and exit status 0."""
        _write_json(self.work_dir / "result.json", value)

    def fail(self, message: str, code: str = "", retryable: bool = False) -> NoReturn:
        """End the program with a fault that a person can act on."""
        _write_json(self.work_dir / "error.json", {"message": message, "code": code, "retryable": retryable})
        raise SystemExit(1)

    def control(self) -> dict[str, Any]:
        """The knobs as they are set on the job's page now; empty when none is set."""
        try:
            knobs = json.loads((self.job_dir / "control.json").read_text())
        except FileNotFoundError:
            return {}
        return dict(knobs)

    def _point(self, name: str, value: float, step: int, at: float) -> None:
        self._recent.append([name, value, step, at])
        self._event("metric", name=name, value=value, step=step, at=at)

    def _event(self, kind: str, **values: Any) -> None:
        self.emit({"type": kind, "at": time.time(), **values})


def run_program(program: Callable[[Reporter], dict[str, Any] | None], job_dir: str | Path) -> None:
    """Run a whole child program: its return value is the result, a ``TilthError`` is its fault.

    A program that returns ``None`` because it was asked to stop exits with :data:`STOPPED`.
    """
    reporter = Reporter.from_job_dir(job_dir)
    try:
        value = program(reporter)
    except TilthError as error:
        reporter.fail(error.message, error.code, error.retryable)
    if value is None and reporter.stopping:
        raise SystemExit(STOPPED)
    reporter.result(value or {})


def watch_pipe(descriptor: int) -> None:
    """End this process group when the pipe's other end closes; forked children watch too."""

    def wait() -> None:
        # Nobody writes into the pipe: the read returns only at end of file.
        while os.read(descriptor, 64):
            pass
        os.killpg(0, signal.SIGKILL)

    def start() -> None:
        threading.Thread(target=wait, name="supervisor-watch", daemon=True).start()

    start()
    os.register_at_fork(after_in_child=start)


def _watch_supervisor() -> None:
    descriptor = os.environ.pop(PIPE_VARIABLE, "")
    if descriptor:
        os.set_inheritable(int(descriptor), False)
        watch_pipe(int(descriptor))


def _hold_lock(job_dir: Path) -> None:
    # A supervisor hands the lock over already held. Started by hand, the program takes it itself.
    inherited = os.environ.pop(LOCK_VARIABLE, "")
    if inherited:
        os.set_inheritable(int(inherited), False)
        return
    descriptor = os.open(job_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise TilthError(f"Another process works in {job_dir}; wait until it ends.", "busy") from None


def _append_to(path: Path) -> Callable[[dict[str, Any]], None]:
    # One write per line in append mode, so that lines of several processes never mix.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def emit(event: dict[str, Any]) -> None:
        os.write(descriptor, json.dumps(event).encode() + b"\n")

    return emit


def _print_event(event: dict[str, Any]) -> None:
    if event["type"] == "progress":
        share = 100 * event["done"] / event["total"] if event["total"] else 0
        print(f"{share:5.1f} %  {event['stage']}  {event['message']}".rstrip(), file=sys.stderr)
    elif event["type"] == "log":
        print(f"{event['level']}: {event['text']}", file=sys.stderr)


def _ignore(event: dict[str, Any]) -> None:
    """Report nothing: a quiet run."""


def _write_json(path: Path, value: dict[str, Any]) -> None:
    # Two threads may find the same fault at once: each writes its own file, and one of them stands whole.
    temporary = path.with_name(f".{path.name}.{threading.get_ident()}.part")
    with temporary.open("w") as handle:
        json.dump(value, handle)
        handle.flush()
        os.fsync(handle.fileno())
    temporary.replace(path)
