"""Where a job goes when an attempt has ended without success: on, back into the queue, or to its end."""

from datetime import timedelta

from django.conf import settings
from django.db.models.functions import Now

from tilth.jobs.models import Attempt, Job, JobState

LOST = "lost"
LONGEST_DELAY = 600.0


def after_failure(attempt: Attempt, error: dict[str, object], *, again: bool) -> str:
    """Count a failed or lost attempt and move the job; returns its new state. Runs in the caller's transaction."""
    job = Job.objects.select_for_update().get(pk=attempt.job_id)
    if job.state in (JobState.CANCELLING, JobState.PAUSING):
        return after_stop(attempt)
    failures = job.failures + 1
    if again and failures < job.max_attempts:
        later = Now() + _delay(error, failures)
        return _requeue(attempt, failures=failures, error=error, available_at=later)
    ended = {"finished_at": Now(), "placed_on": None, "placed_at": None, "result": None}
    _move(attempt, JobState.FAILED, failures=failures, error=error, **ended)
    return JobState.FAILED


def after_stop(attempt: Attempt) -> str:
    """Move a job whose program was stopped on purpose; such an attempt is not counted."""
    job = Job.objects.select_for_update().get(pk=attempt.job_id)
    if job.state == JobState.CANCELLING:
        _move(attempt, JobState.CANCELLED, finished_at=Now(), placed_on=None, placed_at=None)
        return JobState.CANCELLED
    if job.state == JobState.PAUSING:
        _move(attempt, JobState.PAUSED, placed_on=None, placed_at=None)
        return JobState.PAUSED
    return _requeue(attempt, available_at=Now())


def _requeue(attempt: Attempt, **fields: object) -> str:
    _move(attempt, JobState.QUEUED, placed_on=None, placed_at=None, **fields)
    return JobState.QUEUED


def _move(attempt: Attempt, state: JobState, **fields: object) -> None:
    Job.objects.held_by(attempt).update(state=state, **fields)


def _delay(error: dict[str, object], failures: int) -> timedelta:
    # A lost worker is no sign of anything that needs time to get better.
    seconds = 0.0 if error["code"] == LOST else settings.JOBS_RETRY_SECONDS * 2 ** (failures - 1)
    return timedelta(seconds=min(seconds, LONGEST_DELAY))
