"""What labeling contributes to the home page: a labeler's day, a reviewer's queue, a lead's campaigns."""

from typing import Any

from django.db.models import Sum
from django.utils import timezone

from labeling import budget, desk, eligibility, pay
from labeling.actions import reviews
from labeling.models.annotations import Annotation, Flag, Thread
from labeling.models.campaigns import Campaign, CampaignState, Member, Tally
from labeling.models.guidelines import GuidelineVersion
from labeling.models.time import Decision, TimeEntry
from labeling.progress import progress
from tilth.accounts.models import Role, User
from tilth.stats.intervals import share
from tilth.ui.home import Panel, register

SHOWN = 5


def my_work(user: User) -> dict[str, Any] | None:
    """What waits (returned first), progress, accepted rate, hours and earnings, guideline news, feedback."""
    memberships = Member.objects.filter(user=user).exclude(state=Member.State.LEFT)
    if not memberships.exists():
        return None
    week = Tally.objects.filter(labeler=user, day__gte=eligibility.week_start())
    sums = Tally.objects.filter(labeler=user).aggregate(
        submitted=Sum("submitted"),
        accepted=Sum("accepted"),
        returned=Sum("returned"),
        rejected=Sum("rejected"),
    )
    counts = {name: value or 0 for name, value in sums.items()}
    decided = counts["accepted"] + counts["returned"] + counts["rejected"]
    first, last = pay.month(timezone.now().date())
    campaigns = Campaign.objects.filter(pk__in=memberships.values("campaign"))
    earned = [(c, pay.earned(c, user, first, last)) for c in campaigns.exclude(pay_basis="none")[:SHOWN]]
    return {
        "returned": desk.returned(user)[:SHOWN],
        "drafts": desk.drafts(user)[:SHOWN],
        "week_hours": (week.aggregate(n=Sum("active_seconds"))["n"] or 0) / 3600,
        "week_done": week.aggregate(n=Sum("submitted"))["n"] or 0,
        "counts": counts,
        "accepted": share(counts["accepted"], decided),
        "earned": earned,
        "news": _guideline_news(user, campaigns),
        "feedback": _feedback(user),
        "paused": memberships.filter(state=Member.State.PAUSED).select_related("campaign"),
    }


def _guideline_news(user: User, campaigns: Any) -> list[GuidelineVersion]:
    """Versions that this person labels by and has not acknowledged."""
    pinned = GuidelineVersion.objects.filter(campaigns__in=campaigns.filter(state__in=["pilot", "live"]))
    return list(pinned.exclude(reads__user=user).distinct().select_related("guideline")[:SHOWN])


def _feedback(user: User) -> list[Annotation]:
    """The newest decisions on one's work that say something."""
    mine = Annotation.objects.filter(labeler=user, reviews__isnull=False).exclude(reviews__note="")
    return list(mine.select_related("campaign", "task").order_by("-reviews__at").distinct()[:SHOWN])


def review_queue(user: User) -> dict[str, Any] | None:
    """How much waits for this reviewer, and since when."""
    waiting = reviews.waiting(user)
    oldest = waiting.first()
    return {"count": waiting.count(), "oldest": oldest} if oldest else None


def my_campaigns(user: User) -> dict[str, Any] | None:
    """A lead's campaigns with progress and forecast, and what asks for a decision."""
    led = Campaign.objects.all() if user.role == Role.ADMIN else Campaign.objects.filter(leads=user)
    open_ones = list(led.exclude(state=CampaignState.CLOSED)[:SHOWN])
    if not open_ones:
        return None
    ids = [campaign.pk for campaign in open_ones]
    return {
        "campaigns": [(campaign, progress(campaign)) for campaign in open_ones],
        "out_of_budget": [campaign for campaign in open_ones if budget.is_used_up(campaign, timezone.now())],
        "threads": Thread.objects.filter(campaign__in=ids, open=True).count(),
        "flags": Flag.objects.open().filter(campaign__in=ids).count(),
        "contested": Annotation.objects.to_review().filter(campaign__in=ids, contested=True).count(),
        "time": TimeEntry.objects.filter(campaign__in=ids, state=Decision.PENDING).count(),
        "paused": Member.objects.filter(campaign__in=ids, state=Member.State.PAUSED).select_related(
            "user", "campaign"
        )[:SHOWN],
    }


def register_all() -> None:
    """Add labeling's panels."""
    register(Panel("My work", "labeling/panels/work.html", "labeling.work", my_work, order=2))
    register(Panel("Review", "labeling/panels/review.html", "labeling.review", review_queue, order=4))
    register(Panel("Campaigns", "labeling/panels/campaigns.html", "campaigns.manage", my_campaigns, order=6))
