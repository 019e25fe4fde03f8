"""Taking tasks and letting go of them: claim, prefetch, extend, skip, decline, end.

A claim either finds work that is already the person's or takes a slot of a task, under the task's row
lock; unique constraints close what is left of a race. A hold with work in its draft never ends by itself.
"""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling import display, eligibility, gold, queue
from labeling.actions import budgets, safeguards, slots, tallies
from labeling.actions.guards import person, require_lead, require_own
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment, AssignmentState, Task, new_token
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.statements import Insert, Select, given

MOST_HELD = 10
"""Drafts that one person may hold at a time in one campaign."""

PREFETCH = timedelta(minutes=10)
"""How long a task is kept that was held ahead and not opened."""

SWEPT = 100
"""Expired holds that are cleared away at once, by whoever finds nothing else to take."""

_MEMBER = Select(
    lambda: Member.objects.select_related("user__labeling_profile", "campaign").filter(
        campaign=given("campaign", Member), user=given("user", Member)
    )
)
_ASSIGNMENT = Insert(Assignment)


def claim(actor: Actor, campaign: Campaign, *, another: bool = False, task: Task | None = None) -> Assignment:
    """The person's next task, held for them.

    Goes on with returned work and drafts first, unless ``another`` is wanted; ``task`` is taken if it is
    still to be had, else the next one. Raises :class:`Conflict` (code ``nothing_left``) when there is none.
    """
    require(actor, "labeling.work")
    member = _member(actor, campaign)
    work = queue.open_work(actor.user, campaign)
    if not another and (existing := queue.mine(work)):
        return existing
    return _take(actor, campaign, member, len(work), prefetched=False, wanted=task)


def prefetch(actor: Actor, campaign: Campaign) -> Assignment:
    """The task after this one, held for a moment, so that it is there at once."""
    require(actor, "labeling.work")
    member = _member(actor, campaign)
    work = queue.open_work(actor.user, campaign)
    ahead = next((a for a in work if a.prefetched and a.hold_until > timezone.now()), None)
    return ahead or _take(actor, campaign, member, len(work), prefetched=True)


def _member(actor: Actor, campaign: Campaign) -> Member:
    if not campaign.is_open:
        raise Conflict(
            f"{campaign} is {campaign.get_state_display().lower()}; no task can be claimed now.",
            code="not_open",
        )
    member = _MEMBER.first(campaign=campaign.pk, user=person(actor).pk)
    lacking = eligibility.missing(actor.user, campaign, member)
    if member is None or lacking:
        raise PermissionDenied(" ".join(lacking), code="not_eligible")
    if campaign.gold_rate and gold.is_due(member) and (reason := safeguards.check_gold(member)):
        raise PermissionDenied(eligibility.paused(reason), code="not_eligible")
    return member


def _take(
    actor: Actor,
    campaign: Campaign,
    member: Member,
    held: int,
    *,
    prefetched: bool,
    wanted: Task | None = None,
) -> Assignment:
    if held >= MOST_HELD:
        raise Conflict(
            f"You hold {held} tasks in {campaign} already; submit or skip one of them first.", code="too_many"
        )
    for _ in range(3):
        try:
            with transaction.atomic():
                has_room = budgets.take(campaign)
                taken = _take_once(actor, campaign, member, prefetched, wanted) if has_room else None
        except IntegrityError:
            wanted = None  # somebody else, or this person in another tab, was quicker
            continue
        if taken is not None:
            return taken
        if not end_expired(campaign):
            if not has_room:
                raise budgets.used_up()
            raise Conflict(f"There is no task left for you in {campaign} now.", code="nothing_left")
    raise Conflict("Many people are claiming tasks just now; try again.", code="busy", retryable=True)


def _take_once(
    actor: Actor, campaign: Campaign, member: Member, prefetched: bool, wanted: Task | None
) -> Assignment | None:
    found = queue.find(actor.user, campaign, member, lock=True, wanted=wanted)
    if found is None or found.task is None:
        return None
    now = timezone.now()
    assignment = Assignment(
        task=found.task,
        campaign=campaign,
        labeler=person(actor),
        slot=found.slot,
        held_at=now,
        hold_until=now + (PREFETCH if prefetched else timedelta(minutes=campaign.hold_minutes)),
        prefetched=prefetched,
        task_version=found.task.version,
        guideline_id=campaign.guideline_id,
        display=display.choose(found.task, campaign),
    )
    _ASSIGNMENT.execute(assignment)
    slots.take(assignment)
    if campaign.gold_rate:
        Member.objects.filter(pk=member.pk).update(claims=F("claims") + 1)
    audit.record(actor, "task.claim", found.task.reference)
    return assignment


def end_expired(campaign: Campaign) -> int:
    """Free the slots of holds that ran out with nothing written; returns how many."""
    over = Assignment.objects.expired(timezone.now()).filter(campaign=campaign)
    return sum(_expire(pk) for pk in over.values_list("pk", flat=True)[:SWEPT])


@transaction.atomic
def _expire(pk: int) -> bool:
    # Locked and looked at again: its labeler may have saved something in this very moment.
    locked = Assignment.objects.select_for_update(skip_locked=True, of=("self",))
    assignment = locked.expired(timezone.now()).filter(pk=pk).first()
    if assignment is None:
        return False
    _let_go(assignment, AssignmentState.ENDED, "The hold ran out.")
    return True


def open_hold(assignment: Assignment, until: datetime | None = None) -> None:
    """The labeler looks at a task that was held ahead: the campaign's whole hold begins now."""
    until = until or timezone.now() + timedelta(minutes=assignment.campaign.hold_minutes)
    opened = Assignment.objects.filter(pk=assignment.pk, prefetched=True, state=AssignmentState.HELD)
    opened.update(prefetched=False, held_at=timezone.now(), hold_until=until)


@transaction.atomic
def extend(actor: Actor, assignment: Assignment) -> Assignment:
    """Start the hold anew."""
    require_own(actor, assignment)
    until = timezone.now() + timedelta(minutes=assignment.campaign.hold_minutes)
    held = Assignment.objects.filter(pk=assignment.pk, state=AssignmentState.HELD)
    if not held.update(hold_until=until, held_at=timezone.now(), prefetched=False):
        raise _not_held(assignment)
    assignment.refresh_from_db()
    audit.record(actor, "task.extend", assignment.task.reference)
    return assignment


@transaction.atomic
def skip(actor: Actor, assignment: Assignment, reason: str) -> Assignment:
    """Give a held task back, saying why; the draft stays readable in its history. It is not offered again."""
    require_own(actor, assignment)
    reason = " ".join(reason.split())
    if not reason:
        raise InvalidInput(
            "Say in a few words why you skip it; leads read this.", code="no_reason", field="reason"
        )
    locked = _lock(assignment)
    if locked.state != AssignmentState.HELD:
        raise _not_held(locked)
    _let_go(locked, AssignmentState.SKIPPED, reason[:500])
    tallies.add(locked.campaign_id, locked.labeler_id, skipped=1)
    audit.record(actor, "task.skip", locked.task.reference, reason=reason[:500])
    return locked


@transaction.atomic
def decline(actor: Actor, task: Task) -> None:
    """Say no to a task that was only offered: it is not offered to this person again, and costs nothing."""
    require(actor, "labeling.work")
    values = {
        "campaign_id": task.campaign_id,
        "state": AssignmentState.SKIPPED,
        "hold_until": timezone.now(),
        "reason": "declined",
    }
    # Pressed twice at once it is declined once.
    declined, made = Assignment.objects.get_or_create(task=task, labeler=person(actor), defaults=values)
    if made:
        slots.pass_by(declined)
        # The next offer is drawn anew: whoever declines on and on does not get known answers alone.
        Member.objects.filter(campaign=task.campaign_id, user=actor.user).update(claims=F("claims") + 1)
        audit.record(actor, "task.decline", task.reference)


@transaction.atomic
def end(actor: Actor, assignment: Assignment, reason: str) -> Assignment:
    """A lead ends somebody's hold, with or without work in it. The draft is kept with the assignment."""
    require_lead(actor, assignment.campaign)
    locked = _lock(assignment)
    if not locked.is_open:
        raise Conflict(
            f"This task is {locked.get_state_display().lower()} and held by nobody.", code="not_held"
        )
    _let_go(locked, AssignmentState.ENDED, reason.strip()[:500] or "A lead ended the hold.")
    audit.record(
        actor, "task.end", locked.task.reference, labeler=locked.labeler.pseudonym, reason=reason[:500]
    )
    return locked


def _lock(assignment: Assignment) -> Assignment:
    return Assignment.objects.select_for_update(of=("self",)).select_related("task").get(pk=assignment.pk)


def _let_go(assignment: Assignment, state: AssignmentState, reason: str) -> None:
    slots.free(assignment, submitted=False)
    assignment.state, assignment.reason, assignment.prefetched = state, reason, False
    assignment.hold_token = new_token()
    assignment.save(update_fields=["slot", "state", "reason", "prefetched", "hold_token"])
    count_time(assignment)


def count_time(assignment: Assignment) -> None:
    """Work that ends without a submission took its time all the same: what its submissions have not counted yet."""
    last = assignment.annotations.order_by("-attempt").only("active_seconds", "idle_seconds").first()
    seconds = tallies.seconds_since(last, assignment)
    if any(seconds.values()):
        tallies.add(assignment.campaign_id, assignment.labeler_id, None, **seconds)


def _not_held(assignment: Assignment) -> Conflict:
    state = Assignment.objects.get(pk=assignment.pk).get_state_display().lower()
    return Conflict(f"This task is {state} now, so this can no longer be done.", code="not_held")
