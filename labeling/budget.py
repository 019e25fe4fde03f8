"""What a campaign's budget has room for: what is left of it when everything held has been handed in."""

from datetime import datetime
from decimal import Decimal

from django.db.models import F, Sum, Value
from django.db.models.functions import Greatest

from labeling import pay
from labeling.models.campaigns import Campaign, PayBasis
from labeling.models.tasks import OPEN_STATES, Assignment, AssignmentState


def held(campaign: Campaign) -> Decimal:
    """What open work will cost on top: its tasks, or its expected minutes (its own, where it took more)."""
    work, terms = Assignment.objects.open().filter(campaign=campaign), pay.Terms.of(campaign)
    if campaign.pay_basis == PayBasis.TASK:
        return terms.amount(work.count(), Decimal(0))
    least = Greatest(F("active_seconds"), Value(60.0 * campaign.expected_minutes))
    fresh = work.filter(state=AssignmentState.HELD)  # what was returned has been counted with its day
    return terms.amount(0, pay.minutes_of(round(fresh.aggregate(n=Sum(least))["n"] or 0)))


def room(campaign: Campaign) -> int:
    """For how many more claims the budget of a limited campaign has room; below nothing where it has been passed."""
    each = Decimal(campaign.pay_amount)
    if campaign.pay_basis == PayBasis.HOUR:
        each = each * campaign.expected_minutes / 60
        committed = held(campaign) + pay.spent(campaign)
    else:
        # One statement, so that what is handed in meanwhile is counted once: as held, or as done.
        work = Assignment.objects.filter(campaign=campaign, state__in=(*OPEN_STATES, *pay.PAID_STATES))
        committed = pay.cost(campaign, work.count(), Decimal(0))
    return int((Decimal(campaign.budget or 0) - committed) // each)


def is_used_up(campaign: Campaign, now: datetime) -> bool:
    """Whether no more can be claimed. Asks the database only where the last count found no room, and is old."""
    if not campaign.is_limited or campaign.budget_left != 0:
        return False
    fresh = campaign.budget_due is not None and campaign.budget_due > now
    return fresh or room(campaign) <= 0
