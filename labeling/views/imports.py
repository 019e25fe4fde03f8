"""Imports of tasks: a source is chosen and looked at, started, followed, stopped; its bad rows are read."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import imports
from labeling.forms.tasks import ImportForm, posted_mapping
from labeling.models.campaigns import Campaign
from labeling.models.tasks import TaskImport
from labeling.people import leads_it
from labeling.protocol.taskload import preview as preview_rows
from labeling.protocol.taskload import report_key
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.models import DatasetVersion
from tilth.errors import InvalidInput, TilthError
from tilth.storage import Storage

MOST_VERSIONS = 200


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def new_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose a source, look at its first rows as tasks, start."""
    campaign = get_object_or_404(Campaign, pk=pk)
    data = request.POST if request.method == "POST" else request.GET
    published = DatasetVersion.objects.published().filter(dataset__kind__in=imports.SOURCE_KINDS)
    versions = published.select_related("dataset").order_by("-published_at")[:MOST_VERSIONS]
    context: dict[str, Any] = {
        "campaign": campaign,
        "tab": "tasks",
        "versions": [(f"{version.dataset.name}@{version.number}", version) for version in versions],
        "chosen": {name: data.get(name, "") for name in ("upload", "version", "words", "filters")},
    }
    if not (context["chosen"]["upload"] or context["chosen"]["version"]):
        return render(request, "labeling/import_new.html", context)
    try:
        source, mapping = _source(campaign, context["chosen"]), posted_mapping(data)
        seen = preview_rows(
            {**source, "mapping": mapping, "role": data.get("role", "")}, Storage(settings.STORAGE)
        )
        form = ImportForm(data if mapping else None, columns=seen["columns"], mapping=seen["mapping"])
        if request.method == "POST" and "start" in data and form.is_valid():
            row = imports.start(Actor.of(request), campaign, source, mapping=mapping, **form.options())
            return redirect("labeling:import", row.pk)
        context |= {"seen": seen, "form": form, "source": source.get("name") or data.get("version")}
    except TilthError as error:
        context["problem"] = error.message
    return render(request, "labeling/import_new.html", context)


def _source(campaign: Campaign, chosen: dict[str, str]) -> dict[str, Any]:
    """The source with its conditions: words, and filters as ``operator.column = value``, one a line."""
    filters = {}
    for line in filter(None, map(str.strip, chosen["filters"].splitlines())):
        name, equals, value = line.partition("=")
        if not equals:
            raise InvalidInput(f"Write conditions like is.language=en, not {line!r}.", field="filters")
        filters[name.strip()] = value.strip()
    where = {"words": chosen["words"].strip(), "filters": filters}
    return imports.source_params(campaign, upload=chosen["upload"], version=chosen["version"], where=where)


@requires("campaigns.view")
@require_GET
def import_status(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an import is; the page follows it."""
    row = get_object_or_404(TaskImport.objects.select_related("campaign", "job"), pk=pk)
    moving = row.state in imports.MOVING
    report = report_key(row.job.prefix) if row.job and row.state == TaskImport.State.FAILED else ""
    context = {
        "campaign": row.campaign,
        "tab": "tasks",
        "row": row,
        "moving": moving,
        "has_report": bool(report) and Storage(settings.STORAGE).exists(report),
        "leads": leads_it(me(request), row.campaign),
        "share": row.loaded / row.rows if row.rows else 0,
    }
    return render(request, "labeling/_import.html" if request.htmx else "labeling/import.html", context)  # type: ignore[attr-defined]


STEPS = {
    "cancel": (imports.cancel, "The import is being stopped."),
    "retry": (imports.retry, "The import is tried again; what is there stays."),
    "withdraw": (imports.withdraw, "What had been loaded is withdrawn."),
}


@requires("campaigns.manage")
@require_POST
def import_step(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Stop an import, try a failed one again, or withdraw what it had loaded."""
    row = get_object_or_404(TaskImport.objects.select_related("campaign", "job"), pk=pk)
    if verb not in STEPS:
        raise Http404
    act, done = STEPS[verb]
    try:
        act(Actor.of(request), row)
        messages.success(request, done)
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:import", pk)


@requires("campaigns.view")
@require_GET
def import_report(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The bad rows as a table."""
    row = get_object_or_404(TaskImport.objects.select_related("job"), pk=pk)
    storage = Storage(settings.STORAGE)
    key = report_key(row.job.prefix) if row.job else ""
    if not key or not storage.exists(key):
        raise Http404
    return FileResponse(
        storage.open(key), as_attachment=True, filename=f"bad-rows-{pk}.csv", content_type="text/csv"
    )
