"""Tasks of a campaign: the list, one task, imports, and the coverage matrix."""

import json
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import coverage as coverages
from labeling import display, tasklists
from labeling.actions import campaigns, imports, tasks
from labeling.forms.tasks import ImportForm, QuotaForm, TaskForm
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task, TaskImport
from labeling.people import leads_it, who
from labeling.protocol.taskload import preview as preview_rows
from labeling.protocol.taskload import report_key
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import put_error
from tilth.datasets.models import DatasetVersion
from tilth.errors import TilthError
from tilth.storage import Storage
from tilth.ui.sanitise import sandboxed_response

FILTERS = ("q", "role", "state", "topic", "difficulty", "language")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 19 else None


@requires("campaigns.view")
@require_http_methods(["GET", "POST"])
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """Tasks in their order; posted, something is done to those chosen or to all that the filters leave."""
    campaign = get_object_or_404(Campaign, pk=pk)
    data = request.POST if request.method == "POST" else request.GET
    chosen = {name: data.get(name, "") for name in FILTERS}
    rows = tasklists.filtered(campaign, chosen)
    if request.method == "POST":
        return _act(request, campaign, rows)
    context = {
        "campaign": campaign,
        "tab": "tasks",
        "page": tasklists.page(rows, after=_number(data.get("after")), before=_number(data.get("before"))),
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "leads": leads_it(me(request), campaign),
        "query": "&".join(f"{name}={value}" for name, value in chosen.items() if value),
        "roles": Task.Role.choices,
        "states": Task.State.choices,
    }
    return render(request, "labeling/tasks.html", context)


def _act(request: HttpRequest, campaign: Campaign, rows: Any) -> HttpResponse:
    picked = [int(pk) for pk in request.POST.getlist("task") if pk.isdecimal()]
    if request.POST.get("all") != "1":
        rows = Task.objects.filter(campaign=campaign, pk__in=picked)
    actor, verb = Actor.of(request), request.POST.get("verb", "")
    try:
        if verb in {"withdraw", "restore"}:
            done = tasks.withdraw(actor, campaign, rows, withdrawn=verb == "withdraw")
        else:
            done = tasks.set_role(actor, campaign, rows, verb)
        messages.success(request, f"{done:,} task{'' if done == 1 else 's'} changed.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_tasks", campaign.pk)


@requires("campaigns.view")
@require_GET
def task(request: HttpRequest, pk: int) -> HttpResponse:
    """What one task says, its versions, and who has had it."""
    found = get_object_or_404(Task.objects.select_related("campaign", "reserved_for"), pk=pk)
    campaign, kind = found.campaign, found.campaign.task_kind
    name = who(me(request), campaign)
    view = display.view_of(found)
    assignments = found.assignments.select_related("labeler").order_by("id")
    context = {
        "campaign": campaign,
        "tab": "tasks",
        "item": found,
        "answers": view.shown,
        "prompt": view.payload.get("messages") or [],
        "assignments": [(a, name(a.labeler)) for a in assignments],
        "annotations": [
            (a, name(a.labeler), kind.facts(a.payload, view, campaign.schema))
            for a in found.annotations.filter(current=True).select_related("labeler")
        ],
        "versions": found.versions.select_related("edited_by"),
        "payload": json.dumps(found.payload, indent=1, ensure_ascii=False),
        "gold": json.dumps(found.gold, ensure_ascii=False) if found.gold is not None else "",
        "leads": leads_it(me(request), campaign),
        "reserved": name(found.reserved_for) if found.reserved_for else "",
        "attachments": found.attachments.filter(removed=False),
        "attach_url": reverse("labeling:task_attach", args=[pk]) if leads_it(me(request), campaign) else "",
        "task_files": True,
    }
    return render(request, "labeling/task.html", context)


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what a task says; people who hold it see the newest text."""
    found = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    initial = {
        name: getattr(found, name) for name in ("payload", "topic", "difficulty", "language", "version")
    }
    form = TaskForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            saved = tasks.edit(Actor.of(request), found, **form.cleaned_data)
            messages.success(request, f"Saved as version {saved.version}.")
            return redirect("labeling:task", pk)
        except TilthError as error:
            put_error(form, error)
    return render(
        request, "labeling/task_edit.html", {"item": found, "campaign": found.campaign, "form": form}
    )


@requires("campaigns.manage")
@require_POST
def gold(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a task its known answer."""
    found = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    text = request.POST.get("gold", "")
    try:
        answer = json.loads(text)
    except ValueError:
        answer = text
    try:
        tasks.set_gold(Actor.of(request), found, answer)
        messages.success(
            request, "It is given to everybody now and then; nobody can tell that its answer is known."
        )
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:task", pk)


@requires("campaigns.manage")
@require_POST
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """One task typed in, as JSON or as a plain prompt."""
    campaign = get_object_or_404(Campaign, pk=pk)
    text = request.POST.get("row", "").strip()
    try:
        row = json.loads(text) if text.startswith("{") else {"prompt": text}
        made = tasks.add(Actor.of(request), campaign, row, role=request.POST.get("role", "normal"))
        messages.success(request, f"Task {made.position} is added.")
        return redirect("labeling:task", made.pk)
    except ValueError as error:
        messages.error(request, f"This is no JSON object: {error}")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_tasks", pk)


@requires("labeling.work")
@require_POST
def write_prompt(request: HttpRequest, pk: int) -> HttpResponse:
    """A labeler's own prompt, then straight into the work on it."""
    campaign = get_object_or_404(Campaign, pk=pk)
    fields = {name: request.POST.get(name, "") for name in ("text", "topic", "language")}
    try:
        tasks.write_prompt(Actor.of(request), campaign, **fields)
    except TilthError as error:
        messages.error(request, error.message)
        return redirect("labeling:work")
    return redirect("labeling:offer", pk)


@requires("labeling.work")
@require_GET
def page(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The page of a document task, sanitised, for its sandboxed frame: for whoever has or oversees the task."""
    found = get_object_or_404(Task, pk=pk)
    mine = found.assignments.filter(labeler=me(request)).exists()
    if not mine and me(request).role == "labeler":
        raise Http404
    html = (found.payload.get("document") or {}).get("html")
    if not html:
        raise Http404
    return sandboxed_response(str(html))


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def new_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose a source, look at its first rows as tasks, start."""
    campaign = get_object_or_404(Campaign, pk=pk)
    data = request.POST if request.method == "POST" else request.GET
    form = ImportForm(data or None)
    versions = DatasetVersion.objects.published().filter(dataset__kind__in=imports.SOURCE_KINDS)
    context: dict[str, Any] = {
        "campaign": campaign,
        "tab": "tasks",
        "form": form,
        "versions": versions.select_related("dataset").order_by("-published_at")[:200],
        "chosen": bool(data.get("upload") or data.get("version")),
    }
    if context["chosen"] and form.is_valid():
        try:
            source = imports.source_params(
                campaign, upload=data.get("upload", ""), version=data.get("version", "")
            )
            mapping, role = form.mapping(), form.cleaned_data["role"] or "normal"
            if request.method == "POST" and "start" in data:
                limit = form.cleaned_data["limit"] or 0
                row = imports.start(
                    Actor.of(request), campaign, source, mapping=mapping, role=role, limit=limit
                )
                return redirect("labeling:import", row.pk)
            seen = preview_rows({**source, "mapping": mapping, "role": role}, Storage(settings.STORAGE))
            form.show_guesses(seen["mapping"])
            context |= {"seen": seen, "source": source.get("name") or data.get("version")}
        except TilthError as error:
            context["problem"] = error.message
    return render(request, "labeling/import_new.html", context)


@requires("campaigns.view")
@require_GET
def import_status(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an import is; the page follows it."""
    row = get_object_or_404(TaskImport.objects.select_related("campaign", "job"), pk=pk)
    moving = row.state in {TaskImport.State.CHECKING, TaskImport.State.LOADING}
    context = {
        "campaign": row.campaign,
        "tab": "tasks",
        "row": row,
        "moving": moving,
        "leads": leads_it(me(request), row.campaign),
        "share": row.loaded / row.rows if row.rows else 0,
    }
    return render(request, "labeling/_import.html" if request.htmx else "labeling/import.html", context)  # type: ignore[attr-defined]


@requires("campaigns.manage")
@require_POST
def cancel_import(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop an import."""
    row = get_object_or_404(TaskImport.objects.select_related("campaign", "job"), pk=pk)
    try:
        imports.cancel(Actor.of(request), row)
        messages.success(request, "The import is being stopped.")
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


@requires("campaigns.view")
@require_GET
def coverage(request: HttpRequest, pk: int) -> HttpResponse:
    """What is wanted, there and missing in each cell."""
    campaign = get_object_or_404(Campaign, pk=pk)
    context = {
        "campaign": campaign,
        "tab": "coverage",
        "cells": coverages.matrix(campaign),
        "form": QuotaForm(),
        "leads": leads_it(me(request), campaign),
    }
    return render(request, "labeling/coverage.html", context)


@requires("campaigns.manage")
@require_POST
def quota(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for submissions in a cell."""
    campaign = get_object_or_404(Campaign, pk=pk)
    form = QuotaForm(request.POST)
    if form.is_valid():
        try:
            campaigns.set_quota(Actor.of(request), campaign, **form.cleaned_data)
            messages.success(request, "The quota is saved.")
        except TilthError as error:
            messages.error(request, error.message)
    else:
        messages.error(request, "A quota needs a number from 0.")
    return redirect("labeling:campaign_coverage", pk)
