"""Guards that several labeling actions share: who leads a campaign, whose work an assignment is."""

from labeling.models.campaigns import Campaign, CampaignState
from labeling.models.tasks import Assignment
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, NotFound, PermissionDenied


def require_lead(actor: Actor, campaign: Campaign, permission: str = "campaigns.manage") -> None:
    """The actor holds the permission and leads this campaign; admins and system actors lead all."""
    require(actor, permission)
    if actor.is_system or (actor.user is not None and actor.user.role == Role.ADMIN):
        return
    if not campaign.leads.filter(pk=actor.user.pk if actor.user else None).exists():
        raise PermissionDenied(f"Only the leads of {campaign} may do this; ask one of them to add you.")


def require_unclosed(campaign: Campaign, purpose: str) -> Campaign:
    """The campaign's row, locked until the transaction ends, so that nobody closes it meanwhile.

    Raises :class:`Conflict` where it is closed; ``purpose`` ends the sentence: "reopen it to …".
    """
    # Not FOR UPDATE: a claim that has locked its task may still refer to the campaign, and neither waits for the other.
    locked = Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=campaign.pk)
    if locked.state == CampaignState.CLOSED:
        raise Conflict(f"{locked} is closed; reopen it to {purpose}.", code="closed")
    return locked


def person(actor: Actor) -> User:
    """The person who acts: work is done by people, not by programs."""
    if actor.user is None:
        raise PermissionDenied("A person has to do this; sign in as one.")
    return actor.user


def require_own(actor: Actor, assignment: Assignment) -> None:
    """The actor may label, and the assignment is theirs; to others it does not exist."""
    require(actor, "labeling.work")
    if actor.user is None or assignment.labeler_id != actor.user.pk:
        raise NotFound("There is no such task among yours; open it from your work page.")
