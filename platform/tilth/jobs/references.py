"""What ``job:91`` points at."""

from tilth.jobs.models import Job
from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register


def resolve_job(reference: Reference) -> Resolved | None:
    """A job by its number."""
    if not reference.key.isdecimal() or len(reference.key) > 18:
        return None
    job = Job.objects.filter(pk=int(reference.key)).first()
    return None if job is None else Resolved(str(job), job.get_absolute_url(), "jobs.view", job.state)


register("job", resolve_job)
