"""Quality pages of a campaign: agreement, bias, known answers, cohorts, labelers, and the pilot."""

from datetime import date
from typing import Any

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from labeling import display, gold, labelers, plots, quality
from labeling.actions.guards import require_lead
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, CampaignState, Member, Tally
from labeling.models.tasks import Task
from labeling.people import leads_it, who
from labeling.protocol.disagreement import disagreement
from labeling.views.me import me
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import requires


@requires("campaigns.view")
@require_GET
def index(request: HttpRequest, pk: int) -> HttpResponse:
    """How far the labels can be trusted."""
    campaign = get_object_or_404(Campaign, pk=pk)
    role = Task.Role.PILOT if _asks_for_pilot(request, campaign) else Task.Role.NORMAL
    read = quality.reading_of(campaign, role)
    found = quality.quality(campaign, role, read)
    name = who(me(request), campaign)
    people = User.objects.in_bulk([key for key in found.by_labeler if isinstance(key, int)])
    by_labeler = [(name(people[key]), bias) for key, bias in found.by_labeler.items() if key in people]
    known = gold.by_labeler(campaign)
    golds = [(name(u), known[u.pk]) for u in User.objects.filter(pk__in=known).order_by("pk")[:60]]
    by = request.GET.get("by", "")
    context = {
        "campaign": campaign,
        "tab": "quality",
        "quality": found,
        "compares": campaign.task_kind.lengths is not None,
        "longer": plots.shares([(n, b.longer) for n, b in by_labeler], "the longer answer won"),
        "first": plots.shares([(n, b.first) for n, b in by_labeler], "the first answer won", line=0.5),
        "golds": plots.shares(golds, "agrees with the known answer", line=campaign.gold_floor)
        if golds
        else None,
        "cohorts": quality.COHORTS,
        "by": by,
        "of": role.value,
        "has_pilot": campaign.tasks.filter(role=Task.Role.PILOT).exists(),
        "slices": quality.recent_slices(campaign, by, role, read) if by in quality.COHORTS else [],
        "height": 60 + 28 * max(1, len(by_labeler)),
    }
    return render(request, "labeling/quality.html", context)


def _asks_for_pilot(request: HttpRequest, campaign: Campaign) -> bool:
    """Whether the figures are the pilot's: as asked for, else as long as the pilot lasts."""
    asked = request.GET.get("of", "")
    return asked == "pilot" if asked in {"pilot", "normal"} else campaign.state == CampaignState.PILOT


@requires("campaigns.view")
@require_GET
def people(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody's work, and throughput day by day."""
    campaign = get_object_or_404(Campaign, pk=pk)
    name = who(me(request), campaign)
    page = Paginator(labelers.labelers(campaign), 50).get_page(request.GET.get("page"))
    context = {
        "campaign": campaign,
        "tab": "labelers",
        "page": page,
        "lines": [(name(line.user), line) for line in page],
        "throughput": plots.by_day(_days(campaign), 30, {"submitted": "Submitted", "accepted": "Accepted"}),
        "leads": leads_it(me(request), campaign),
    }
    return render(request, "labeling/labelers.html", context)


def _days(campaign: Campaign) -> dict[date, dict[str, int]]:
    found: dict[date, dict[str, int]] = {}
    for day, submitted, accepted in Tally.objects.filter(campaign=campaign).values_list(
        "day", "submitted", "accepted"
    ):
        sums = found.setdefault(day, {"submitted": 0, "accepted": 0})
        sums["submitted"] += submitted
        sums["accepted"] += accepted
    return found


@requires("labelers.view")
@require_GET
def known_answers(request: HttpRequest, pk: int) -> HttpResponse:
    """What somebody answered where the answer is known: what a pause rests on, and an appeal is decided by."""
    member = get_object_or_404(Member.objects.select_related("campaign", "user"), pk=pk)
    campaign, kind = member.campaign, member.campaign.task_kind
    require_lead(Actor.of(request), campaign)
    rows = []
    for annotation in gold.record(member).select_related("task").prefetch_related("task__candidates"):
        task = display.view_of(annotation.task, annotation.display)
        said, known = (
            kind.facts(payload, task, campaign.schema)
            for payload in (annotation.payload, annotation.task.gold or {})
        )
        rows.append((annotation, said, known))
    scores = [annotation.gold_score or 0.0 for annotation, _, _ in rows]
    context = {
        "campaign": campaign,
        "tab": "roster",
        "member": member,
        "rows": rows,
        "agreed": sum(scores) / len(scores) if scores else None,
        "appeals": campaign.threads.filter(opened_by=member.user, topic="appeal", annotation=None),
    }
    return render(request, "labeling/known_answers.html", context)


@requires("campaigns.view")
@require_GET
def pilot(request: HttpRequest, pk: int) -> HttpResponse:
    """The pilot: its few tasks against everybody who did them, with how far they lie apart."""
    campaign = get_object_or_404(Campaign, pk=pk)
    kind = campaign.task_kind
    tasks = list(campaign.tasks.filter(role=Task.Role.PILOT).order_by("position")[:100])
    rows = Annotation.objects.settled().filter(task__in=tasks).select_related("labeler")
    cells: dict[int, dict[int, Annotation]] = {}
    for row in rows:
        cells.setdefault(row.task_id, {})[row.labeler_id] = row
    everybody = list({row.labeler_id: row.labeler for row in rows}.values())
    measures = kind.measures(campaign.schema)
    table: list[dict[str, Any]] = []
    for task in tasks:
        mine = cells.get(task.pk, {})
        apart = disagreement(measures, [row.measures for row in mine.values()])
        said = [(mine.get(user.pk), _short(mine.get(user.pk))) for user in everybody]
        table.append({"task": task, "apart": apart, "said": said})
    name = who(me(request), campaign)
    context = {"campaign": campaign, "tab": "quality", "people": [name(u) for u in everybody], "table": table}
    return render(request, "labeling/pilot.html", context)


def _short(annotation: Annotation | None) -> str:
    """The first measured value, as a word for a cell."""
    if annotation is None:
        return ""
    return str(next(iter(annotation.measures.values()), "written"))
