"""Words of a lead to everybody in a campaign, and who has read them."""

from django.db import transaction

from labeling.actions.guards import person, require_lead
from labeling.models.campaigns import Announcement, Campaign, Member
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import InvalidInput, NotFound

LONGEST = 5_000
"""Characters of an announcement."""


@transaction.atomic
def announce(actor: Actor, campaign: Campaign, text: str) -> Announcement:
    """A word to everybody in the campaign."""
    require_lead(actor, campaign)
    if not text.strip():
        raise InvalidInput("Write what you want to say.", code="no_text", field="text")
    if len(text) > LONGEST:
        raise InvalidInput(f"Keep it to {LONGEST:,} characters.", code="too_long", field="text")
    row = Announcement.objects.create(campaign=campaign, text=text.strip(), created_by=actor.user)
    audit.record(actor, "campaign.announce", campaign.reference)
    return row


@transaction.atomic
def read(actor: Actor, campaign: Campaign, newest: int) -> None:
    """Somebody has read a campaign's announcements up to this one; what came since stays new.

    Like drafts and presence it is not audited.
    """
    require(actor, "labeling.work")
    if not campaign.announcements.filter(pk=newest).exists():
        raise NotFound(f"There is no such announcement in {campaign}.")
    member = campaign.members.filter(user=person(actor)).exclude(state=Member.State.LEFT)
    member.filter(news_read__lt=newest).update(news_read=newest)
