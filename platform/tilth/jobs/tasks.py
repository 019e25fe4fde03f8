"""The Celery tasks: run a job that was placed on this worker; beat's two housekeeping rounds."""

from celery import shared_task

from tilth.jobs import fencing, placer, reaper, runtime
from tilth.jobs.celery import RUN_JOB
from tilth.jobs.supervisor import supervise


@shared_task(name=RUN_JOB)
def run_job(job_id: int) -> None:
    """Take the job, unless this call came late or twice, and see its next attempt through."""
    here = runtime.current()
    if here.going_away.is_set():
        return
    attempt = fencing.take(job_id, here.worker)
    if attempt is not None:
        supervise(attempt, here.heart, here.going_away)


@shared_task(name="tilth.jobs.reap")
def reap() -> None:
    """Find what was lost."""
    reaper.reap()


@shared_task(name="tilth.jobs.place")
def place() -> None:
    """Place what waits."""
    placer.wake()
