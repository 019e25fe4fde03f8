"""Keeps the processes of a small installation running together: started in order, restarted when one
dies, stopped in reverse order, and never left behind.

Knows nothing of Django: it is given names and argument lists. Every child runs in its own session, so
that a whole tree can be signalled; a record of the children on disk lets the next start clear away
what a killed supervisor left. On Linux the kernel also tells the children when the supervisor dies.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

RESTART_DELAYS = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds to wait before the first, second, … restart of a process that keeps dying."""

STEADY_SECONDS = 60.0
"""A process that ran this long starts again at the first delay."""

_PR_SET_PDEATHSIG = 1


@dataclass(slots=True)
class Child:
    """One supervised process."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    grace: float = 20.0
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float = 0.0


class Supervisor:
    """Runs children until told to stop. ``record`` is the file of their pids, ``logs`` the folder of their output."""

    def __init__(self, record: Path, logs: Path, say: Callable[[str], None]) -> None:
        self.record = record
        self.logs = logs
        self.say = say
        self.children: list[Child] = []
        self.stopping = False

    def clear_leftovers(self) -> int:
        """Kill what an earlier supervisor left running; returns how many process groups there were."""
        if not self.record.exists():
            return 0
        try:
            entries = json.loads(self.record.read_text())
        except ValueError:
            entries = []
        alive = [e for e in entries if _start_time(e["pid"]) == e["started"]]
        for entry in alive:
            _signal_group(entry["pid"], signal.SIGTERM)
        _wait_until(lambda: not any(_start_time(e["pid"]) == e["started"] for e in alive), 10.0)
        for entry in alive:
            _signal_group(entry["pid"], signal.SIGKILL)
        self.record.unlink(missing_ok=True)
        return len(alive)

    def start(self, child: Child) -> None:
        """Start a child and remember it."""
        self.children.append(child)
        self._launch(child)

    def run(self, also: Callable[[], None]) -> None:
        """Watch the children, and call ``also`` each round, until :meth:`ask_to_stop` was called."""
        while not self.stopping:
            also()
            for child in self.children:
                self._watch(child)
            time.sleep(0.2)

    def ask_to_stop(self, *_: object) -> None:
        """Signal handler: finish :meth:`run`."""
        self.stopping = True

    def stop(self) -> None:
        """Stop all children, last started first: SIGTERM, a grace, then SIGKILL."""
        for child in reversed(self.children):
            process = child.process
            if process is None or process.poll() is not None:
                continue
            _signal_group(process.pid, signal.SIGTERM, leader_only=True)
            try:
                process.wait(child.grace)
            except subprocess.TimeoutExpired:
                self.say(f"{child.name} did not stop in {child.grace:.0f} s; killing it")
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        self.record.unlink(missing_ok=True)

    def _launch(self, child: Child) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / f"{child.name}.log"
        if log.exists() and log.stat().st_size > 20 << 20:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as output:
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **child.environment},
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        child.started_at = time.monotonic()
        self._write_record()

    def _watch(self, child: Child) -> None:
        now = time.monotonic()
        if child.process is not None and child.process.poll() is not None:
            code = child.process.returncode
            _signal_group(child.process.pid, signal.SIGKILL)
            child.process = None
            child.failures = 0 if now - child.started_at > STEADY_SECONDS else child.failures
            delay = RESTART_DELAYS[min(child.failures, len(RESTART_DELAYS) - 1)]
            child.failures += 1
            child.restart_at = now + delay
            self.say(
                f"{child.name} ended (exit {code}); starting it again in {delay:.0f} s. Log: {self.logs / child.name}.log"
            )
        elif child.process is None and now >= child.restart_at:
            self._launch(child)

    def _write_record(self) -> None:
        pids = [c.process.pid for c in self.children if c.process is not None]
        entries = [{"pid": pid, "started": _start_time(pid)} for pid in pids]
        temporary = self.record.with_suffix(".part")
        temporary.write_text(json.dumps(entries))
        temporary.replace(self.record)


def _die_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when the supervisor dies, however it dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _start_time(pid: int) -> str | None:
    """When a process started, so that a reused pid is not mistaken for ours; ``None`` when it is gone."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    shown = subprocess.run(
        ["ps", "-o", "lstart=,stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not shown or shown.split()[-1].startswith("Z"):
        return None
    return shown.rsplit(None, 1)[0]


def _signal_group(pid: int, number: signal.Signals, *, leader_only: bool = False) -> None:
    try:
        os.kill(pid, number) if leader_only else os.killpg(pid, number)
    except ProcessLookupError:
        return


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if done():
            return True
        time.sleep(0.1)
    return done()
