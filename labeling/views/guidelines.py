"""Guidelines: the list, versions to read, what changed between two, and the editor."""

from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling.actions import guidelines as actions
from labeling.forms.guidelines import DraftForm, NewGuidelineForm, PublishForm
from labeling.models.guidelines import Guideline, GuidelineVersion
from labeling.protocol.guideline import as_text, compare, parse
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import page_of, put_error
from tilth.errors import TilthError
from tilth.text.diff import word_diff

STARTER = Path(__file__).resolve().parents[1] / "guidelines" / "starter.md"


@requires("guidelines.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All guidelines; those without a published version only for those who may write."""
    rows = Guideline.objects.filter(archived=request.GET.get("archived") == "1")
    words = request.GET.get("q", "").strip()
    if words:
        rows = rows.filter(title__icontains=words) | rows.filter(name__icontains=words)
    if not can(me(request), "guidelines.edit"):
        rows = rows.filter(last_number__gt=0)
    context = {"page": page_of(request, rows), "q": words, "may_edit": can(me(request), "guidelines.edit")}
    return render(request, "labeling/guidelines.html", context)


@requires("guidelines.edit")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Begin a guideline."""
    form = NewGuidelineForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        source = STARTER.read_text() if form.cleaned_data["starter"] else f"# {form.cleaned_data['title']}\n"
        try:
            made = actions.create(
                Actor.of(request),
                name=form.cleaned_data["name"],
                title=form.cleaned_data["title"],
                source=source,
            )
            return redirect("labeling:guideline_edit", made.name)
        except TilthError as error:
            put_error(form, error)
    return render(request, "labeling/guideline_new.html", {"form": form})


@requires("guidelines.view")
@require_GET
def guideline(request: HttpRequest, name: str) -> HttpResponse:
    """The newest version; the editor where there is none yet."""
    found = get_object_or_404(Guideline, name=name)
    if found.last_number == 0:
        if not can(me(request), "guidelines.edit"):
            return render(request, "labeling/guideline_unpublished.html", {"guideline": found}, status=404)
        return redirect("labeling:guideline_edit", name)
    return _version_page(request, found.versions.get(number=found.last_number))


@requires("guidelines.view")
@require_GET
def version(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """One version, for reading."""
    return _version_page(request, get_object_or_404(GuidelineVersion, guideline__name=name, number=number))


def _version_page(request: HttpRequest, shown: GuidelineVersion) -> HttpResponse:
    versions = list(shown.guideline.versions.select_related("published_by"))
    context = {
        "version": shown,
        "guideline": shown.guideline,
        "versions": versions,
        "preamble": parse(shown.source).preamble,
        "newest": shown.number == shown.guideline.last_number,
        "before": next((v for v in versions if v.number < shown.number), None),
        "may_edit": can(me(request), "guidelines.edit"),
        "campaigns": shown.campaigns.all() if can(me(request), "campaigns.view") else [],
    }
    return render(request, "labeling/guideline.html", context)


@requires("guidelines.view")
@require_GET
def difference(request: HttpRequest, name: str, old: int, new: int) -> HttpResponse:
    """What changed from one version to another, clause by clause."""
    before = get_object_or_404(GuidelineVersion, guideline__name=name, number=old)
    after = get_object_or_404(GuidelineVersion, guideline__name=name, number=new)
    context = {
        "guideline": after.guideline,
        "old": before,
        "new": after,
        "clauses": version_changes(before, after),
        "versions": after.guideline.versions.all(),
    }
    return render(request, "labeling/guideline_diff.html", context)


def version_changes(old: GuidelineVersion, new: GuidelineVersion) -> list[dict[str, Any]]:
    """What differs between two versions: the introduction, then clause by clause."""
    before, after = (parse(version.source).preamble for version in (old, new))
    introduction = {"kind": "changed", "id": "", "title": "Introduction", "pieces": word_diff(before, after)}
    return [introduction] * (before != after) + clause_changes(old.clauses, new.clauses)


def clause_changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Clauses that differ, each with its kind of change and its text in pieces."""
    before, after = {c["id"]: c for c in old}, {c["id"]: c for c in new}
    changes = compare(old, new)
    named = [("changed", key) for key in changes.changed] + [("added", key) for key in changes.added]
    named += [("removed", key) for key in changes.removed]
    found = []
    for kind, key in named:
        texts = [as_text(side[key]) if key in side else "" for side in (before, after)]
        clause = after.get(key) or before[key]
        found.append({"kind": kind, "id": key, "title": clause["title"], "pieces": word_diff(*texts)})
    return found


@requires("guidelines.edit")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """The editor: the draft, what is wrong with it by line, and how it will look."""
    found = get_object_or_404(Guideline, name=name)
    initial = {"source": found.draft, "revision": found.draft_revision}
    form = DraftForm(request.POST or None, initial=initial)
    theirs = ""
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            actions.save_draft(Actor.of(request), found, data["source"], revision=data["revision"])
            messages.success(request, "The draft is saved. Nobody labels by it until it is published.")
            return redirect("labeling:guideline_edit", name)
        except TilthError as error:
            put_error(form, error)
            theirs = found.draft
            form.data = {**data, "revision": str(found.draft_revision)}
    source = form["source"].value() or ""
    return render(request, "labeling/guideline_edit.html", _editor(found, form, source, theirs))


def _editor(found: Guideline, form: DraftForm, source: str, theirs: str) -> dict[str, Any]:
    last = found.versions.first()
    parsed = parse(source)
    return {
        "guideline": found,
        "form": form,
        "parsed": parsed,
        "theirs": theirs,
        "last": last,
        "changes": clause_changes(last.clauses, parsed.clauses) if last else [],
        "publish": PublishForm(initial={"revision": found.draft_revision}),
        "unsaved": source != found.draft,
    }


@requires("guidelines.edit")
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """How a text will look and what is wrong with it, while it is being written."""
    parsed = parse(request.POST.get("source", ""))
    return render(request, "labeling/_guideline_preview.html", {"parsed": parsed})


@requires("guidelines.edit")
@require_POST
def publish(request: HttpRequest, name: str) -> HttpResponse:
    """Make the saved draft a version."""
    found = get_object_or_404(Guideline, name=name)
    form = PublishForm(request.POST)
    if form.is_valid():
        try:
            made = actions.publish(Actor.of(request), found, **form.cleaned_data)
            messages.success(request, f"{made} is published. Campaigns move to it when their leads say so.")
            return redirect("labeling:guideline_version", name, made.number)
        except TilthError as error:
            messages.error(request, error.message)
    return redirect("labeling:guideline_edit", name)


@requires("guidelines.edit")
@require_POST
def archive(request: HttpRequest, name: str) -> HttpResponse:
    """Out of the choices, or back into them."""
    found = get_object_or_404(Guideline, name=name)
    actions.archive(Actor.of(request), found, archived=request.POST.get("archived") != "0")
    return redirect("labeling:guidelines")


@requires("guidelines.view")
@require_GET
def pane(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The guideline beside a task: search, clauses, and what changed since the reader last looked."""
    shown = get_object_or_404(GuidelineVersion, guideline__name=name, number=number)
    last = GuidelineVersion.objects.filter(
        guideline=shown.guideline, reads__user=me(request), number__lte=number
    ).order_by("-number")
    read = last.first()
    news = version_changes(read, shown) if read and read.pk != shown.pk else []
    context = {
        "version": shown,
        "preamble": parse(shown.source).preamble,
        "unread": read is None or read.pk != shown.pk,
        "first_time": read is None,
        "news": news,
    }
    return render(request, "labeling/_guideline_pane.html", context)


@requires("guidelines.view")
@require_POST
def acknowledge(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The reader has read it; the pane comes back without the notice."""
    shown = get_object_or_404(GuidelineVersion, guideline__name=name, number=number)
    actions.acknowledge(Actor.of(request), shown)
    if request.htmx:  # type: ignore[attr-defined]
        context = {"version": shown, "preamble": parse(shown.source).preamble, "unread": False}
        return render(request, "labeling/_guideline_pane.html", context)
    return redirect("labeling:guideline_version", name, number)
