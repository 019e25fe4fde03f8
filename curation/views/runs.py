"""Run pages: the list, the form of a new one, one run with its live figures, and what can be done to it."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from curation import actions, figures, inbox
from curation.charts import run_charts
from curation.forms import AppendForm, RetryForm, RunFilter, RunForm, ThrottleForm, lines
from curation.models import CurationRun
from curation.uploads import namer
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.models import Upload
from tilth.errors import Conflict, InvalidInput, TilthError
from tilth.jobs import actions as jobs
from tilth.jobs import waiting
from tilth.jobs.models import Attempt, Job, JobState

JOB_MOVES = {"pause": jobs.pause, "resume": jobs.resume, "cancel": jobs.cancel}


OPTION_LABELS = {
    "limit": "Pages at most",
    "workers": "Processes",
    "required_share": "Share of files that must succeed",
}


def find_run(pk: int) -> CurationRun:
    """The run of a page, with everything the page shows."""
    return get_object_or_404(CurationRun.objects.with_objects(), pk=pk)


@requires("curation.view")
@require_GET
def runs(request: HttpRequest) -> HttpResponse:
    """Every run, newest first."""
    form = RunFilter(request.GET)
    page = Paginator(form.apply(), 30).get_page(request.GET.get("page"))
    named = namer(source for run in page for source in run.sources)
    for run in page:
        run.sources = [named(source) for source in run.sources]  # to be read; the rows are not saved
    filtered = any(request.GET.get(name) for name in ("q", "state"))
    return render(request, "curation/runs.html", {"page": page, "form": form, "filtered": filtered})


@requires("curation.run")
@require_http_methods(["GET", "POST"])
def new_run(request: HttpRequest) -> HttpResponse:
    """The form of a new run; it starts at once, or first estimates from one file."""
    form = RunForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        try:
            return _create(request, form)
        except TilthError as error:
            form.add_error(error.field if error.field in form.fields else None, error.message)
    context = {
        "form": form,
        "files": inbox.files(settings.SOURCE_ROOTS),
        "roots": settings.SOURCE_ROOTS,
        "uploads": _chosen_uploads(form),
        "notice": waiting.no_worker_notice(),
    }
    return render(request, "curation/new.html", context, status=422 if form.is_bound else 200)


def _initial(request: HttpRequest) -> dict[str, Any]:
    """What the form begins with: what was asked for in another run, where ``from`` names one."""
    initial: dict[str, Any] = {"recipe": request.GET.get("recipe", "fineweb"), "required_share": 1.0}
    number = request.GET.get("from", "")
    if not number.isdecimal():
        return initial
    run = find_run(int(number))
    asked = {"sources": "\n".join(run.sources), "name": run.dataset_name, "recipe": run.recipe.name}
    return {**initial, **run.options, **asked}


def _chosen_uploads(form: RunForm) -> list[Upload]:
    digests = [line.removeprefix("upload:") for line in lines(form["sources"].value() or "")]
    return list(Upload.objects.filter(sha256__in=digests))


def _create(request: HttpRequest, form: RunForm) -> HttpResponse:
    actor = Actor.of(request)
    estimate = "estimate" in request.POST
    run = actions.draft_run(
        actor,
        dataset_name=form.cleaned_data["name"],
        recipe=actions.pin_recipe(actor, form.cleaned_data["recipe"]),
        sources=form.cleaned_data["sources"],
        options=form.options(),
        new_version=form.cleaned_data["new_version"],
        estimate=estimate,
    )
    if not estimate:
        actions.start_run(actor, run)
    return redirect("curation:run", pk=run.pk)


@requires("curation.view")
@require_GET
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """One run: what it does now, its funnel, its files, and what to do next."""
    return render(request, "curation/run.html", _context(find_run(pk), request))


@requires("curation.view")
@require_GET
def live(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of the page that changes while the run is under way."""
    return render(request, "curation/_live.html", _context(find_run(pk), request))


def _context(run: CurationRun, request: HttpRequest) -> dict[str, Any]:
    snapshot = figures.snapshot(run)
    shards = Paginator(snapshot.shards, 50).get_page(request.GET.get("shards"))
    job = run.job or run.probe
    fault = (job.error or {}).get("message", "") if job else ""
    estimate = figures.estimate(run)
    told = [text for row in shards for text in (row["source"], row["reason"])]
    named = namer([*run.sources, *told, fault, (estimate or {}).get("sample", "")])
    for row in shards:
        row.update(name=named(row["source"]), reason=named(row["reason"]))
    return {
        "run": run,
        "snapshot": snapshot,
        "shards": shards,
        "sources": [named(source) for source in run.sources],
        "options": [
            (OPTION_LABELS[name], run.options[name]) for name in OPTION_LABELS if run.options.get(name)
        ],
        "waits_for": waiting.explain(job) if job else "",
        "last_fault": _last_fault(job) if job else "",
        "hint": _hint(job, snapshot) if job else "",
        "charts": run_charts(snapshot) if run.state == "succeeded" else [],
        "fault": named(fault),
        "estimate": estimate and {**estimate, "sample": named(estimate.get("sample", ""))},
        "throttle": ThrottleForm(initial={"workers": _workers(run, snapshot)}),
        "append": AppendForm(),
    }


def _last_fault(job: Job) -> str:
    """Why the attempt before this one ended, while the job is tried again."""
    before = job.attempts.exclude(state=Attempt.State.RUNNING).first()
    if not job.is_moving or before is None or before.state not in {Attempt.State.FAILED, Attempt.State.LOST}:
        return ""
    return f"Attempt {before.number} failed: {before.reason}" if before.reason else ""


def _hint(job: Job, snapshot: figures.Snapshot) -> str:
    """What goes on while there is nothing to see yet."""
    if job.state != JobState.RUNNING or snapshot.pages:
        return ""
    if job.stage in {"", "planning"}:
        return (
            "The sources are being looked up. A server that does not answer is asked again for some minutes; "
            "then the attempt ends and says why."
        )
    return "The first pages take a while: the filters are being loaded and compiled."


def _workers(run: CurationRun, snapshot: figures.Snapshot) -> int | None:
    """How many processes the run may use now: what it says itself, else what was set last."""
    if run.job is None:
        return None
    return snapshot.workers or run.job.control.get("workers") or run.job.params.get("workers")


@requires("curation.run")
@require_POST
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a draft."""
    actions.start_run(Actor.of(request), find_run(pk))
    return redirect("curation:run", pk=pk)


@requires("curation.run")
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a draft or a failed run up."""
    given_up = actions.discard_run(Actor.of(request), find_run(pk))
    free = f" The name {given_up.dataset_name} is free again." if given_up.name_is_free else ""
    messages.success(request, f"The run is discarded.{free}")
    return redirect("curation:runs")


@requires("curation.run")
@require_POST
def move(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Pause, resume or cancel the run."""
    JOB_MOVES[verb](Actor.of(request), _job(find_run(pk)))
    return redirect("curation:run", pk=pk)


@requires("curation.run")
@require_POST
def throttle(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the run more or fewer processes while it runs."""
    form = ThrottleForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("Processes must be a whole number from 1 to 1024", field="workers")
    actions.throttle_run(Actor.of(request), find_run(pk), form.cleaned_data["workers"])
    workers = form.cleaned_data["workers"]
    messages.success(request, f"The run goes on with {workers} process{'es' if workers > 1 else ''}")
    return redirect("curation:run", pk=pk)


@requires("curation.run")
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Try the failed files again, or publish without them."""
    form = RetryForm(request.POST)
    if not form.is_valid():
        raise InvalidInput(
            "The share of files that must succeed lies above 0 and is at most 1", field="required_share"
        )
    actions.retry_run(Actor.of(request), find_run(pk), form.cleaned_data["required_share"])
    return redirect("curation:run", pk=pk)


@requires("curation.run")
@require_POST
def append(request: HttpRequest, pk: int) -> HttpResponse:
    """Start a child run that adds files to a finished one."""
    base, form = find_run(pk), AppendForm(request.POST)
    if not form.is_valid():
        raise InvalidInput("; ".join(str(e) for e in form.errors["sources"]), field="sources")
    child = actions.append_run(Actor.of(request), base, form.cleaned_data["sources"])
    return redirect("curation:run", pk=child.pk)


def _job(run: CurationRun) -> Job:
    if run.job is None:
        raise Conflict("This run has not started yet")
    return run.job
