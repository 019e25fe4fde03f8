"""What labeling contributes to the home page: a labeler's day, a reviewer's queue, a lead's campaigns.

Figures count everything; lists show the first few and say how many more there are, with a way to them.
"""

from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum
from django.utils import timezone

from labeling import announcements, budget, desk, eligibility, feedback, labelers, pay, waiting
from labeling.actions import reviews
from labeling.cuts import cut
from labeling.models.campaigns import Campaign, CampaignState, Member, Tally
from labeling.models.guidelines import GuidelineVersion
from labeling.progress import progress
from tilth.accounts.models import Role, User
from tilth.ui.home import Panel, register

SHOWN = 5
MOST_WAITING = 20


def my_work(user: User) -> dict[str, Any] | None:
    """What waits (returned first), progress, accepted rate, hours and earnings, guideline news, feedback."""
    memberships = Member.objects.filter(user=user)
    if not memberships.exists():
        return None
    present = memberships.exclude(state=Member.State.LEFT)
    week = Tally.objects.filter(labeler=user, day__gte=eligibility.week_start())
    done = week.aggregate(seconds=Sum("active_seconds"), submitted=Sum("submitted"))
    return {
        "returned": cut(desk.returned(user), SHOWN),
        "drafts": cut(desk.drafts(user), SHOWN),
        "week_hours": (done["seconds"] or 0) / 3600,
        "week_done": done["submitted"] or 0,
        "accepted": labelers.accepted(labelers.sums(Tally.objects.filter(labeler=user))),
        "earned": _earned(user),
        "announcements": announcements.unread(user).count(),
        "news": cut(_guideline_news(user, Campaign.objects.filter(pk__in=present.values("campaign"))), SHOWN),
        "feedback": feedback.newest(user, SHOWN),
        "paused": present.filter(state=Member.State.PAUSED).select_related("campaign"),
    }


def _earned(user: User) -> list[tuple[str, Decimal, int]]:
    """This month's earnings by currency, and in how many campaigns: all that pay, also those left since."""
    found: dict[str, list[Decimal]] = defaultdict(list)
    for campaign, work in pay.by_campaign(user, *pay.month(timezone.now().date())):
        if work.amount:
            found[campaign.currency].append(work.amount)
    return [(currency, sum(amounts, Decimal(0)), len(amounts)) for currency, amounts in sorted(found.items())]


def _guideline_news(user: User, campaigns: QuerySet[Campaign]) -> QuerySet[GuidelineVersion]:
    """Versions that this person labels by and has not acknowledged."""
    pinned = GuidelineVersion.objects.filter(
        campaigns__in=campaigns.filter(state__in=[CampaignState.PILOT, CampaignState.LIVE])
    )
    return pinned.exclude(reads__user=user).distinct().select_related("guideline")


def review_queue(user: User) -> dict[str, Any] | None:
    """How much waits for this reviewer, and since when."""
    found = reviews.waiting(user)
    oldest = found.first()
    return {"count": found.count(), "oldest": oldest} if oldest else None


def my_campaigns(user: User) -> dict[str, Any] | None:
    """A lead's campaigns with progress and forecast, and what asks for a decision."""
    led = Campaign.objects.managed_by(user)
    going_on = led.exclude(state=CampaignState.CLOSED)
    shown, found = cut(going_on, SHOWN), waiting.by_campaign(led)
    if not shown.rows and not found:
        return None
    spent = [one for one in going_on.filter(budget_left=0) if budget.is_used_up(one, timezone.now())]
    paused = Member.objects.filter(campaign__in=going_on, state=Member.State.PAUSED)
    return {
        "campaigns": [(campaign, progress(campaign)) for campaign in shown.rows],
        "more": shown.more,
        "mine": user.role != Role.ADMIN,
        "out_of_budget": cut(spent, SHOWN),
        "waiting": cut(found, MOST_WAITING),
        "totals": {
            name: waiting.total(found, name) for name in ("threads", "flags", "contested", "time", "paused")
        },
        "paused": cut(paused.select_related("user", "campaign"), SHOWN),
    }


def register_all() -> None:
    """Add labeling's panels."""
    register(Panel("My work", "labeling/panels/work.html", "labeling.work", my_work, order=2))
    register(Panel("Review", "labeling/panels/review.html", "labeling.review", review_queue, order=4))
    register(Panel("Campaigns", "labeling/panels/campaigns.html", "campaigns.manage", my_campaigns, order=6))
