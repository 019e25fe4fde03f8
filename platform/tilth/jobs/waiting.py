"""Why a queued job does not run yet, in words for its page."""

from django.utils import timezone

from tilth.jobs.capacity import START_A_WORKER, Capacity
from tilth.jobs.models import Job, JobState, Worker


def explain(job: Job, capacity: Capacity | None = None) -> str:
    """What a queued job waits for and what to do about it; empty for a job that is not queued."""
    if job.state != JobState.QUEUED:
        return ""
    capacity = capacity or Capacity.now()
    reason = capacity.why_waiting(job)
    if job.placed_on_id is not None and capacity.benches:
        return "A worker has been called; it starts in a moment."
    if job.available_at > timezone.now() and capacity.benches:
        return f"The last attempt failed; it is tried again at {job.available_at:%H:%M:%S} UTC."
    ahead = Job.objects.ahead_of(job).count()
    if not reason:
        return "It starts in a moment."
    if not capacity.benches or not ahead:
        return reason
    return f"{reason} {ahead} {'job goes' if ahead == 1 else 'jobs go'} before it."


def no_worker_notice() -> str:
    """What to tell somebody who submits work while nobody is there to do it; empty when a worker runs."""
    if Worker.objects.live().exists():
        return ""
    return f"No worker is running, so jobs only queue up. Start one with: {START_A_WORKER}"
