"""What people earned: by task or by hour, from what the database has counted."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from labeling.models.annotations import Annotation, AnnotationState
from labeling.models.campaigns import Campaign, PayBasis, Tally
from labeling.models.time import Decision, TimeEntry

CENT = Decimal("0.01")
PAID = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED, AnnotationState.ADJUDICATED)
"""What counts as a paid task: not what was returned (until it comes back) nor what was rejected."""


@dataclass(frozen=True, slots=True)
class Earned:
    """One person's work in one campaign in one period."""

    tasks: int
    active_minutes: float
    offscreen_minutes: int
    amount: Decimal

    def to_json(self) -> dict[str, Any]:
        """As a statement freezes it."""
        return {
            "tasks": self.tasks,
            "active_minutes": round(self.active_minutes, 2),
            "offscreen_minutes": self.offscreen_minutes,
            "amount": str(self.amount),
        }


def earned(campaign: Campaign, labeler: Any, first: date, last: date) -> Earned:
    """Work from the first to the last day, both included (UTC)."""
    tasks = Annotation.objects.filter(
        campaign=campaign,
        labeler=labeler,
        current=True,
        state__in=PAID,
        submitted_at__date__gte=first,
        submitted_at__date__lte=last,
    ).count()
    days = Tally.objects.filter(campaign=campaign, labeler=labeler, day__gte=first, day__lte=last)
    minutes = (days.aggregate(n=Sum("active_seconds"))["n"] or 0.0) / 60
    declared = TimeEntry.objects.filter(
        campaign=campaign, labeler=labeler, day__gte=first, day__lte=last, state=Decision.APPROVED
    )
    offscreen = declared.aggregate(n=Sum("minutes"))["n"] or 0
    return Earned(tasks, minutes, offscreen, amount(campaign, tasks, minutes + offscreen))


def amount(campaign: Campaign, tasks: int, minutes: float) -> Decimal:
    """Tasks or hours times the campaign's rate, to the cent."""
    rate = Decimal(campaign.pay_amount)
    if campaign.pay_basis == PayBasis.TASK:
        return (rate * tasks).quantize(CENT)
    if campaign.pay_basis == PayBasis.HOUR:
        return (rate * Decimal(str(minutes)) / 60).quantize(CENT)
    return Decimal(0)


def spent(campaign: Campaign) -> Decimal:
    """What the campaign has cost so far, approved or not."""
    if campaign.pay_basis == PayBasis.NONE:
        return Decimal(0)
    tasks = 0
    if campaign.pay_basis == PayBasis.TASK:
        tasks = Annotation.objects.filter(campaign=campaign, current=True, state__in=PAID).count()
    seconds = Tally.objects.filter(campaign=campaign).aggregate(n=Sum("active_seconds"))["n"] or 0
    offscreen = TimeEntry.objects.filter(campaign=campaign, state=Decision.APPROVED).aggregate(
        n=Sum("minutes")
    )["n"]
    return amount(campaign, tasks, seconds / 60 + (offscreen or 0))


def month(day: date) -> tuple[date, date]:
    """The first and the last day of the month that ``day`` lies in."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
