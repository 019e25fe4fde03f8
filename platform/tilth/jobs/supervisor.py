"""Runs one attempt of a job: starts its program, takes in its reports, stops it, publishes its result.

It holds no state that matters: kill it at any line and the program ends itself, the reaper queues the
job again, and the next attempt goes on from what is stored. What it writes goes through ``fencing.py``.
"""

import logging
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from tilth.errors import TilthError
from tilth.jobs import child as children
from tilth.jobs import fencing, leases, placer, registry
from tilth.jobs.child import Child
from tilth.jobs.ending import settle_logged
from tilth.jobs.heart import Heart
from tilth.jobs.ingest import Intake, LineTail
from tilth.jobs.loglines import LogWriter, Redactor
from tilth.jobs.models import Attempt, Job, JobState
from tilth.jobs.reporting import STOPPED
from tilth.storage import Storage

logger = logging.getLogger(__name__)
T = TypeVar("T")

OUTAGE_SECONDS = 900
"""How long the last word on an attempt waits for a database that is away."""


@dataclass
class Outcome:
    """How a program ended: with a result, stopped as asked, or with a fault."""

    exit_status: int
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def supervise(
    attempt: Attempt, heart: Heart, going_away: threading.Event, on_tick: Callable[[], None] | None = None
) -> None:
    """Run the attempt to its end. ``going_away`` makes it give the job back; ``on_tick`` is called at each look."""
    try:
        with heart.watching(attempt) as lost:
            _Supervision(attempt, lost, going_away, on_tick).run()
    except fencing.Superseded as stale:
        logger.warning("%s", stale)
    finally:
        leases.sweep(heart.worker)
        settle_logged(attempt.job_id)
        placer.wake()


class _Supervision:
    """One attempt under way."""

    def __init__(
        self,
        attempt: Attempt,
        lost: threading.Event,
        going_away: threading.Event,
        on_tick: Callable[[], None] | None,
    ) -> None:
        self.attempt = attempt
        self.job = Job.objects.get(pk=attempt.job_id)
        self.lost = lost
        self.going_away = going_away
        self.on_tick = on_tick
        self.kill_at: float | None = None
        self.killed = False

    def run(self) -> None:
        """From the start of the program to the job's next state."""
        try:
            self.kind = registry.get(self.job.kind)
            # A result that is there already was left by an attempt that died while publishing.
            result = self.job.result
            if result is None:
                outcome = self._run_program()
                result = outcome.result
                if result is None:
                    self._end(outcome)
                    return
            self._publish(result)
        except fencing.Superseded:
            raise
        except TilthError as error:
            self._fail(error.message, error.code, error.retryable)
        except Exception as error:
            logger.exception("%s broke", self.attempt)
            self._fail(f"Tilth itself failed: {type(error).__name__}: {error}", "crash", True)

    def _run_program(self) -> Outcome:
        secrets = self.kind.environment(self.job) if self.kind.environment else {}
        program = children.start(self.job, self.attempt, self.kind, secrets)
        intake = self._intake(program, Redactor.of(secrets.values()))
        status, dead = 0, False
        try:
            fencing.hold(self.attempt, pid=program.pid, process_key=program.key)
            while not program.has_exited():
                self._look(program, intake)
                time.sleep(settings.JOBS_POLL_SECONDS)
        finally:
            status, dead = program.bury()
            if dead:
                _through_outages(lambda: leases.free(self.attempt))
        intake.read(last=True)
        _through_outages(intake.store)
        return self._outcome(program, status, intake)

    def _intake(self, program: Child, redact: Redactor) -> Intake:
        log = LogWriter(Storage(settings.STORAGE), self.job.pk, self.attempt.number, redact)
        events = LineTail(program.work_dir / "events.jsonl")
        output = LineTail(program.work_dir / "output.log")
        return Intake(self.attempt, events, output, log, self.kind.on_artifact, self.kind.on_metrics)

    def _look(self, program: Child, intake: Intake) -> None:
        """One look at a running program: reports in, wishes of people out."""
        if self.lost.is_set():
            raise fencing.Superseded(f"{self.attempt} was given up; its program is ended.")
        try:
            intake.read()
            intake.store()
            self._obey(program)
        except (OperationalError, InterfaceError, OSError) as error:
            # Database or storage are away: the program goes on and its reports stay in its files.
            logger.warning("%s: reports not stored, trying again: %s", self.attempt, error)
            connection.close()
        if self.on_tick:
            self.on_tick()

    def _obey(self, program: Child) -> None:
        now = Job.objects.held_by(self.attempt).values("state", "control").first()
        if now is None:
            raise fencing.Superseded(f"{self.attempt} is no longer the newest one.")
        if now["control"] != self.job.control:
            self.job.control = now["control"]
            program.write_control(self.job.control)
        if now["state"] in (JobState.CANCELLING, JobState.PAUSING) or self.going_away.is_set():
            self._stop(program)

    def _stop(self, program: Child) -> None:
        if self.kill_at is None:
            program.ask_to_stop()
            self.kill_at = time.monotonic() + settings.JOBS_GRACE_SECONDS
        elif time.monotonic() > self.kill_at and not self.killed:
            program.kill()
            self.killed = True

    def _outcome(self, program: Child, status: int, intake: Intake) -> Outcome:
        result = program.read_json("result.json") if status == 0 else None
        if result is not None:
            return Outcome(status, result=result)
        if self.kill_at is not None:
            return Outcome(status)
        told = program.read_json("error.json")
        redact = intake.log.redact
        if told is not None:
            message = redact(str(told.get("message", "The program failed without a message.")))
            retryable = bool(told.get("retryable"))
            return Outcome(status, error=_error(message, str(told.get("code", "")), retryable))
        return Outcome(status, error=_explain(status, intake.last_output))

    def _end(self, outcome: Outcome) -> None:
        status = outcome.exit_status
        if outcome.error is not None:
            error = outcome.error
            _through_outages(lambda: fencing.fail(self.attempt, error, status))
        else:
            reason = "Killed after the grace had passed." if self.killed else ""
            _through_outages(lambda: fencing.stop(self.attempt, status, reason))

    def _publish(self, result: dict[str, Any]) -> None:
        if not _through_outages(lambda: fencing.begin_publishing(self.attempt, result)):
            _through_outages(lambda: fencing.stop(self.attempt, 0))
            return
        self.job.refresh_from_db()
        if self.kind.on_success is not None:
            self.kind.on_success(self.job, result)
        _through_outages(lambda: fencing.succeed(self.attempt))
        children.clear(self.job)

    def _fail(self, message: str, code: str, retryable: bool) -> None:
        _through_outages(lambda: fencing.fail(self.attempt, _error(message, code, retryable)))


def _error(message: str, code: str, retryable: bool) -> dict[str, Any]:
    return {"message": message[:2000], "code": code[:60], "retryable": retryable}


def _explain(status: int, last_output: str) -> dict[str, Any]:
    """Words for an exit status that the program itself did not explain."""
    if status == 0:
        return _error("The program ended without leaving a result.", "no_result", False)
    if status == -signal.SIGKILL:
        return _error("The program was killed, most often because memory ran out.", "killed", True)
    if status < 0:
        return _error(f"The program died of {signal.Signals(-status).name}.", "killed", True)
    if status == STOPPED:
        return _error("The program was told to stop from outside Tilth.", "stopped", True)
    said = f": {last_output}" if last_output else "; its log may say why."
    return _error(f"The program ended with status {status}{said}", "exit", False)


def _through_outages(write: Callable[[], T]) -> T:
    """Write the last word on an attempt, waiting for a database that is away."""
    deadline = time.monotonic() + OUTAGE_SECONDS
    while True:
        try:
            return write()
        except (OperationalError, InterfaceError, OSError) as error:
            if time.monotonic() > deadline:
                raise
            logger.warning("not written, trying again: %s", error)
            connection.close()
            time.sleep(min(1.0, settings.JOBS_HEARTBEAT_SECONDS))
