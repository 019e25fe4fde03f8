"""What happens once when a job has failed or was cancelled: its kind is told, even across a crash."""

import logging

from tilth.jobs import registry
from tilth.jobs.models import Job, JobState

logger = logging.getLogger(__name__)


def settle(job_id: int) -> None:
    """Call the kind's ``on_end`` for a failed or cancelled job; the reaper calls this again if it raised."""
    job = Job.objects.filter(
        pk=job_id, state__in=[JobState.FAILED, JobState.CANCELLED], settled=False
    ).first()
    if job is None:
        return
    kind = registry.get(job.kind)
    if kind.on_end is not None:
        kind.on_end(job)
    Job.objects.filter(pk=job_id, state=job.state, attempt=job.attempt).update(settled=True)


def settle_logged(job_id: int) -> None:
    """Like :func:`settle`, for callers that must go on: a fault is logged and the reaper tries again."""
    try:
        settle(job_id)
    except Exception:
        logger.exception(
            "job:%s ended, but its kind could not deal with that; it will be tried again", job_id
        )
