"""Who takes part in a campaign: invited, joined with consent, paused, gone.

People are invited by account or by address (``rosterfiles.py``); whoever has no account yet gets an
invitation to one, and becomes a member when they first open their work.
"""

import hashlib
from typing import Any

from django.db import transaction
from django.utils import timezone

from labeling.actions.guards import person, require_lead, require_unclosed
from labeling.models.campaigns import Campaign, Member, Profile, RosterInvite
from labeling.protocol.cohort import tidy
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import can, require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

LABELING = Actor.system("labeling")
State = Member.State


@transaction.atomic
def invite(actor: Actor, campaign: Campaign, user: User, *, weekly_minutes: int = 0) -> Member:
    """Invite somebody who has an account; whoever had left is invited anew."""
    require_lead(actor, campaign)
    require_unclosed(campaign, "invite people")
    if not can(user, "labeling.work"):
        raise InvalidInput(
            f"{user} is a {user.get_role_display().lower()} and does not label; an admin can change the role.",
            code="wrong_role",
            field="user",
        )
    member, made = Member.objects.get_or_create(
        campaign=campaign,
        user=user,
        defaults={"invited_by": actor.user, "weekly_minutes": _minutes(weekly_minutes)},
    )
    again = {"state": State.INVITED, **({"weekly_minutes": weekly_minutes} if weekly_minutes else {})}
    if not made and not Member.objects.filter(pk=member.pk, state=State.LEFT).update(**again):
        raise Conflict(f"{user} takes part in {campaign} already.", code="already_member", field="user")
    member.refresh_from_db()
    audit.record(actor, "member.invite", campaign.reference, labeler=user.pseudonym)
    return member


@transaction.atomic
def claim_invites(user: User) -> int:
    """Turn waiting invitations to this address into memberships; returns how many."""
    waiting = list(RosterInvite.objects.filter(email__iexact=user.email).select_related("campaign"))
    for row in waiting:
        member, made = Member.objects.get_or_create(
            campaign=row.campaign,
            user=user,
            defaults={"invited_by": row.invited_by, "weekly_minutes": row.fields.get("weekly_minutes", 0)},
        )
        if not made:  # left under another address
            Member.objects.filter(pk=member.pk, state=State.LEFT).update(state=State.INVITED)
        describe(user, row.fields)
        row.delete()
        audit.record(Actor(user=user), "member.claim_invite", row.campaign.reference)
    return len(waiting)


@transaction.atomic
def withdraw_invite(actor: Actor, row: RosterInvite) -> None:
    """Take back an invitation that nobody has followed."""
    require_lead(actor, row.campaign)
    audit.record(actor, "member.withdraw_invite", row.campaign.reference)
    row.delete()


def describe(user: User, fields: dict[str, Any]) -> None:
    """Fill what the profile does not say yet; what people wrote themselves stays."""
    profile, _ = Profile.objects.get_or_create(user=user)
    for name in ("languages", "expertise", "region"):
        if fields.get(name) and not getattr(profile, name):
            setattr(profile, name, fields[name])
    profile.save()


@transaction.atomic
def join(actor: Actor, campaign: Campaign, *, consented: bool, read: str | None = None) -> Member:
    """Accept an invitation, or join an open campaign; what was agreed to is recorded.

    ``read`` is the :func:`digest` of the text that was shown: nobody agrees to one that they have not seen. Each
    text agreed to stays in the audit log.
    """
    user = person(actor)
    require(actor, "labeling.work")
    campaign = require_unclosed(campaign, "take part")
    member = Member.objects.select_for_update(of=("self",)).filter(campaign=campaign, user=user).first()
    if member is None or member.state == State.LEFT:
        if not campaign.open_to_all:
            raise Conflict(f"You are not invited to {campaign}; ask a lead.", code="not_invited")
        member = member or Member(campaign=campaign, user=user)
    if campaign.consent and not consented:
        raise InvalidInput("Tick that you agree to take part.", code="no_consent", field="consented")
    if read is not None and read != digest(campaign.consent):
        raise Conflict("The text has changed meanwhile; read it again before you agree.", code="moved")
    # Leaving and coming back lifts no pause: a lead does.
    member.state = State.PAUSED if member.paused_at else State.ACTIVE
    member.consented_at, member.consent_text = timezone.now(), campaign.consent
    member.save()
    audit.record(actor, "member.join", campaign.reference, consent=campaign.consent)
    return member


def digest(text: str) -> str:
    """A short text that stands for a consent text, for the form that shows it."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@transaction.atomic
def pause(actor: Actor, member: Member, reason: str) -> Member:
    """No new tasks for this person; what they hold stays theirs."""
    require_lead(actor, member.campaign)
    reason = reason.strip()[:300]
    if not reason:
        raise InvalidInput("Say why; the labeler reads this.", code="no_reason", field="reason")
    return _move(
        actor, member, "pause", State.PAUSED, (State.ACTIVE,), reason=reason, paused_at=timezone.now()
    )


@transaction.atomic
def resume(actor: Actor, member: Member) -> Member:
    """New tasks again; the record of known answers begins anew, else the next look would pause them again."""
    require_lead(actor, member.campaign)
    if actor.user is not None and actor.user.pk == member.user_id:
        raise PermissionDenied("Nobody lifts their own pause; ask another lead.")
    fresh = {"reason": "", "paused_at": None, "gold_since": timezone.now()}
    return _move(actor, member, "resume", State.ACTIVE, (State.PAUSED,), **fresh)


@transaction.atomic
def leave(actor: Actor, member: Member) -> Member:
    """Somebody leaves, or is taken out by a lead. Drafts stay with their tasks until handed over or ended;
    tasks that were only reserved are everybody's again."""
    if actor.user is None or actor.user.pk != member.user_id:
        require_lead(actor, member.campaign)
    left = _move(actor, member, "leave", State.LEFT, (State.INVITED, State.ACTIVE, State.PAUSED))
    member.campaign.tasks.filter(reserved_for=member.user_id).update(reserved_for=None)
    return left


def _move(actor: Actor, member: Member, verb: str, to: Member.State, sources: tuple, **fields: Any) -> Member:
    if not Member.objects.filter(pk=member.pk, state__in=sources).update(state=to, **fields):
        member.refresh_from_db()
        raise Conflict(f"{member.user} is {member.get_state_display().lower()} already.", code="wrong_state")
    member.refresh_from_db()
    audit.record(actor, f"member.{verb}", member.campaign.reference, labeler=member.user.pseudonym)
    return member


@transaction.atomic
def set_capacity(actor: Actor, member: Member, weekly_minutes: int) -> Member:
    """How much one person may work a week; 0 is not limited."""
    require_lead(actor, member.campaign)
    Member.objects.filter(pk=member.pk).update(weekly_minutes=_minutes(weekly_minutes))
    member.refresh_from_db()
    audit.record(actor, "member.capacity", member.campaign.reference, labeler=member.user.pseudonym)
    return member


def _minutes(value: int) -> int:
    if not 0 <= value <= 10_080:
        raise InvalidInput("A week has 10,080 minutes.", code="bad_capacity", field="weekly_minutes")
    return value


@transaction.atomic
def save_profile(actor: Actor, user: User, **fields: Any) -> Profile:
    """Languages, expertise and region: one's own, or by whoever may see labelers."""
    require(actor, "labeling.work" if actor.user == user else "labelers.view")
    profile, _ = Profile.objects.get_or_create(user=user)
    for name, value in fields.items():
        setattr(profile, name, tidy(value) if isinstance(value, str) else value)
    profile.save()
    audit.record(actor, "labeler.profile", user.reference)
    return profile
