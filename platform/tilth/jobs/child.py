"""Starts a job's program in a session of its own and ends its whole process group.

The program inherits two things: a lock on the job's folder, already held, so that two attempts on one
machine never work there at once; and the reading end of a pipe. Only this process holds the other end:
when it dies, however it dies, the pipe closes and the program ends itself (``reporting.py``).
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from tilth.errors import TilthError
from tilth.jobs.models import Attempt, Job
from tilth.jobs.processes import group_is_dead, kill_group, process_key
from tilth.jobs.registry import JobKind
from tilth.jobs.reporting import LOCK_VARIABLE, PIPE_VARIABLE
from tilth.text.storable import storable

WITHHELD = ("SECRET_KEY", "TILTH_ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL", "TILTH_EMAIL_URL")
"""What a program has no need to know: it reports through files and keeps its work in the storage."""

DEATH_SECONDS = 20


def job_dir(job: Job) -> Path:
    """The job's scratch folder on this machine, shared by its attempts here."""
    return settings.SCRATCH / "jobs" / str(job.pk)


@dataclass
class Child:
    """A started program, the writing end of its pipe, and where this attempt's files are."""

    process: subprocess.Popen[bytes]
    pipe: int
    folder: Path
    work_dir: Path
    key: str

    @property
    def pid(self) -> int:
        """The program's process number, which is also its group's."""
        return self.process.pid

    def has_exited(self) -> bool:
        """Whether the program itself has ended; it stays unburied, so that its number is not given out again."""
        if not hasattr(os, "waitid"):
            return self.process.poll() is not None
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def ask_to_stop(self) -> None:
        """SIGTERM to the whole group."""
        kill_group(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        kill_group(self.pid)

    def bury(self) -> tuple[int, bool]:
        """Kill what is left of the group; returns the exit status and whether the group is known dead."""
        kill_group(self.pid)
        status = self.process.wait()
        os.close(self.pipe)
        deadline = time.monotonic() + DEATH_SECONDS
        while not (dead := group_is_dead(self.pid, self.key)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return status, dead

    def write_control(self, control: dict[str, Any]) -> None:
        """Hand the live knobs to the program."""
        write_json(self.folder / "control.json", control)

    def read_json(self, name: str) -> dict[str, Any] | None:
        """The program's ``result.json`` or ``error.json``; ``None`` where there is none or it is broken."""
        try:
            value = json.loads((self.work_dir / name).read_text(), parse_constant=lambda _: None)
        except (FileNotFoundError, ValueError):
            return None
        return storable(value) if isinstance(value, dict) else None


def start(job: Job, attempt: Attempt, kind: JobKind, secrets: dict[str, str]) -> Child:
    """Start the program of an attempt; raises :class:`TilthError` that says why it cannot be started."""
    folder = job_dir(job)
    work_dir = folder / f"attempt-{attempt.number}"
    work_dir.mkdir(parents=True, exist_ok=True)
    lock = _lock(folder)
    reading, writing = os.pipe()
    try:
        _write_inputs(folder, job, attempt)
        environment = _environment(job, attempt, secrets, reading, lock)
        process = _spawn(kind.command(job), folder, work_dir, environment, (reading, lock))
    except BaseException:
        os.close(writing)
        raise
    finally:
        os.close(reading)
        os.close(lock)
    return Child(process, writing, folder, work_dir, process_key(process.pid))


def clear(job: Job) -> None:
    """Remove the scratch of a job that has succeeded. A failed or cancelled one keeps it for a retry."""
    shutil.rmtree(job_dir(job), ignore_errors=True)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write a small file that its reader sees whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(value))
    part.replace(path)


def _spawn(
    command: list[str], folder: Path, work_dir: Path, environment: dict[str, str], handed: tuple[int, int]
) -> subprocess.Popen[bytes]:
    output = os.open(work_dir / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        return subprocess.Popen(
            [*command, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=work_dir,
            env=environment,
            pass_fds=handed,
            start_new_session=True,
        )
    except OSError as error:
        raise TilthError(f"The program {command[0]} could not be started: {error}", "no_program") from error
    finally:
        os.close(output)


def _lock(folder: Path) -> int:
    """Take the folder's lock; an earlier attempt's program, whose pipe is closed, needs a moment to die."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + settings.JOBS_GRACE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                message = f"An earlier attempt's program still works in {folder}; end it, then retry."
                raise TilthError(message, "busy", retryable=True) from None
        time.sleep(0.1)


def _write_inputs(folder: Path, job: Job, attempt: Attempt) -> None:
    config = {
        "job": job.pk,
        "attempt": attempt.number,
        "kind": job.kind,
        "params_version": job.params_version,
        "params": job.params,
        "storage": _absolute(settings.STORAGE),
        "prefix": job.prefix,
    }
    write_json(folder / "config.json", config)
    write_json(folder / "control.json", job.control)


def _absolute(url: str) -> str:
    # The program runs in another folder, where a relative path would name another place.
    return url if "://" in url else str(Path(url).resolve())


def _environment(job: Job, attempt: Attempt, secrets: dict[str, str], pipe: int, lock: int) -> dict[str, str]:
    devices = [_cuda_index(device) for device in attempt.leases.filter(freed_at=None)]
    path = [str(settings.ROOT), str(settings.ROOT / "platform"), os.environ.get("PYTHONPATH", "")]
    return {
        **{name: value for name, value in os.environ.items() if name not in WITHHELD},
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "PYTHONUNBUFFERED": "1",
        "CUDA_VISIBLE_DEVICES": ",".join(devices),
        **secrets,
        PIPE_VARIABLE: str(pipe),
        LOCK_VARIABLE: str(lock),
    }


def _cuda_index(lease: Any) -> str:
    # NVIDIA devices are named by their id; a pretended one by its number.
    return str(lease.device).rsplit("/pretend-", 1)[-1]
