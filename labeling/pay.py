"""What people earned: by task or by hour, from what the database has counted."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from labeling.models.annotations import Annotation, AnnotationState
from labeling.models.campaigns import Campaign, PayBasis, Tally
from labeling.models.time import Decision, Statement, TimeEntry

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

    @property
    def minutes(self) -> float:
        """All minutes, at the screen and away from it."""
        return self.active_minutes + self.offscreen_minutes

    def to_json(self, campaign: Campaign) -> dict[str, Any]:
        """As a statement freezes it, with what the campaign pays now."""
        return {
            "basis": campaign.pay_basis,
            "rate": str(campaign.pay_amount),
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


@dataclass(frozen=True, slots=True)
class Correction:
    """What has become of work after its statement was approved: rejected, accepted after all, time approved late."""

    statement: int
    tasks: int
    minutes: float
    amount: Decimal

    def to_json(self) -> dict[str, Any]:
        """As the later statement freezes it."""
        return {
            "statement": self.statement,
            "tasks": self.tasks,
            "minutes": self.minutes,
            "amount": str(self.amount),
        }


def corrections(campaign: Campaign, labeler: Any) -> list[Correction]:
    """What approved statements, with the corrections in later ones, say too much or too little; at their own rates."""
    frozen = list(Statement.objects.frozen().filter(campaign=campaign, labeler=labeler).order_by("first_day"))
    made = [c for row in frozen for c in row.lines[0].get("corrections", [])]
    found = []
    for row in frozen:
        line, now = row.lines[0], earned(campaign, labeler, row.first_day, row.last_day)
        known = [c for c in made if c["statement"] == row.pk]
        tasks = now.tasks - line["tasks"] - sum(c["tasks"] for c in known)
        told = line["active_minutes"] + line["offscreen_minutes"] + sum(c["minutes"] for c in known)
        minutes = round(round(now.active_minutes, 2) + now.offscreen_minutes - told, 2)
        basis, rate = line.get("basis", campaign.pay_basis), line.get("rate", campaign.pay_amount)
        if value := at_rate(basis, Decimal(rate), tasks, minutes):
            found.append(Correction(row.pk, tasks, minutes, value))
    return found


def amount(campaign: Campaign, tasks: int, minutes: float) -> Decimal:
    """Tasks or hours times the campaign's rate, to the cent."""
    return at_rate(campaign.pay_basis, Decimal(campaign.pay_amount), tasks, minutes)


def at_rate(basis: str, rate: Decimal, tasks: int, minutes: float) -> Decimal:
    """Tasks or hours times a rate, to the cent; nothing where nothing is paid."""
    if basis == PayBasis.TASK:
        return (rate * tasks).quantize(CENT)
    if basis == PayBasis.HOUR:
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
