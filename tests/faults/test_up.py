"""``manage.py up``: everything together under one supervisor, and what survives being killed."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180
"""Seconds to wait for a start on a busy machine; nothing is asserted about how long it takes."""


class Installation:
    """A Tilth of its own: a folder, a port, and its ``up`` process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0

    @property
    def output(self) -> str:
        """What the newest start printed."""
        return (self.folder / f"up-{self.starts}.txt").read_text()

    def start(self) -> None:
        """Start and wait until it says that it runs."""
        self.launch()
        wait_for(lambda: "Tilth is running at" in self.output or self.process.poll() is not None)
        assert "Tilth is running at" in self.output, self.output

    def launch(self) -> None:
        """Start without waiting."""
        self.starts += 1
        keep = {
            name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}
        }
        environment = {**keep, "TILTH_VAR": str(self.folder / "var"), "TILTH_MODE": "embedded"}
        environment["DJANGO_SETTINGS_MODULE"] = "tilth.settings"
        environment["TILTH_WEB_WORKERS"] = "1"
        with (self.folder / f"up-{self.starts}.txt").open("wb") as output:
            command = [sys.executable, str(ROOT / "manage.py"), "up", "--port", str(self.port)]
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)

    def ready(self) -> bool:
        """Whether every part answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as answer:
                return json.load(answer)["ready"]
        except (OSError, urllib.error.HTTPError):
            return False

    def children(self) -> list[int]:
        """The recorded children that are alive."""
        record = self.folder / "var" / "run" / "processes.json"
        entries = json.loads(record.read_text()) if record.exists() else []
        return [entry["pid"] for entry in entries if alive(entry["pid"])]

    def stop(self) -> int:
        """Ctrl+C."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(PATIENCE)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    stat = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(done: Callable[[], bool]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


@pytest.fixture
def installation() -> Iterator[Installation]:
    """An installation in a folder with a short name: a unix socket's path has little room."""
    folder = Path(tempfile.mkdtemp(prefix="up-"))
    made = Installation(folder)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGTERM)
        try:
            made.process.wait(60)
        except subprocess.TimeoutExpired:
            made.process.kill()
    for pid in made.children():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def test_it_runs_survives_a_kill_and_stops_cleanly(installation: Installation):
    installation.start()
    assert (installation.folder / "var" / "inbox").is_dir(), (
        "the folder that people are told to put files into"
    )
    assert installation.ready()
    assert "One-time password:" in installation.output
    assert len(installation.children()) == 3

    # A second start in the same folder is refused, and says who is there.
    first, running = installation.process, installation.starts
    installation.launch()
    assert installation.process.wait(PATIENCE) != 0
    assert "already runs here" in installation.output
    installation.process, installation.starts = first, running

    # The broker dies alone: it comes back, and so does readiness.
    broker = broker_pid(installation.folder)
    os.kill(broker, signal.SIGKILL)
    wait_for(lambda: broker_pid(installation.folder) not in {0, broker})
    wait_for(installation.ready)

    # A worker dies alone: the supervisor starts another.
    before = set(installation.children())
    os.kill(sorted(before)[1], signal.SIGKILL)
    wait_for(lambda: len(installation.children()) == 3 and set(installation.children()) != before)

    # The supervisor itself is killed without warning: the next start just works.
    installation.process.kill()
    installation.process.wait()
    installation.start()
    wait_for(installation.ready)
    assert "One-time password" not in installation.output

    assert installation.stop() == 0
    assert "Stopped" in installation.output
    assert installation.children() == []
    assert not (installation.folder / "var" / "run" / "valkey.sock").exists()


def broker_pid(folder: Path) -> int:
    """The Valkey server whose socket lies in this folder; 0 when there is none."""
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and alive(int(entry.name)):
                command = (entry / "cmdline").read_bytes()
                if b"valkey" in command and os.fsencode(folder) in command:
                    return int(entry.name)
    return 0


def test_a_port_in_use_says_so(installation: Installation):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", installation.port))
        taken.listen()
        installation.launch()
        assert installation.process.wait(PATIENCE) != 0
    assert f"make up PORT={installation.port + 1}" in installation.output
