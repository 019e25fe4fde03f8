"""Which task somebody gets next: the one strategy, in one place.

In this order: work returned to me, my held drafts, a task reserved for me, a gold task when one is due,
the widest quota gap, then the least-annotated task first, in the campaign's own order. In a pilot
everybody gets the same few tasks. Ordinary tasks are locked as they are found (``SKIP LOCKED``, so nobody
waits for anybody); on SQLite the write transaction itself keeps others out.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from labeling.models.campaigns import Campaign, CampaignState, Member, Profile, Quota
from labeling.models.tasks import Assignment, AssignmentState, Task, TaskQuerySet
from tilth.statements import Select, given


@dataclass(frozen=True, slots=True)
class Next:
    """What the strategy found: work that is the person's already, or a task to take (with its slot)."""

    assignment: Assignment | None = None
    task: Task | None = None
    slot: int | None = None


def open_work(user: Any, campaign: Campaign) -> list[Assignment]:
    """Everything of the campaign that the person can go on with, oldest first; without the drafts' texts."""
    return _OPEN_WORK.all(labeler=user.pk, campaign=campaign.pk)


_OPEN_WORK = Select(
    lambda: (
        Assignment.objects.open()
        .filter(labeler=given("labeler", Assignment), campaign=given("campaign", Assignment))
        .order_by("id")
        .defer("draft")
    )
)


def mine(work: list[Assignment]) -> Assignment | None:
    """What of my open work I should go on with: returned first, then the draft I touched last, then a fresh hold."""
    returned = (a for a in work if a.state == AssignmentState.RETURNED)
    if found := next(returned, None):
        return found
    now = timezone.now()
    current = [a for a in work if a.draft_revision or a.hold_until >= now]
    drafts = [a for a in current if a.draft_at is not None]
    return max(drafts, key=lambda a: (a.draft_at, -a.pk)) if drafts else next(iter(current), None)


def find(
    user: Any, campaign: Campaign, member: Member, *, lock: bool, wanted: Task | None = None
) -> Next | None:
    """The next task that is not this person's yet. With ``lock`` its row is locked until the transaction ends.

    ``wanted`` (one that was offered a moment ago) is preferred wherever the strategy would allow it.
    """
    for tasks, in_slot in _sources(user, campaign, member):
        found = _first(tasks.filter(pk=wanted.pk), lock) if wanted else None
        found = found or _first(tasks, lock)
        if found is not None:
            return Next(task=found, slot=_free_slot(found) if in_slot else None)
    return _least_annotated(user, campaign, member, lock, wanted) or _kept_for_nobody(
        user, campaign, member, lock
    )


def _least_annotated(
    user: Any, campaign: Campaign, member: Member, lock: bool, wanted: Task | None
) -> Next | None:
    """Where nothing goes before: the ordinary task with the fewest people on it. Most claims end here."""
    if campaign.state == CampaignState.PILOT:
        return None
    if wanted or not lock or _spoken(member.user):
        tasks = _free(user, campaign, member).order_by("live", "position")
        found = _first(tasks.filter(pk=wanted.pk), lock) if wanted else None
        found = found or _first(tasks, lock)
    else:
        found = _LEAST_ANNOTATED.first(campaign=campaign.pk, user=user.pk)
    return Next(task=found, slot=_free_slot(found)) if found else None


def _kept_for_nobody(user: Any, campaign: Campaign, member: Member, lock: bool) -> Next | None:
    """At the very end what is reserved for somebody who has not joined, is paused or has no account any more."""
    if campaign.state == CampaignState.PILOT:
        return None
    present = campaign.members.filter(state=Member.State.ACTIVE, user__is_active=True).values("user")
    kept = ordinary(user, campaign, member).exclude(reserved_for=None).exclude(reserved_for__in=present)
    found = _first(kept.exclude(author=user).order_by("live", "position"), lock)
    return Next(task=found, slot=_free_slot(found)) if found else None


def _sources(user: Any, campaign: Campaign, member: Member) -> Iterator[tuple[TaskQuerySet, bool]]:
    """Places to look, in order, and whether a task from there uses up a slot."""
    if campaign.state == CampaignState.PILOT:
        yield _special(user, campaign, member, Task.Role.PILOT), False
        return
    if member.reserved:
        yield ordinary(user, campaign, member).filter(reserved_for=user).order_by("position"), True
    if gold_due(user, campaign, member.claims):
        yield _special(user, campaign, member, Task.Role.GOLD), False
    for quota in _gaps(campaign) if campaign.has_quotas else ():
        yield _in_cell(_free(user, campaign, member), quota).order_by("live", "position"), True


def ordinary(user: Any, campaign: Campaign, member: Member) -> TaskQuerySet:
    """Ordinary tasks that still need people, were never this person's, and are in a language that they speak."""
    tasks = Task.objects.claimable().filter(campaign=campaign).unseen_by(user)
    return _speakable(tasks, member)


def _free(user: Any, campaign: Campaign, member: Member) -> TaskQuerySet:
    return ordinary(user, campaign, member).for_anybody_but(user)


def _special(user: Any, campaign: Campaign, member: Member, role: Task.Role) -> TaskQuerySet:
    tasks = Task.objects.filter(campaign=campaign, role=role, state=Task.State.OPEN).unseen_by(user)
    return _speakable(tasks, member).order_by("position")


def _speakable(tasks: TaskQuerySet, member: Member) -> TaskQuerySet:
    """Tasks in a language that the person speaks, where either says anything about languages."""
    spoken = _spoken(member.user)
    return tasks.filter(Q(language="") | Q(language__in=spoken)) if spoken else tasks


def speaks(user: Any, language: str) -> bool:
    """Whether tasks in this language are for this person; whoever says nothing about languages gets all."""
    spoken = _spoken(user)
    return not spoken or language in spoken


def _spoken(user: Any) -> list[str]:
    try:
        return list(user.labeling_profile.languages)
    except Profile.DoesNotExist:
        return []


def gold_due(user: Any, campaign: Campaign, claims: int) -> bool:
    """Whether this claim is a gold one: by a hash, so that nobody can count along, yet tests can."""
    if not campaign.gold_rate:
        return False
    digest = hashlib.sha256(f"{user.pseudonym}:{campaign.pk}:{claims}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < campaign.gold_rate


def _gaps(campaign: Campaign) -> list[Quota]:
    """Quotas that are not filled, the widest gap (as a share of its target) first."""
    short = campaign.quotas.filter(filled__lt=F("target"))
    return sorted(short, key=lambda quota: (quota.filled / quota.target, quota.pk))


def _in_cell(tasks: TaskQuerySet, quota: Quota) -> TaskQuerySet:
    wanted = {"topic": quota.topic, "difficulty": quota.difficulty, "language": quota.language}
    return tasks.filter(**{name: value for name, value in wanted.items() if value})


def _locked(tasks: TaskQuerySet) -> TaskQuerySet:
    return tasks.select_for_update(skip_locked=True, of=("self",))


def _first(tasks: TaskQuerySet, lock: bool) -> Task | None:
    return (_locked(tasks) if lock else tasks).first()


def _least_annotated_for_anybody() -> TaskQuerySet:
    user = given("user", Assignment, "labeler")
    tasks = Task.objects.claimable().filter(campaign=given("campaign", Task))
    ordered = tasks.unseen_by(user).for_anybody_but(user).order_by("live", "position")
    return _locked(ordered)[:1]


_LEAST_ANNOTATED = Select(_least_annotated_for_anybody)


def _free_slot(task: Task) -> int:
    if task.live == 0:
        return 0
    used = {assignment.slot for assignment in _IN_SLOTS.all(task=task.pk)}
    return next(slot for slot in range(task.overlap) if slot not in used)


_IN_SLOTS = Select(
    lambda: (
        Assignment.objects.filter(task=given("task", Assignment), slot__isnull=False).only("slot").order_by()
    )
)
