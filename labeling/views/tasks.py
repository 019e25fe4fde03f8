"""Tasks of a campaign: the list, one task, its edit, and tasks typed by leads and labelers."""

import json
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import display, tasklists
from labeling.actions import tasks
from labeling.forms.tasks import PayloadForm, TextsForm
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task, TaskVersion
from labeling.people import leads_it, who
from labeling.protocol import taskfields
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import put_error
from tilth.errors import TilthError
from tilth.text.diff import Piece, word_diff
from tilth.text.storable import storable
from tilth.ui.sanitise import sandboxed_response

FILTERS = ("q", *tasklists.FACETS, "import")
HIDDEN = ("document.html",)
VERBS = {
    "withdraw": "Withdraw",
    "restore": "Put back",
    "pilot": "Make pilot tasks of",
    "normal": "Make ordinary tasks of",
}


@requires("campaigns.view")
@require_http_methods(["GET", "POST"])
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """Tasks in their order; posted, something is done to those chosen or to all that the filters leave."""
    campaign = get_object_or_404(Campaign, pk=pk)
    data = request.POST if request.method == "POST" else request.GET
    chosen = {name: data.get(name, "") for name in FILTERS}
    rows = tasklists.filtered(campaign, chosen)
    if request.method == "POST":
        return _act(request, campaign, rows, chosen)
    order, words = data.get("order", ""), tasklists.looks_for_words(chosen)
    after, before = data.get("after", ""), data.get("before", "")
    if words:
        page, order = tasklists.look(rows, campaign, after=after), ""
    else:
        page = tasklists.page(rows, after=after, before=before, order=order)
    context = {
        "campaign": campaign,
        "tab": "tasks",
        "page": page,
        "words": words,
        "chosen": chosen,
        "order": order,
        "filtered": any(chosen.values()),
        "leads": leads_it(me(request), campaign),
        "query": urlencode({k: v for k, v in {**chosen, "order": order}.items() if v}),
        "roles": Task.Role.choices,
        "states": Task.State.choices,
    }
    return render(request, "labeling/tasks.html", context)


def _act(
    request: HttpRequest, campaign: Campaign, rows: QuerySet[Task], chosen: dict[str, str]
) -> HttpResponse:
    """Do it to those chosen; to all that the filters leave only after their number has been seen."""
    actor, verb = Actor.of(request), request.POST.get("verb", "")
    if request.POST.get("all") != "1":
        picked = [int(pk) for pk in request.POST.getlist("task") if pk.isdecimal() and len(pk) < 19]
        rows = Task.objects.filter(campaign=campaign, pk__in=picked)
    elif "confirmed" not in request.POST and verb in VERBS:
        context = {
            "campaign": campaign,
            "tab": "tasks",
            "verb": verb,
            "asked": VERBS[verb],
            "chosen": chosen,
            "count": rows.count(),
            "first": rows.order_by("position")[:5],
        }
        return render(request, "labeling/tasks_confirm.html", context)
    try:
        if verb in {"withdraw", "restore"}:
            done = tasks.withdraw(actor, campaign, rows, withdrawn=verb == "withdraw")
        else:
            done = tasks.set_role(actor, campaign, rows, verb)
        more = (
            " These are as many as change at once; do it again for the rest."
            if done >= tasks.MOST_CHANGED
            else ""
        )
        messages.success(request, f"{done:,} task{'' if done == 1 else 's'} changed.{more}")
    except TilthError as error:
        messages.error(request, error.message)
    query = urlencode({name: value for name, value in chosen.items() if value})
    return redirect(f"{reverse('labeling:campaign_tasks', args=[campaign.pk])}?{query}")


@requires("campaigns.view")
@require_GET
def task(request: HttpRequest, pk: int) -> HttpResponse:
    """What one task says, its versions, and who has had it."""
    found = get_object_or_404(Task.objects.select_related("campaign", "reserved_for"), pk=pk)
    campaign, kind = found.campaign, found.campaign.task_kind
    name = who(me(request), campaign)
    view = display.view_of(found)
    assignments = found.assignments.select_related("labeler").order_by("id")
    document = view.payload.get("document") or {}
    context = {
        "campaign": campaign,
        "tab": "tasks",
        "item": found,
        "answers": view.shown,
        "prompt": view.payload.get("messages") or [],
        "said": [f for f in taskfields.fields(view.payload) if not f.path.startswith(("messages.", *HIDDEN))],
        "has_page": bool(document.get("html")),
        "assignments": [(a, name(a.labeler)) for a in assignments],
        "annotations": [
            (a, name(a.labeler), kind.facts(a.payload, view, campaign.schema))
            for a in found.annotations.filter(current=True).select_related("labeler")
        ],
        "versions": _versions(found),
        "gold": json.dumps(found.gold, ensure_ascii=False) if found.gold is not None else "",
        "leads": leads_it(me(request), campaign),
        "reserved": name(found.reserved_for) if found.reserved_for else "",
        "attachments": found.attachments.filter(removed=False),
        "attach_url": reverse("labeling:task_attach", args=[pk]) if leads_it(me(request), campaign) else "",
        "task_files": True,
    }
    return render(request, "labeling/task.html", context)


def _versions(found: Task) -> list[tuple[TaskVersion, list[Piece]]]:
    """Earlier versions, newest first, each with what the edit after it changed."""
    newer, shown = found.payload, []
    for version in found.versions.all():
        pieces = word_diff(taskfields.as_text(version.payload), taskfields.as_text(newer))
        shown.append((version, pieces))
        newer = version.payload
    return shown


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change what a task says, text by text or as JSON; people who hold it see the newest text."""
    found = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    as_json = "json" in request.GET
    initial = {name: getattr(found, name) for name in ("topic", "difficulty", "language", "version")}
    form: TextsForm | PayloadForm
    if as_json:
        form = PayloadForm(request.POST or None, initial={**initial, "payload": found.payload})
    else:
        form = TextsForm(request.POST or None, payload=found.payload, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            saved = tasks.edit(Actor.of(request), found, **form.values())
            messages.success(request, f"Saved as version {saved.version}.")
            return redirect("labeling:task", pk)
        except TilthError as error:
            put_error(form, error)
    context = {"item": found, "campaign": found.campaign, "form": form, "as_json": as_json}
    return render(request, "labeling/task_edit.html", context)


@requires("campaigns.manage")
@require_POST
def gold(request: HttpRequest, pk: int) -> HttpResponse:
    """Give a task its known answer."""
    found = get_object_or_404(Task.objects.select_related("campaign"), pk=pk)
    text = request.POST.get("gold", "")
    try:
        answer = storable(json.loads(text))
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
        row = storable(json.loads(text)) if text.startswith("{") else {"prompt": text}
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
