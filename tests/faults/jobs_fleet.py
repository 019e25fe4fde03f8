"""Real workers, a real beat and a real broker for the jobs' fault tests, at a quick pace.

SQLite and the embedded Valkey by default; with ``DATABASE_URL`` and ``REDIS_URL`` the same tests run on those.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from tilth.accounts.models import AuditEntry
from tilth.jobs import broker, embedded
from tilth.jobs.models import Job, Worker
from tilth.storage import Storage

PACE = {
    "TILTH_JOBS_HEARTBEAT": "0.3",
    "TILTH_JOBS_LOST": "8",
    "TILTH_JOBS_GRACE": "2",
    "TILTH_JOBS_POLL": "0.05",
    "TILTH_JOBS_RETRY": "0.1",
    "TILTH_JOBS_RESEND": "2",
    "TILTH_JOBS_REAP": "0.3",
    "TILTH_JOBS_PLACE": "0.3",
}
PATIENCE = 120


def wait_for(condition: Callable[[], object], what: str) -> object:
    """Wait until the condition holds; it is a failure of the product, not of the clock, when it never does."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"it never came to pass: {what}")


def process_is_running(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def database_url() -> str:
    found = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{found['NAME']}"
    login = f"{found['USER']}:{found['PASSWORD']}" if found["PASSWORD"] else found["USER"]
    return f"postgres://{login}@{found['HOST']}:{found['PORT'] or 5432}/{found['NAME']}"


@dataclass
class Fleet:
    """What a test has running; everything is ended with the test."""

    folder: Path
    storage: Storage
    broker: embedded.Broker | None = None
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_broker(self) -> None:
        path = broker.socket_path(settings.REDIS_URL)
        if path is not None:
            self.broker = embedded.start(path)
        else:
            broker.client().flushdb()

    def kill_broker(self) -> None:
        """kill -9 the embedded broker; a shared Redis is not ours to kill, so it forgets everything instead."""
        if self.broker is not None:
            self.broker.process.send_signal(signal.SIGKILL)
            self.broker.process.wait()
            os.close(self.broker.lock)
            self.broker = None
        else:
            broker.client().flushdb()

    def worker(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        before = set(Worker.objects.live().values_list("pid", flat=True))
        started = self.manage("worker", *arguments, **environment)

        def signed_on() -> bool:
            assert started.poll() is None, self.logs()
            return started.pid in set(Worker.objects.live().values_list("pid", flat=True)) - before

        wait_for(signed_on, "a worker signs on")
        return started

    def beat(self) -> subprocess.Popen[bytes]:
        return self.manage("beat")

    def manage(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{command[0]}-{len(self.processes)}.log").open("wb")
        process = subprocess.Popen(
            [sys.executable, "manage.py", *command],
            cwd=settings.ROOT,
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                **PACE,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "DATABASE_URL": database_url(),
                "REDIS_URL": settings.REDIS_URL,
                "TILTH_MODE": "embedded",
                "TILTH_STORAGE": settings.STORAGE,
                "TILTH_SCRATCH": str(settings.SCRATCH),
                "TILTH_DEVICES": "none",
                **environment,
            },
        )
        self.processes.append(process)
        return process

    def reaches(self, job: Job, *states: str) -> Job:
        def reached() -> bool:
            job.refresh_from_db()
            return job.state in states

        try:
            wait_for(reached, f"{job.reference} becomes {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {job.state} {job.error}\n{self.logs()}") from None
        return job

    def logs(self) -> str:
        """The ends of what workers and beat have written."""
        return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in self.folder.glob("*.log"))

    def stored(self, job: Job, name: str) -> str:
        key = f"{job.prefix}/{name}"
        wait_for(lambda: self.storage.exists(key), f"{key} is stored")
        return self.storage.read_bytes(key).decode()

    def child_pid(self, job: Job, attempt: int = 1) -> int:
        return int(self.stored(job, f"pid-{attempt}"))

    def published(self, job: Job) -> int:
        return AuditEntry.objects.filter(verb="demo.published", target=job.reference).count()

    def close(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if self.broker is not None:
            self.broker.stop()


@contextmanager
def running_fleet(tmp_path: Path, storage: Storage, test_settings: object) -> Iterator[Fleet]:
    """A fleet with its broker up; workers and beat are started by the test."""
    for name, value in PACE.items():
        setattr(test_settings, f"{name.removeprefix('TILTH_')}_SECONDS", float(value))
    test_settings.SCRATCH = tmp_path / "scratch"
    fleet = Fleet(tmp_path, storage)
    try:
        fleet.start_broker()
        yield fleet
    finally:
        fleet.close()


@pytest.fixture
def fleet(transactional_db: None, tmp_path: Path, storage: Storage, settings: object) -> Iterator[Fleet]:
    with running_fleet(tmp_path, storage, settings) as fleet:
        yield fleet
