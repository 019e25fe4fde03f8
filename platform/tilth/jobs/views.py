"""Jobs → Jobs and Workers: what runs, how far it is, what it said, and the buttons that steer it."""

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import NotFound
from tilth.jobs import actions, logview, waiting
from tilth.jobs.capacity import START_A_WORKER, Capacity
from tilth.jobs.charts import metric_figures
from tilth.jobs.forms import JobFilter, newest_first
from tilth.jobs.models import SUPERVISED, DeviceLease, Job, JobState, Worker
from tilth.storage import Storage

PER_PAGE = 25
LOG_LINES = 300

STEERING: dict[str, tuple[Callable[[Actor, Job], Job], str]] = {
    "cancel": (actions.cancel, "The job is being cancelled."),
    "pause": (actions.pause, "The job is being paused."),
    "resume": (actions.resume, "The job is queued again."),
    "retry": (actions.retry, "The job is queued again."),
}


@requires("jobs.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The list; htmx asks for its table alone."""
    form = JobFilter(request.GET)
    page = Paginator(form.narrow(newest_first(), request.user), PER_PAGE).get_page(request.GET.get("page"))
    capacity = Capacity.now()
    for job in page.object_list:
        job.waits_for = waiting.explain(job, capacity)  # type: ignore[attr-defined]
    context = {
        "form": form,
        "page": page,
        "narrowed": any(value for name, value in request.GET.items() if name != "page"),
        "moving": any(job.is_moving for job in page.object_list),
        "notice": waiting.no_worker_notice(),
    }
    fragment = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, "jobs/_table.html" if fragment else "jobs/list.html", context)


@requires("jobs.view")
@require_GET
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One job, whole."""
    job = _job(pk)
    log = logview.tail(job, Storage(settings.STORAGE), LOG_LINES)
    context = {
        **_panel(job),
        "log": log,
        "figures": metric_figures(job),
        "params_text": _pretty(job.params),
        "result_text": _pretty(job.result) if job.result is not None else "",
    }
    return render(request, "jobs/detail.html", context)


@requires("jobs.view")
@require_GET
def panel(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of a job's page that changes while it runs."""
    return render(request, "jobs/_panel.html", _panel(_job(pk)))


@requires("jobs.view")
@require_GET
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """State and progress alone, for the pages of what the job makes."""
    return render(request, "jobs/_progress.html", {"job": _job(pk)})


@requires("jobs.view")
@require_GET
def metrics(request: HttpRequest, pk: int) -> HttpResponse:
    """The plots alone."""
    job = _job(pk)
    return render(request, "jobs/_metrics.html", {"job": job, "figures": metric_figures(job)})


@requires("jobs.view")
@require_GET
def log(request: HttpRequest, pk: int) -> JsonResponse:
    """The log lines after a position, for the page's script."""
    job = _job(pk)
    position = logview.Position.parse(request.GET.get("after", ""))
    # Asked before reading: lines that came with the last state are then surely among those read.
    live = job.is_moving
    page = logview.read_after(job, Storage(settings.STORAGE), position)
    return JsonResponse({**page.to_json(), "live": live})


@requires("jobs.view")
@require_GET
def download_log(request: HttpRequest, pk: int, attempt: int | None = None) -> StreamingHttpResponse:
    """The log as a text file: all of it, or one attempt's."""
    job = _job(pk)
    lines = logview.as_text(job, Storage(settings.STORAGE), attempt)
    response = StreamingHttpResponse(lines, content_type="text/plain; charset=utf-8")
    part = f"-attempt-{attempt}" if attempt is not None else ""
    response.headers["Content-Disposition"] = f'attachment; filename="job-{job.pk}{part}.log"'
    return response


@requires("jobs.control")
@require_POST
def steer(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Cancel, pause, resume or retry a job."""
    if verb not in STEERING:
        raise NotFound("There is no such button.")
    act, said = STEERING[verb]
    job = act(Actor.of(request), _job(pk))
    messages.success(request, said)
    return redirect(job)


@requires("workers.view")
@require_GET
def workers(request: HttpRequest) -> HttpResponse:
    """Who is there to run jobs, with what, and what each is doing."""
    shown = [_worker(worker) for worker in Worker.objects.order_by("name")]
    context = {
        "here": [card for card in shown if card["worker"].state != Worker.State.OFFLINE],
        "gone": [card for card in shown if card["worker"].state == Worker.State.OFFLINE],
        "stuck": _stuck_leases(),
        "queued": Job.objects.waiting().count(),
        "start": START_A_WORKER,
    }
    fragment = request.htmx and not request.htmx.boosted  # type: ignore[attr-defined]
    return render(request, "jobs/_workers.html" if fragment else "jobs/workers.html", context)


@requires("jobs.control")
@require_POST
def free_lease(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a device back whose host is gone."""
    lease = actions.free_lease(Actor.of(request), get_object_or_404(DeviceLease, pk=pk))
    messages.success(request, f"{lease.device} is free.")
    return redirect("jobs:workers")


def _job(pk: int) -> Job:
    job = Job.objects.select_related("created_by", "placed_on").filter(pk=pk).first()
    if job is None:
        raise NotFound(f"There is no job {pk}.")
    return job


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)


def _panel(job: Job) -> dict[str, Any]:
    return {
        "job": job,
        "attempts": job.attempts.prefetch_related("leases"),
        "waits_for": waiting.explain(job),
        "may_cancel": job.state in (JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.PAUSED),
        "may_pause": job.state in (JobState.QUEUED, JobState.RUNNING),
        "may_resume": job.state == JobState.PAUSED,
        "may_retry": job.state in (JobState.FAILED, JobState.CANCELLED),
    }


def _worker(worker: Worker) -> dict[str, Any]:
    jobs = list(Job.objects.filter(placed_on=worker, state__in=[JobState.QUEUED, *SUPERVISED]))
    leased = {
        lease.device: lease.job
        for lease in DeviceLease.objects.filter(worker=worker, freed_at=None).select_related("job")
    }
    devices = [{**device, "job": leased.get(device["id"])} for device in worker.devices]
    short = sum(job.short for job in jobs)
    return {
        "worker": worker,
        "jobs": jobs,
        "devices": devices,
        "busy": len(jobs) - short,
        "busy_short": short,
    }


def _stuck_leases() -> list[DeviceLease]:
    live_hosts = Worker.objects.live().values("host")
    held = DeviceLease.objects.filter(freed_at=None).exclude(attempt=None).exclude(attempt__state="running")
    return list(held.exclude(host__in=live_hosts).select_related("job"))
