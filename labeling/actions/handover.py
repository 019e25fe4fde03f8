"""Work moved between people: reserved, returned in bulk, and a leaver's drafts handed over."""

from dataclasses import dataclass, field
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling import eligibility, queue
from labeling.actions import claims
from labeling.actions.guards import require_lead, require_unclosed
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment, AssignmentState, DraftRevision, Task
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
    require_unclosed(campaign, "reserve tasks")
    member = campaign.members.select_related("user__labeling_profile").filter(user=user).first()
    if member is None or member.state not in {Member.State.ACTIVE, Member.State.INVITED}:
        raise InvalidInput(
            f"{user} does not take part in {campaign} just now; invite them, or lift their pause.",
            field="labeler",
        )
    if lacking := eligibility.abilities(user, campaign):
        raise InvalidInput(f"{user} could not take them. {' '.join(lacking)}", field="labeler")
    free = queue.ordinary(user, campaign, member).for_anybody_but(user)
    if tasks is not None:
        free = free.filter(pk__in=[task.pk for task in tasks])
    elif not 1 <= count <= 1000:
        raise InvalidInput("Reserve 1 to 1,000 tasks at once.", code="bad_count", field="count")
    # Locked as a claim locks them, so that none is reserved that somebody is just taking.
    locked = free.order_by("live", "position").select_for_update(skip_locked=True, of=("self",))
    chosen = [task.pk for task in (locked if tasks is not None else locked[:count])]
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

    The receiver must be one who could claim it: nobody gets a task that was theirs before, whatever came of it
    then, nor one that they wrote, nor more than they may hold. Time stays with whoever spent it.
    """
    require_lead(actor, assignment.campaign)
    locked = Assignment.objects.select_for_update(of=("self",)).get(pk=assignment.pk)
    if locked.state != AssignmentState.HELD:
        raise Conflict(f"it is {locked.get_state_display().lower()}; only held tasks can be handed over.")
    _may_receive(receiver, locked)
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
    if locked.draft is not None:
        # A text of its own in the receiver's history: saves within the same ten minutes do not write over it.
        DraftRevision.objects.create(
            assignment=moved,
            revision=locked.draft_revision,
            payload=locked.draft,
            saved_at=locked.draft_at or timezone.now(),
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


def _may_receive(receiver: User, assignment: Assignment) -> None:
    """Raises where this person could not have claimed the task. Locks the task, so that they do not do so now."""
    campaign = require_unclosed(assignment.campaign, "hand tasks over")
    task = Task.objects.select_for_update(of=("self",)).get(pk=assignment.task_id)
    # Two tasks handed over at once are counted one after the other.
    members = Member.objects.select_for_update(of=("self",)).select_related("user")
    member = members.filter(campaign=campaign, user=receiver).first()
    if lacking := eligibility.missing(receiver, campaign, member):
        raise InvalidInput(f"{receiver} cannot take it. {' '.join(lacking)}", field="receiver")
    if Assignment.objects.filter(task=task, labeler=receiver).exists():
        raise Conflict(f"{receiver} had this task before.", code="seen_before")
    if task.author_id == receiver.pk and task.reserved_for_id != receiver.pk:
        raise Conflict(f"{receiver} wrote what is judged here.", code="own_task")
    if task.language and not queue.speaks(receiver, task.language):
        raise Conflict(f"{receiver} does not speak {task.language}.", code="language")
    if Assignment.objects.open().filter(campaign=campaign, labeler=receiver).count() >= claims.MOST_HELD:
        raise Conflict(f"{receiver} holds {claims.MOST_HELD} tasks already.", code="too_many")
