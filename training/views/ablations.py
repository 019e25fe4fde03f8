"""Ablations: the list, a launch, and the page that shows what was found."""

from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.datasets.lineage import descendants
from tilth.datasets.views.versions import tree
from tilth.errors import InvalidInput, NotFound, TilthError
from training import extra
from training.ablating import ablatable
from training.ablation_form import AblationForm, arms_of, read_arms, shown_rows
from training.ablations import Course, report
from training.actions import ablations as actions
from training.forms import versions_for
from training.launch import kinds_of
from training.llm.stages import Stage
from training.models.ablations import Ablation

PER_PAGE = 25
SHADES = ((63, 143, 79), (200, 120, 45), (63, 134, 181), (161, 98, 154), (150, 132, 40), (116, 130, 124))
"""Middle tones, readable on light and on dark ground: a band has its line's colour."""


@requires("models.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """Every ablation, newest first."""
    words = request.GET.get("q", "").strip()[:100]
    found = Ablation.objects.select_related("created_by")
    if words:
        found = found.filter(name__icontains=words)
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "q": words, "may_run": can(request.user, "training.run")}
    return render(request, "training/ablations.html", context)


@requires("models.view")
@require_GET
def ablation(request: HttpRequest, pk: int) -> HttpResponse:
    """What was asked, what came of it, and on which runs it stands."""
    found = Ablation.objects.select_related("created_by").filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no ablation {pk}.")
    told = report(found)
    down = [(edge.parent, edge.child, edge) for edge in descendants(found.reference, 3)]
    context = {
        "ablation": found,
        "report": told,
        "figures": [(course, figure(course)) for course in told.courses],
        "down": tree(found.reference, down),
        "first": found.arms[0]["name"],
        "percent": told.confidence * 100,
    }
    return render(request, "training/ablation.html", context)


@requires("training.run")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """The form; ``?stage=`` chooses the stage, ``?preset=`` its beginning."""
    stage = _stage(request)
    if request.method == "GET":
        form = AblationForm(stage, chosen=request.GET.get("preset", ""))
        return _page(request, stage, form, shown_rows([]))
    form, rows = AblationForm(stage, request.POST), read_arms(request.POST)
    if "add" in request.POST:
        typed = {name: request.POST.get(name, "") for name in form.fields}
        shown = shown_rows(rows, len(request.POST.getlist("arm_data")) + 1)
        return _page(request, stage, AblationForm(stage, initial=typed), shown)
    if form.is_valid():
        try:
            made = actions.launch(Actor.of(request), form.wanted_ablation(arms_of(rows)))
            return redirect("training:ablation", pk=made.pk)
        except TilthError as error:
            form.blame(error)
    return _page(request, stage, form, shown_rows(rows), status=422)


def figure(course: Course) -> dict[str, Any]:
    """A course as a Plotly figure: for each arm a band over the interval, and its mean."""
    traces: list[dict[str, Any]] = []
    for n, (name, points) in enumerate(course.arms.items()):
        red, green, blue = SHADES[n % len(SHADES)]
        line = {"color": f"rgb({red},{green},{blue})", "width": 2}
        edge = {"type": "scatter", "mode": "lines", "line": {"width": 0}, "showlegend": False}
        edge |= {"hoverinfo": "skip", "x": [step for step, _ in points]}
        fill = {"fill": "tonexty", "fillcolor": f"rgba({red},{green},{blue},0.18)"}
        traces += [
            {**edge, "name": f"{name}, lower end", "y": [mean.low for _, mean in points]},
            {**edge, **fill, "name": f"{name}, upper end", "y": [mean.high for _, mean in points]},
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": edge["x"],
                "y": [mean.value for _, mean in points],
                "name": name,
                "line": line,
                "marker": {"color": line["color"], "symbol": n},
            },
        ]
    layout = {"xaxis": {"title": {"text": "step"}}, "yaxis": {"title": {"text": course.metric}}}
    return {"data": traces, "layout": layout}


def _stage(request: HttpRequest) -> Stage:
    known = {stage.name: stage for stage in ablatable()}
    asked = request.POST.get("stage") or request.GET.get("stage") or next(iter(known))
    if asked not in known:
        raise InvalidInput(f"Ablations are of {', '.join(known)}.", field="stage")
    return known[asked]


def _page(
    request: HttpRequest, stage: Stage, form: AblationForm, rows: list[dict[str, str]], status: int = 200
) -> HttpResponse:
    context = {
        "stage": stage,
        "stages": ablatable(),
        "form": form,
        "rows": rows,
        "versions": versions_for(stage),
        "kinds": kinds_of(stage, stage.role),
        "not_enabled": extra.how_to_enable() if extra.missing() else "",
    }
    return render(request, "training/ablation_new.html", context, status=status)
