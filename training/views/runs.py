"""Run pages: the list, one run with what changes while it works, and the buttons that steer it."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.errors import NotFound
from tilth.jobs import logview, waiting
from tilth.jobs.models import Job, JobState
from tilth.storage import Storage
from training import extra
from training.actions import preflight
from training.actions import runs as actions
from training.by_step import course
from training.costs import cost_of, gpu_seconds
from training.forms import RunFilter
from training.models.alerts import Alert
from training.models.runs import CHECKING, STOPPED, Run
from training.preflight import checklist
from training.present import figure_rows, result_rows, setting_rows
from training.series import newest_values
from training.titles import title, value
from training.views.alerts import pause_choices
from training.views.common import find_run
from training.views.keeping import kept_context

PER_PAGE = 25
LOG_LINES = 200
ALERTS_SHOWN = 20
TILES = 8

STEERING: dict[str, tuple[Callable[[Actor, Run], Run], str]] = {
    "cancel": (actions.cancel, "The run is being cancelled."),
    "pause": (actions.pause, "The run is being paused."),
    "resume": (actions.resume, "The run is queued again."),
    "retry": (actions.retry, "The run is queued again."),
    "check": (preflight.again, "The run is being checked again."),
}


@requires("models.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Every run, newest first."""
    form = RunFilter(request.GET)
    found, unseen = form.narrow(Run.objects.with_objects()), Alert.objects.unseen().count_by_run()
    page = Paginator(found.annotate(unseen=unseen), PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "form": form,
        "page": page,
        "narrowed": any(request.GET.get(name) for name in ("q", "stage", "state")),
        "not_enabled": extra.how_to_enable() if extra.missing() else "",
        "may_run": can(request.user, "training.run"),
    }
    return render(request, "training/runs.html", context)


@requires("models.view")
@require_GET
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """One run whole: state, curves, checkpoints, log, record."""
    found = find_run(pk)
    context = {
        **_live(request, found),
        **_log(found),
        "settings": setting_rows(found),
        "runs": [found],
        **kept_context(found),
        "clones": found.clones.select_related("job").order_by("pk")[:20],
    }
    return render(request, "training/run.html", context)


@requires("models.view")
@require_GET
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of a run's page that changes while it works; with the log of another job than ``?job=`` has shown."""
    found = find_run(pk)
    context = _live(request, found)
    if found.current is not None and request.GET.get("job", "") != str(found.current.pk):
        context |= {**_log(found), "new_log": True}
    return render(request, "training/_live.html", context)


@requires("training.run")
@require_POST
def steer(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Cancel, pause, resume, retry or check a run."""
    if verb not in STEERING:
        raise NotFound("There is no such button.")
    act, said = STEERING[verb]
    found = act(Actor.of(request), find_run(pk))
    messages.success(request, said)
    return redirect("training:run", pk=found.pk)


def _log(run: Run) -> dict[str, Any]:
    """The end of the log of what works for a run now."""
    job = run.current
    if job is None:
        return {}
    tail = logview.tail(job, Storage(settings.STORAGE), LOG_LINES)
    return {"log": tail, "log_job": job, "log_attempts": job.attempt}


def _tiles(job: Job) -> list[dict[str, Any]]:
    """The last points of the most telling curves."""
    return [
        {"title": title(point["name"]), "value": value(point["name"], point["value"]), "step": point["step"]}
        for point in newest_values(job)[:TILES]
    ]


def _live(request: HttpRequest, run: Run) -> dict[str, Any]:
    job, state = run.job, run.state
    return {
        "run": run,
        "job": job,
        "current": run.current,
        "checklist": checklist(run),
        "stopped": state == STOPPED,
        "waits_for": waiting.explain(run.current) if run.current else "",
        "attempts": job.attempts.prefetch_related("leases") if job else [],
        "attempt": job.attempts.filter(number=job.attempt).first() if job else None,
        "newest": _tiles(job) if job else [],
        "alerts": run.alerts.select_related("seen_by").order_by("-pk")[:ALERTS_SHOWN],
        "pauses": pause_choices(run),
        "course": course(run),
        "checkpoints": run.checkpoints.order_by("-step"),
        "figures": figure_rows(job.result) if job and job.result else [],
        "result": result_rows(job.result) if job and job.result else [],
        "gpu_seconds": gpu_seconds(job) if job else 0,
        "cost": cost_of(run) if run.cost is None else run.cost,
        "currency": settings.CURRENCY,
        "may_run": can(request.user, "training.run"),
        "may_pause": state in (CHECKING, JobState.QUEUED, JobState.RUNNING),
        "may_resume": state == JobState.PAUSED,
        "may_cancel": state
        in (CHECKING, JobState.QUEUED, JobState.RUNNING, JobState.PAUSING, JobState.PAUSED),
        "may_retry": state in (JobState.FAILED, JobState.CANCELLED),
    }
