"""Work moved between people: reserved, returned in bulk, and a leaver's drafts handed over."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.actions import claims
from labeling.actions.guards import require_lead
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment, AssignmentState, Task
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.errors import Conflict, InvalidInput, TilthError


@dataclass(slots=True)
class Handed:
    """What became of each assignment: how many were ended or moved, and why the others were not."""

    ended: int = 0
    moved: int = 0
    skipped: list[str] = field(default_factory=list)


@transaction.atomic
def reserve(
    actor: Actor, campaign: Campaign, user: User, *, count: int = 0, tasks: list[Task] | None = None
) -> int:
    """Keep tasks for one person: chosen ones, or the next ``count`` that are free. Returns how many."""
    require_lead(actor, campaign)
    if not campaign.members.filter(user=user, state__in=[Member.State.ACTIVE, Member.State.INVITED]).exists():
        raise InvalidInput(f"{user} does not take part in {campaign}; invite them first.", field="labeler")
    free = Task.objects.claimable().filter(campaign=campaign, reserved_for=None).unseen_by(user)
    if tasks is not None:
        chosen = [task.pk for task in tasks]
    elif 1 <= count <= 1000:
        chosen = list(free.order_by("live", "position").values_list("pk", flat=True)[:count])
    else:
        raise InvalidInput("Reserve 1 to 1,000 tasks at once.", code="bad_count", field="count")
    campaign.members.filter(user=user).update(reserved=True)
    reserved = Task.objects.filter(pk__in=chosen, campaign=campaign, reserved_for=None).update(
        reserved_for=user
    )
    if not reserved:
        raise Conflict(f"No task of {campaign} is free for {user}.", code="nothing_left")
    audit.record(actor, "task.reserve", campaign.reference, labeler=user.pseudonym, tasks=reserved)
    return reserved


@transaction.atomic
def release(actor: Actor, campaign: Campaign, user: User | None = None) -> int:
    """Give reserved tasks back to everybody: one person's, or all."""
    require_lead(actor, campaign)
    rows = campaign.tasks.filter(reserved_for__isnull=False)
    freed = (rows.filter(reserved_for=user) if user else rows).update(reserved_for=None)
    audit.record(actor, "task.release", campaign.reference, tasks=freed)
    return freed


def end_many(
    actor: Actor,
    campaign: Campaign,
    assignments: list[Assignment],
    *,
    reason: str,
    receiver: User | None = None,
) -> Handed:
    """End holds; with a ``receiver`` their drafts and slots go to that person instead of back to the queue."""
    require_lead(actor, campaign)
    result = Handed()
    for assignment in assignments:
        try:
            if receiver is None:
                claims.end(actor, assignment, reason)
                result.ended += 1
            else:
                hand_over(actor, assignment, receiver, reason=reason)
                result.moved += 1
        except TilthError as error:
            result.skipped.append(f"Task {assignment.task.position}: {error.message}")
    return result


@transaction.atomic
def hand_over(actor: Actor, assignment: Assignment, receiver: User, *, reason: str = "") -> Assignment:
    """Let somebody else go on with a draft: slot and files move with it, the old assignment keeps its text.

    Nobody gets a task that was theirs before, whatever came of it then.
    """
    require_lead(actor, assignment.campaign)
    locked = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
    if locked.state != AssignmentState.HELD:
        raise Conflict(f"it is {locked.get_state_display().lower()}; only held tasks can be handed over.")
    if not locked.campaign.members.filter(user=receiver).exclude(state=Member.State.LEFT).exists():
        raise InvalidInput(f"{receiver} does not take part in {locked.campaign}.", field="receiver")
    if Assignment.objects.filter(task=locked.task_id, labeler=receiver).exists():
        raise Conflict(f"{receiver} had this task before.", code="seen_before")
    slot, locked.slot = locked.slot, None
    locked.state, locked.reason = AssignmentState.ENDED, f"Handed over. {reason}".strip()[:500]
    locked.save(update_fields=["slot", "state", "reason"])
    claims.count_time(locked)
    moved = Assignment.objects.create(
        task_id=locked.task_id,
        campaign_id=locked.campaign_id,
        labeler=receiver,
        slot=slot,
        hold_until=timezone.now() + timedelta(minutes=locked.campaign.hold_minutes),
        task_version=locked.task_version,
        guideline_id=locked.guideline_id,
        display=locked.display,
        draft=locked.draft,
        draft_revision=locked.draft_revision,
        draft_at=locked.draft_at,
        inputs=locked.inputs,
    )
    locked.attachments.update(assignment=moved)
    Member.objects.filter(campaign=locked.campaign_id, user=receiver).update(claims=F("claims") + 1)
    audit.record(
        actor,
        "task.hand_over",
        locked.task.reference,
        before=locked.labeler.pseudonym,
        after=receiver.pseudonym,
    )
    return moved
