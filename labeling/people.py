"""Who a labeler is, to whom: names for those who lead the campaign, pseudonyms for everybody else."""

from collections.abc import Callable
from typing import Any

from labeling.models.campaigns import Campaign
from tilth.accounts.models import Role


def leads_it(viewer: Any, campaign: Campaign) -> bool:
    """Whether this person leads the campaign; admins lead all."""
    if viewer.role == Role.ADMIN:
        return True
    return viewer.role == Role.LEAD and campaign.leads.filter(pk=viewer.pk).exists()


def sees_names(viewer: Any, campaign: Campaign) -> bool:
    """Whether this person may know who labels in the campaign: its leads and admins."""
    return leads_it(viewer, campaign)


def who(viewer: Any, campaign: Campaign) -> Callable[[Any], str]:
    """A function that names a person as ``viewer`` may know them; asks the database once."""
    named = sees_names(viewer, campaign)

    def name(person: Any) -> str:
        if named or person.pk == viewer.pk:
            return str(person)
        return f"labeler {person.pseudonym[:8]}"

    return name
