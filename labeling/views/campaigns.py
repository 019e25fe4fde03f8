"""Campaigns: the list, one campaign's overview, its settings, and its way through the states."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from labeling import budget
from labeling.actions import campaigns, guidelines
from labeling.announcements import read_by
from labeling.forms.campaigns import CampaignForm, KindForm, LeadsForm
from labeling.models.campaigns import Campaign, CampaignState
from labeling.models.guidelines import GuidelineVersion
from labeling.models.moves import GuidelineMove
from labeling.people import leads_it, sees_names
from labeling.progress import progress
from labeling.protocol.registry import all_kinds, kind_of
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.accounts.views.helpers import page_of, put_error
from tilth.errors import TilthError

LOOKED = 5_000
"""Annotations of which a lead is told beforehand how many cite a changed clause."""


@requires("campaigns.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """All campaigns, or one's own, with how far each is."""
    rows = Campaign.objects.all()
    chosen = {name: request.GET.get(name, "").strip() for name in ("q", "state", "mine")}
    if chosen["q"]:
        rows = rows.filter(title__icontains=chosen["q"]) | rows.filter(name__icontains=chosen["q"])
    if chosen["state"] in CampaignState.values:
        rows = rows.filter(state=chosen["state"])
    if chosen["mine"]:
        rows = rows.filter(leads=me(request))
    page = page_of(request, rows.order_by("-id"))
    shown = [(campaign, progress(campaign)) for campaign in page]
    context = {
        "page": page,
        "shown": shown,
        "chosen": chosen,
        "filtered": any(chosen.values()),
        "states": CampaignState.choices,
        "may_manage": can(me(request), "campaigns.manage"),
    }
    return render(request, "labeling/campaigns.html", context)


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """First the kind, then everything about the campaign."""
    name = request.GET.get("kind", "")
    if name not in all_kinds():
        kinds = [(kind, f"?kind={kind.name}") for kind in all_kinds().values()]
        return render(request, "labeling/campaign_kind.html", {"form": KindForm(), "kinds": kinds})
    kind = kind_of(name)
    initial = {"schema": kind.default_schema(), "visibility": "hidden", "pay_basis": "none"}
    form = CampaignForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        data = {name: value for name, value in form.cleaned_data.items() if name != "seen"}
        try:
            made = campaigns.create(Actor.of(request), kind=name, schema=data.pop("schema") or {}, **data)
            messages.success(request, f"{made} is made. Add tasks and people next.")
            return redirect("labeling:campaign", made.pk)
        except TilthError as error:
            put_error(form, error)
    return render(request, "labeling/campaign_form.html", {"form": form, "kind": kind, **_schema(kind, form)})


def _schema(kind: Any, form: CampaignForm) -> dict[str, Any]:
    """The entries of the answer schema for the form, with their types, and what stands in them."""
    default = kind.default_schema()
    entries = [
        {"name": name, "title": name.replace("_", " "), **_entry(value)} for name, value in default.items()
    ]
    value = form["schema"].value()
    text = value if isinstance(value, str) else None
    return {"entries": entries, "schema_value": text or form.fields["schema"].prepare_value(value)}  # type: ignore[attr-defined]


def _entry(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"type": "switch"}
    if isinstance(value, int):
        return {"type": "number"}
    if isinstance(value, str):
        return {"type": "text"}
    if value and isinstance(value[0], dict):
        columns = [
            {
                "name": name,
                "number": isinstance(v, int),
                "long": isinstance(v, str) and ("\n" in v or name == "help"),
            }
            for name, v in value[0].items()
        ]
        return {"type": "rows", "columns": columns}
    return {"type": "lines"}


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The settings of a campaign."""
    campaign = get_object_or_404(Campaign, pk=pk)
    names = [name for name in CampaignForm.base_fields if name not in {"name", "guideline", "skills", "seen"}]
    initial = {name: getattr(campaign, name) for name in names}
    initial |= {"skills": campaign.skills.all(), "seen": campaigns.stamp(campaign)}
    form = CampaignForm(request.POST or None, initial=initial, editing=True)
    if request.method == "POST" and form.is_valid():
        try:
            campaigns.edit(Actor.of(request), campaign, **form.cleaned_data)
            messages.success(request, "The settings are saved.")
            return redirect("labeling:campaign", pk)
        except TilthError as error:
            put_error(form, error)
            # What stands now has been said: saving again is based on it.
            posted = request.POST.copy()
            posted["seen"] = campaigns.stamp(Campaign.objects.get(pk=pk))
            form.data = posted
    kind = campaign.task_kind
    leads = LeadsForm(initial={"leads": campaign.leads.all()})
    context = {"form": form, "kind": kind, "campaign": campaign, "leads": leads, **_schema(kind, form)}
    return render(request, "labeling/campaign_form.html", context)


@requires("campaigns.manage")
@require_POST
def set_leads(request: HttpRequest, pk: int) -> HttpResponse:
    """Who leads it."""
    campaign = get_object_or_404(Campaign, pk=pk)
    form = LeadsForm(request.POST)
    chosen = list(form.cleaned_data["leads"]) if form.is_valid() else []
    try:
        campaigns.set_leads(Actor.of(request), campaign, chosen)
        messages.success(request, "The leads are saved.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign_edit", pk)


@requires("campaigns.view")
@require_GET
def campaign(request: HttpRequest, pk: int) -> HttpResponse:
    """One campaign at a glance."""
    found = get_object_or_404(Campaign.objects.select_related("guideline__guideline", "exam"), pk=pk)
    steps = [
        {"to": to, "label": label, "missing": campaigns.lacking(found, to)}
        for to, label in campaigns.MOVES[found.state].items()
    ]
    context = {
        "campaign": found,
        "tab": "overview",
        "progress": progress(found),
        "steps": steps,
        "leads": leads_it(me(request), found),
        "out_of_budget": budget.is_used_up(found, timezone.now()),
        "newer": _newer(found),
        "names": sees_names(me(request), found),
        "announcements": read_by(found, list(found.announcements.select_related("created_by")[:5])),
        "imports": found.imports.all()[:5],
        "moves": GuidelineMove.objects.filter(campaign=found).select_related("version__guideline")[:3],
        "publications": found.publications.select_related("version__dataset", "job")[:5],
        "open_threads": found.threads.filter(open=True).count(),
        "open_flags": found.flags.open().count(),
        "to_review": found.annotations.to_review().count(),
        "pilot_tasks": found.tasks.filter(role="pilot").count(),
        "gold_tasks": found.tasks.filter(role="gold").count(),
    }
    return render(request, "labeling/campaign.html", context)


def _newer(campaign: Campaign) -> GuidelineVersion | None:
    """A version of the pinned guideline that is newer."""
    pinned = campaign.guideline
    if pinned is None:
        return GuidelineVersion.objects.filter(guideline__archived=False).order_by("-published_at").first()
    return pinned.guideline.versions.filter(number__gt=pinned.number).order_by("-number").first()


@requires("campaigns.manage")
@require_POST
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """The next state."""
    found = get_object_or_404(Campaign, pk=pk)
    try:
        campaigns.move(Actor.of(request), found, request.POST.get("to", ""))
        messages.success(request, f"{found} is {found.get_state_display().lower()} now.")
    except TilthError as error:
        messages.error(request, error.message)
    return redirect("labeling:campaign", pk)


@requires("campaigns.manage")
@require_POST
def duplicate(request: HttpRequest, pk: int) -> HttpResponse:
    """A new one like this."""
    found = get_object_or_404(Campaign, pk=pk)
    try:
        made = campaigns.duplicate(Actor.of(request), found, name=request.POST.get("name", ""))
    except TilthError as error:
        messages.error(request, error.message)
        return redirect("labeling:campaign", pk)
    return redirect("labeling:campaign_edit", made.pk)


@requires("campaigns.manage")
@require_http_methods(["GET", "POST"])
def pin(request: HttpRequest, pk: int) -> HttpResponse:
    """Move the campaign to another version of a guideline, after showing what that touches."""
    found = get_object_or_404(Campaign.objects.select_related("guideline__guideline"), pk=pk)
    number = request.POST.get("version") or request.GET.get("version", "")
    version = get_object_or_404(GuidelineVersion, pk=int(number[:18]) if number.isdecimal() else 0)
    if request.method == "POST":
        chosen = {name: request.POST.get(name) == "on" for name in ("mark_stale", "requeue")}
        try:
            moved = guidelines.pin(Actor.of(request), found, version, **chosen)
            if isinstance(moved, GuidelineMove):
                return redirect("labeling:guideline_move", moved.pk)
            told = f"{moved.stale} annotations are marked as stale, {moved.requeued} are back with their labelers."
            messages.success(
                request, f"Labelled by {version} from now on. {told if moved.stale else ''}".strip()
            )
        except TilthError as error:
            messages.error(request, error.message)
        return redirect("labeling:campaign", pk)
    touched, more = guidelines.affected(found, version, LOOKED)
    context = {"campaign": found, "version": version, "touched": len(touched), "more": more, "looked": LOOKED}
    return render(request, "labeling/campaign_pin.html", context)


@requires("campaigns.view")
@require_GET
def moved(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the annotations under a changed guideline are marked; the page follows it."""
    row = get_object_or_404(
        GuidelineMove.objects.select_related("campaign", "version__guideline", "job"), pk=pk
    )
    context = {"campaign": row.campaign, "tab": "overview", "row": row}
    part = request.htmx  # type: ignore[attr-defined]
    return render(
        request, "labeling/_guideline_move.html" if part else "labeling/guideline_move.html", context
    )
