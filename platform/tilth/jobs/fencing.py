"""What an attempt may write for its job: every write holds only while that attempt is the running one.

A supervisor that was given up for lost (a long pause, a cut network) finds every door here closed and
gets :class:`Superseded`, whatever it tries.
"""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from tilth.errors import TilthError
from tilth.jobs import retries
from tilth.jobs.models import Attempt, DeviceLease, Job, JobState, Worker
from tilth.jobs.version import code_version


class Superseded(TilthError):
    """This attempt is no longer the job's running one: stop the program and write nothing."""

    code = "superseded"
    status = 409


@transaction.atomic
def take(job_id: int, worker: Worker) -> Attempt | None:
    """Start the next attempt of a job placed on this worker; ``None`` when the message came late or twice."""
    placed = Job.objects.filter(pk=job_id, state=JobState.QUEUED, placed_on=worker)
    started = placed.update(
        state=JobState.RUNNING,
        attempt=F("attempt") + 1,
        started_at=Coalesce(F("started_at"), Now()),
        error=None,
        code_version=code_version(),
    )
    if not started:
        return None
    attempt = Attempt.objects.create(
        job_id=job_id,
        number=Job.objects.values_list("attempt", flat=True).get(pk=job_id),
        worker=worker,
        worker_name=worker.name,
        host=worker.host,
        code_version=code_version(),
        started_at=Now(),
        heartbeat_at=Now(),
    )
    DeviceLease.objects.filter(job_id=job_id, attempt=None, freed_at=None).update(attempt=attempt)
    attempt.refresh_from_db()
    return attempt


def hold(attempt: Attempt, **fields: object) -> None:
    """Write the attempt's own fields, or raise :class:`Superseded`. Inside a transaction it keeps the reaper out."""
    running = Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.RUNNING)
    if not running.update(heartbeat_at=Now(), beats=F("beats") + 1, **fields):
        raise Superseded(f"{attempt} is no longer the running one.")


@transaction.atomic
def begin_publishing(attempt: Attempt, result: dict[str, object]) -> bool:
    """Keep the result and move on to publishing; False when a cancel came first."""
    hold(attempt)
    open_states = (JobState.RUNNING, JobState.PAUSING, JobState.PUBLISHING)
    mine = Job.objects.held_by(attempt, *open_states)
    return bool(mine.update(state=JobState.PUBLISHING, result=result, stage="Publishing"))


@transaction.atomic
def succeed(attempt: Attempt) -> None:
    """The result is published: the job is done."""
    _close(attempt, Attempt.State.SUCCEEDED, "", 0)
    Job.objects.held_by(attempt, JobState.PUBLISHING).update(
        state=JobState.SUCCEEDED, progress=1, stage="", finished_at=Now(), settled=True
    )


@transaction.atomic
def fail(attempt: Attempt, error: dict[str, object], exit_status: int | None = None) -> str:
    """The attempt failed: queue the job again if that can help, else end it. Returns the job's new state."""
    _close(attempt, Attempt.State.FAILED, str(error["message"]), exit_status)
    return retries.after_failure(attempt, error, again=bool(error["retryable"]))


@transaction.atomic
def stop(attempt: Attempt, exit_status: int | None, reason: str = "") -> str:
    """The program was stopped as asked: by cancel, by pause, or because the worker itself goes away."""
    job = Job.objects.select_for_update().get(pk=attempt.job_id)
    outcome = {
        JobState.CANCELLING: Attempt.State.CANCELLED,
        JobState.PAUSING: Attempt.State.PAUSED,
    }.get(JobState(job.state), Attempt.State.RELEASED)
    _close(attempt, outcome, reason, exit_status)
    return retries.after_stop(attempt)


@transaction.atomic
def lose(attempt: Attempt, reason: str) -> str:
    """Give an attempt up whose heart has not beaten since it was read; Superseded when it beat after all."""
    same = Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.RUNNING, beats=attempt.beats)
    if not same.update(state=Attempt.State.LOST, reason=reason, finished_at=Now()):
        raise Superseded(f"{attempt} is alive after all, or has ended.")
    error = {"message": reason, "code": retries.LOST, "retryable": True}
    return retries.after_failure(attempt, error, again=True)


def _close(attempt: Attempt, outcome: str, reason: str, exit_status: int | None) -> None:
    hold(attempt, state=outcome, reason=reason[:500], exit_status=exit_status, finished_at=Now())
