"""What people earned: by task or by hour, exactly, from what the database has counted.

Time is counted in whole seconds, paid in hundredths of a minute as statements show them, and rounded to the
cent once: a statement's rate times its tasks or minutes is its amount.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import groupby
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from labeling.models.annotations import Annotation, AnnotationState
from labeling.models.campaigns import Campaign, PayBasis, Tally
from labeling.models.tasks import Assignment
from labeling.models.time import Decision, Statement, TimeEntry

HUNDREDTH = Decimal("0.01")
PAID_STATES = (AnnotationState.SUBMITTED, AnnotationState.ACCEPTED, AnnotationState.ADJUDICATED)
PAID = Q(current=True) & (Q(state__in=PAID_STATES) | Q(state=AnnotationState.RETURNED, stale=True))
"""What counts as a paid task: not what a reviewer returned (until it comes back) nor what was rejected.

What came back because the guideline changed was right when it was done: it stays paid, once.
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What is paid for, and how much."""

    basis: str
    rate: Decimal

    @classmethod
    def of(cls, campaign: Campaign) -> "Terms":
        """What the campaign pays now."""
        return cls(campaign.pay_basis, Decimal(campaign.pay_amount))

    @classmethod
    def frozen(cls, row: Statement) -> "Terms":
        """What was paid when the statement was drafted."""
        return cls(row.lines[0]["basis"], Decimal(row.lines[0]["rate"]))

    def amount(self, tasks: int, minutes: Decimal) -> Decimal:
        """Tasks or hours times the rate, to the cent, halves up; nothing where nothing is paid."""
        if self.basis == PayBasis.TASK:
            return _to_hundredths(self.rate * tasks)
        if self.basis == PayBasis.HOUR:
            return _to_hundredths(self.rate * minutes / 60)
        return _to_hundredths(Decimal(0))


@dataclass(frozen=True, slots=True)
class Earned:
    """One person's work in one campaign in one period, and what it is worth."""

    tasks: int
    active_minutes: Decimal
    offscreen_minutes: int
    terms: Terms

    @property
    def minutes(self) -> Decimal:
        """All minutes, at the screen and away from it."""
        return self.active_minutes + self.offscreen_minutes

    @property
    def amount(self) -> Decimal:
        """What is paid for it."""
        return self.terms.amount(self.tasks, self.minutes)

    def to_json(self) -> dict[str, Any]:
        """As a statement freezes it."""
        return {
            "basis": self.terms.basis,
            "rate": str(self.terms.rate),
            "tasks": self.tasks,
            "active_minutes": str(self.active_minutes),
            "offscreen_minutes": self.offscreen_minutes,
            "amount": str(self.amount),
        }


def nothing(terms: Terms) -> Earned:
    """No work at all."""
    return Earned(0, minutes_of(0), 0, terms)


def everybody(campaign: Campaign, first: date, last: date, terms: Terms) -> dict[int, Earned]:
    """The work of all who did any in the period, by person."""
    worked = _worked("labeler", first, last, {"campaign": campaign})
    return {pk: _worth(work, terms) for pk, work in worked.items()}


def by_campaign(labeler: Any, first: date, last: date) -> list[tuple[Campaign, Earned]]:
    """One person's work in the period in each campaign where they did any, as each pays now."""
    found = _worked("campaign", first, last, {"labeler": labeler})
    campaigns = Campaign.objects.in_bulk(found)
    return [(campaigns[pk], _worth(work, Terms.of(campaigns[pk]))) for pk, work in found.items()]


Worked = tuple[int, int, int]
"""Paid tasks, active seconds, minutes away from the screen."""


def _worth(work: Worked, terms: Terms) -> Earned:
    tasks, seconds, offscreen = work
    return Earned(tasks, minutes_of(seconds), offscreen, terms)


def _worked(by: str, first: date, last: date, whose: dict[str, Any]) -> dict[int, Worked]:
    """What was worked in the period, by person or campaign; one query each for tasks, time, and declared time."""
    since = datetime.combine(first, time.min, UTC)
    until = datetime.combine(last + timedelta(days=1), time.min, UTC)
    days = {"day__gte": first, "day__lte": last}
    done = Annotation.objects.filter(PAID, submitted_at__gte=since, submitted_at__lt=until, **whose)
    declared = TimeEntry.objects.filter(state=Decision.APPROVED, **days, **whose)
    tasks = _sums(done, by, Count("pk"))
    seconds = _sums(Tally.objects.filter(**days, **whose), by, Sum("active_seconds"))
    offscreen = _sums(declared, by, Sum("minutes"))
    return {
        pk: (tasks.get(pk, 0), seconds.get(pk, 0), offscreen.get(pk, 0))
        for pk in sorted({*tasks, *seconds, *offscreen})
    }


def _sums(rows: QuerySet[Any], by: str, figure: Any) -> dict[int, int]:
    return dict(rows.order_by().values_list(by).annotate(n=figure).values_list(by, "n"))


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be paid for an approved period beside what its statements say; below nothing where too much was.

    Work rejected, accepted after all, approved late, or done by somebody who had no statement then.
    """

    first: date
    last: date
    tasks: int
    minutes: Decimal
    amount: Decimal

    def to_json(self) -> dict[str, Any]:
        """As the later statement freezes it."""
        return {
            "first": self.first.isoformat(),
            "last": self.last.isoformat(),
            "tasks": self.tasks,
            "minutes": str(self.minutes),
            "amount": str(self.amount),
        }


@dataclass(slots=True)
class _Told:
    """What statements have said of one person in one period so far."""

    tasks: int = 0
    minutes: Decimal = Decimal(0)
    amount: Decimal = Decimal(0)

    def add(self, tasks: int, minutes: Decimal, amount: str) -> None:
        self.tasks += tasks
        self.minutes += minutes
        self.amount += Decimal(amount)


def corrections(campaign: Campaign) -> dict[int, list[Correction]]:
    """What every person is owed, or owes, for approved periods at those periods' own rates; earliest first."""
    frozen = list(Statement.objects.frozen().filter(campaign=campaign).order_by("first_day", "labeler_id"))
    told = _told(frozen)
    found: dict[int, list[Correction]] = defaultdict(list)
    for (first, last), rows in groupby(frozen, key=lambda row: (row.first_day, row.last_day)):
        terms = Terms.frozen(next(rows))
        now, before = everybody(campaign, first, last, terms), told[first.isoformat()]
        for person in sorted({*now, *before}):
            is_, was = now.get(person, nothing(terms)), before.get(person, _Told())
            if value := is_.amount - was.amount:
                tasks, minutes = is_.tasks - was.tasks, is_.minutes - was.minutes
                found[person].append(Correction(first, last, tasks, minutes, value))
    return found


def _told(frozen: Iterable[Statement]) -> dict[str, dict[int, _Told]]:
    """First day of a period → person → what their statements say of it."""
    told: dict[str, dict[int, _Told]] = defaultdict(lambda: defaultdict(_Told))
    for row in frozen:
        line = row.lines[0]
        minutes = Decimal(line["active_minutes"]) + line["offscreen_minutes"]
        told[row.first_day.isoformat()][row.labeler_id].add(line["tasks"], minutes, line["amount"])
        for late in line["corrections"]:
            told[late["first"]][row.labeler_id].add(late["tasks"], Decimal(late["minutes"]), late["amount"])
    return told


def spent(campaign: Campaign) -> Decimal:
    """What the campaign has cost so far."""
    return cost(campaign, *_done(campaign))


def _done(campaign: Campaign) -> tuple[int, Decimal]:
    """All paid tasks and all minutes."""
    # Each current annotation has its assignment's state, and those are counted by an index.
    work = Assignment.objects.filter(campaign=campaign)
    back = Annotation.objects.filter(
        campaign=campaign, current=True, stale=True, state=AnnotationState.RETURNED
    )
    tasks = work.filter(state__in=PAID_STATES).count() + back.count()
    seconds = Tally.objects.filter(campaign=campaign).aggregate(n=Sum("active_seconds"))["n"] or 0
    declared = TimeEntry.objects.filter(campaign=campaign, state=Decision.APPROVED)
    return tasks, minutes_of(seconds) + (declared.aggregate(n=Sum("minutes"))["n"] or 0)


def cost(campaign: Campaign, tasks: int, minutes: Decimal) -> Decimal:
    """What so much work in all costs: approved statements as they stand, the rest at what is paid now."""
    approved = list(Statement.objects.frozen().filter(campaign=campaign))
    rest = Terms.of(campaign).amount(*_beyond(approved, tasks, minutes))
    return rest + sum(row.total for row in approved)


def _beyond(approved: list[Statement], tasks: int, minutes: Decimal) -> tuple[int, Decimal]:
    """What of so much work the approved statements do not say."""
    told = [person for period in _told(approved).values() for person in period.values()]
    return tasks - sum(one.tasks for one in told), minutes - sum(one.minutes for one in told)


def is_owed(campaign: Campaign, basis: str) -> bool:
    """Whether work paid on this basis was done that no approved statement holds yet."""
    approved = list(Statement.objects.frozen().filter(campaign=campaign))
    tasks, minutes = _beyond(approved, *_done(campaign))
    return tasks > 0 if basis == PayBasis.TASK else minutes > 0


def minutes_of(seconds: int) -> Decimal:
    """Seconds as minutes, as they are shown and paid."""
    return _to_hundredths(Decimal(seconds) / 60)


def _to_hundredths(value: Decimal) -> Decimal:
    return value.quantize(HUNDREDTH, ROUND_HALF_UP)


def month(day: date) -> tuple[date, date]:
    """The first and the last day of the month that ``day`` lies in."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
