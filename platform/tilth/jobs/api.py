"""Jobs over the API. Each kind is submitted through its own app's routes; here jobs are read and steered."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema

from tilth.accounts.api_auth import bearer
from tilth.errors import InvalidInput, NotFound
from tilth.jobs import actions, logview, waiting
from tilth.jobs.models import Job, JobState, Worker
from tilth.storage import Storage

router = Router(tags=["jobs"])
MOST = 200


class JobOut(Schema):
    """A job as the API shows it."""

    id: int
    reference: str
    kind: str
    title: str
    state: str
    progress: float
    stage: str
    message: str
    priority: int
    gpus: int
    attempt: int
    max_attempts: int
    params: dict[str, Any]
    control: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    waits_for: str
    code_version: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @staticmethod
    def resolve_waits_for(job: Job) -> str:
        """Why a queued job does not run yet."""
        return waiting.explain(job)


class WorkerOut(Schema):
    """A worker as the API shows it."""

    name: str
    host: str
    state: str
    queues: list[str]
    slots: int
    short_slots: int
    devices: list[dict[str, Any]]
    heartbeat_at: datetime
    code_version: str


class LineOut(Schema):
    """One line of a log; the text is outside text."""

    attempt: int
    at: str
    level: str
    text: str


class LogOut(Schema):
    """Lines, and the position after which the next ones follow."""

    lines: list[LineOut]
    position: str
    more: bool


class Narrowing(Schema):
    """Filters of the list."""

    q: str = ""
    state: str = ""
    kind: str = ""
    limit: int = 50
    before: int | None = None


class ControlIn(Schema):
    """Live knobs; a null takes one away."""

    knobs: dict[str, Any]


@router.get("/jobs", auth=bearer("jobs.view"), response=list[JobOut])
def list_jobs(request: HttpRequest, wanted: Query[Narrowing]) -> list[Job]:
    """Jobs, newest first; go on with ``before`` set to the last one's id."""
    if wanted.state and wanted.state not in JobState.values:
        raise InvalidInput(f"state must be one of {', '.join(JobState.values)}.", field="state")
    found = Job.objects.order_by("-id")
    if wanted.q:
        found = found.search(wanted.q)
    exact = {"state": wanted.state, "kind": wanted.kind, "id__lt": wanted.before}
    found = found.filter(**{name: value for name, value in exact.items() if value})
    return list(found[: max(1, min(wanted.limit, MOST))])


@router.get("/jobs/{job_id}", auth=bearer("jobs.view"), response=JobOut)
def get_job(request: HttpRequest, job_id: int) -> Job:
    """One job."""
    return _job(job_id)


@router.get("/jobs/{job_id}/log", auth=bearer("jobs.view"), response=LogOut)
def get_log(request: HttpRequest, job_id: int, after: str = "", limit: int = 500) -> dict[str, object]:
    """Log lines after a position (from the start without one)."""
    position = logview.Position.parse(after)
    most = max(1, min(limit, 5000))
    return logview.read_after(_job(job_id), Storage(settings.STORAGE), position, most).to_json()


@router.post("/jobs/{job_id}/cancel", auth=bearer("jobs.control"), response=JobOut)
def cancel_job(request: HttpRequest, job_id: int) -> Job:
    """End a job for good."""
    return actions.cancel(request.auth, _job(job_id))  # type: ignore[attr-defined]


@router.post("/jobs/{job_id}/pause", auth=bearer("jobs.control"), response=JobOut)
def pause_job(request: HttpRequest, job_id: int) -> Job:
    """Stop a job so that it can go on later."""
    return actions.pause(request.auth, _job(job_id))  # type: ignore[attr-defined]


@router.post("/jobs/{job_id}/resume", auth=bearer("jobs.control"), response=JobOut)
def resume_job(request: HttpRequest, job_id: int) -> Job:
    """Go on with a paused job."""
    return actions.resume(request.auth, _job(job_id))  # type: ignore[attr-defined]


@router.post("/jobs/{job_id}/retry", auth=bearer("jobs.control"), response=JobOut)
def retry_job(request: HttpRequest, job_id: int) -> Job:
    """Queue a failed or cancelled job again."""
    return actions.retry(request.auth, _job(job_id))  # type: ignore[attr-defined]


@router.post("/jobs/{job_id}/control", auth=bearer("jobs.control"), response=JobOut)
def control_job(request: HttpRequest, job_id: int, payload: ControlIn) -> Job:
    """Set live knobs, which the program reads while it runs."""
    return actions.set_control(request.auth, _job(job_id), **payload.knobs)  # type: ignore[attr-defined]


@router.get("/workers", auth=bearer("workers.view"), response=list[WorkerOut])
def list_workers(request: HttpRequest) -> list[Worker]:
    """Every worker that was seen in the last days."""
    return list(Worker.objects.order_by("name"))


def _job(job_id: int) -> Job:
    job = Job.objects.filter(pk=job_id).first()
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job
