"""The launch page: a stage's settings as a form, a preview that follows what is typed, and the launch itself."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.errors import InvalidInput, TilthError
from tilth.jobs import waiting
from training import extra
from training.actions import runs as actions
from training.estimates import estimate
from training.forms import LaunchForm, initial_of, inputs_of, read_rows, rows_of, versions_for
from training.launch import HOLDS, Wanted, check, kinds_of, offered, ready_stage
from training.llm.stages import Stage
from training.models.runs import Run
from training.views.common import find_run

EMPTY_ROW = {"dataset": "", "weight": "", "epochs": ""}


@requires("training.run")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; ``?stage=`` chooses the stage, ``?preset=`` its beginning, ``?from=`` a run to start from."""
    parent = _parent(request)
    stage = ready_stage(parent.stage if parent else request.GET.get("stage") or offered()[0].name)
    if request.method == "POST":
        form, rows = _posted(request, stage)
        if form.is_valid():
            try:
                wanted = form.wanted(inputs_of(form.stage, rows))
                run = actions.launch(Actor.of(request), wanted, parent=parent)
                return redirect("training:run", pk=run.pk)
            except TilthError as error:
                form.blame(error)
        return _page(request, stage, form, rows, parent, status=422)
    rows = rows_of(parent) if parent else [{**EMPTY_ROW, "dataset": request.GET.get("dataset", "")}]
    return _page(request, stage, _fresh(request, stage, parent), rows or [EMPTY_ROW], parent)


@requires("training.run")
@require_GET
def settings_fields(request: HttpRequest) -> HttpResponse:
    """The settings alone, as another preset has them."""
    stage = ready_stage(request.GET.get("stage", ""))
    form = LaunchForm(stage, chosen=request.GET.get("preset", ""))
    return render(request, "training/_settings.html", {"form": form})


@requires("training.run")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What the form as it stands would start, or what is wrong with it; nothing is written."""
    stage = ready_stage(request.POST.get("stage", ""))
    form, rows = _posted(request, stage)
    try:
        plan = check(_wanted(form, rows))
    except TilthError as error:
        return render(request, "training/_preview.html", {"fault": error.message})
    context = {"estimate": estimate(plan), "plan": plan, "price": settings.GPU_HOUR_PRICE}
    return render(request, "training/_preview.html", {**context, "currency": settings.CURRENCY})


def _wanted(form: LaunchForm, rows: list[dict[str, str]]) -> Wanted:
    if not form.is_valid():
        field, faults = next(iter(form.errors.items()))
        label = str(form.fields[field].label) if field in form.fields else ""
        raise InvalidInput(": ".join(filter(None, (label, str(faults[0])))))
    return form.wanted(inputs_of(form.stage, rows))


def _posted(request: HttpRequest, stage: Stage) -> tuple[LaunchForm, list[dict[str, str]]]:
    return LaunchForm(stage, request.POST, chosen=""), read_rows(request.POST)


def _fresh(request: HttpRequest, stage: Stage, parent: Run | None) -> LaunchForm:
    chosen = request.GET.get("preset", "")
    asked = {name: request.GET[name] for name in HOLDS if name in request.GET}
    return LaunchForm(stage, chosen=chosen, initial=initial_of(parent) if parent else asked)


def _parent(request: HttpRequest) -> Run | None:
    number = request.GET.get("from", "")
    return find_run(int(number)) if number.isdecimal() and len(number) < 18 else None


def _page(
    request: HttpRequest,
    stage: Stage,
    form: LaunchForm,
    rows: list[dict[str, str]],
    parent: Run | None,
    status: int = 200,
) -> HttpResponse:
    known = versions_for(stage)
    listed = {reference for reference, _ in known}
    known += [
        (row["dataset"], row["dataset"]) for row in rows if row["dataset"] and row["dataset"] not in listed
    ]
    context: dict[str, Any] = {
        "stage": stage,
        "kinds": kinds_of(stage, stage.role),
        "stages": offered(),
        "form": form,
        "rows": rows or [EMPTY_ROW],
        "versions": known,
        "parent": parent,
        "notice": waiting.no_worker_notice(),
        "not_enabled": extra.how_to_enable() if extra.missing() else "",
    }
    return render(request, "training/new.html", context, status=status)
