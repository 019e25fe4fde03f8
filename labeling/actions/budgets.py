"""A campaign's budget: nothing more is claimed once what was done and what is held has used it up. Held work goes on.

A campaign that is far from its budget is counted now and then, by whoever claims when that is due. Once there is
room for few claims, each is counted down on the campaign's own row, which its transaction keeps locked: claims at
once cannot pass the budget together. Tasks are counted exactly; hours to a few seconds, held ones as expected.
"""

from datetime import timedelta

from django.utils import timezone

from labeling import budget
from labeling.models.campaigns import Campaign
from tilth.errors import Conflict

FEW = 1_000
PACE = 400
"""Claims a second with which the next count reckons: twice what one campaign was seen to bear."""

SOON, EMPTY, LATEST = timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=1)
OUT = "This campaign is out of budget; your lead knows. What you hold goes on."


def take(campaign: Campaign) -> bool:
    """Use up room for one claim, inside the claim's transaction; whether there was any.

    Asks the database nothing while the last count stands and found room for many, or for none.
    """
    if not campaign.is_limited:
        return True
    if _stands(campaign) and campaign.budget_left in {None, 0}:
        return campaign.budget_left is None
    # Not FOR UPDATE: rows that refer to the campaign may come in meanwhile.
    row = Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=campaign.pk)
    if not _stands(row):
        _count(row)
    has_room = row.budget_left != 0
    if row.budget_left:
        row.budget_left -= 1
    row.save(update_fields=["budget_left", "budget_due"])
    campaign.budget_left, campaign.budget_due = row.budget_left, row.budget_due
    return has_room


def _stands(campaign: Campaign) -> bool:
    return campaign.budget_due is not None and campaign.budget_due > timezone.now()


def _count(row: Campaign) -> None:
    room = max(0, budget.room(row))
    row.budget_left = room if room < FEW else None
    wait = min(LATEST, timedelta(seconds=room / PACE)) if room >= FEW else SOON if room else EMPTY
    row.budget_due = timezone.now() + wait


def used_up() -> Conflict:
    """What is said to whoever wants to claim and cannot."""
    return Conflict(OUT, code="out_of_budget")
