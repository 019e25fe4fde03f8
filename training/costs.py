"""What a run's devices cost: the time that they were lent, at the price of its launch."""

from django.utils import timezone

from tilth.jobs.models import DeviceLease, Job
from training.models.runs import Run


def gpu_seconds(job: Job) -> float:
    """Seconds for which devices were lent to a job, all of them added up, until now."""
    leases = DeviceLease.objects.filter(job=job).exclude(attempt=None)
    now = timezone.now()
    return sum(((lease.freed_at or now) - lease.taken_at).total_seconds() for lease in leases)


def cost_of(run: Run) -> float:
    """In the installation's currency, until now."""
    return gpu_seconds(run.job) / 3600 * run.gpu_hour_price if run.job else 0.0
