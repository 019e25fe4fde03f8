"""What lies on a labeler's desk: reads for the work page, the home page and offers."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling import budget, eligibility, queue
from labeling.actions import budgets
from labeling.models.annotations import UNDO, Annotation, AnnotationState
from labeling.models.campaigns import Campaign, Member, PayBasis
from labeling.models.quality import Exam
from labeling.models.tasks import Assignment, AssignmentState, Task
from tilth.errors import Conflict, PermissionDenied


@dataclass(frozen=True, slots=True)
class Place:
    """A campaign as one labeler sees it: what stands in the way, and whether anything is to be had."""

    campaign: Campaign
    member: Member | None
    missing: list[str]
    held: int

    @property
    def joined(self) -> bool:
        """Whether the person takes part already."""
        return self.member is not None and self.member.state in {Member.State.ACTIVE, Member.State.PAUSED}

    @property
    def paused(self) -> bool:
        """Whether new tasks are paused for the person."""
        return self.member is not None and self.member.state == Member.State.PAUSED

    @property
    def may_join(self) -> bool:
        """Whether taking part, or accepting a new text, is the next step."""
        if self.member is not None and self.joined:
            return bool(self.campaign.consent) and self.member.consent_text != self.campaign.consent
        return self.campaign.open_to_all or (
            self.member is not None and self.member.state == Member.State.INVITED
        )

    @property
    def exam(self) -> Exam | None:
        """The exam that stands in the way."""
        return self.campaign.exam if any("exam" in reason for reason in self.missing) else None


@dataclass(frozen=True, slots=True)
class Offer:
    """What somebody learns before claiming."""

    task: Task | None
    held: Assignment | None
    minutes: int
    pay: str
    due: date | None


def returned(user: Any) -> QuerySet[Assignment]:
    """Work that came back to this person, oldest first."""
    return _mine(user).filter(state=AssignmentState.RETURNED).order_by("id")


def drafts(user: Any) -> QuerySet[Assignment]:
    """Tasks held with or without text in them, the last touched first; not those held ahead."""
    held = _mine(user).filter(state=AssignmentState.HELD, prefetched=False)
    kept = held.exclude(draft_revision=0, hold_until__lt=timezone.now())
    return kept.order_by(Coalesce("draft_at", "held_at").desc(), "-id")


def _mine(user: Any) -> QuerySet[Assignment]:
    return Assignment.objects.filter(labeler=user).select_related("task", "campaign")


def places(user: Any) -> list[Place]:
    """Open campaigns in which this person is, or which they may join, those ready for work first."""
    open_ones = Campaign.objects.open()
    known = open_ones.filter(members__user=user).exclude(members__user=user, members__state=Member.State.LEFT)
    candidates = (known | open_ones.filter(open_to_all=True)).distinct()
    held = _held_by_campaign(user)
    members = {member.campaign_id: member for member in Member.objects.filter(user=user)}
    found = []
    for campaign in candidates.select_related("guideline__guideline", "exam__skill"):
        member = members.get(campaign.pk)
        lacking = eligibility.missing(user, campaign, member)
        lacking += [budgets.OUT] if budget.is_used_up(campaign, timezone.now()) else []
        found.append(Place(campaign, member, lacking, held.get(campaign.pk, 0)))
    return sorted(found, key=lambda place: (bool(place.missing), -place.campaign.pk))


def _held_by_campaign(user: Any) -> dict[int, int]:
    counts: dict[int, int] = {}
    for campaign in _mine(user).open().values_list("campaign", flat=True):  # type: ignore[attr-defined]
        counts[campaign] = counts.get(campaign, 0) + 1
    return counts


def offer(user: Any, campaign: Campaign) -> Offer:
    """The next task without taking it; :class:`Conflict` where there is none or the person may not work."""
    if not campaign.is_open:
        raise Conflict(f"{campaign} is {campaign.get_state_display().lower()} now.", code="not_open")
    lacking = eligibility.missing(user, campaign)
    if lacking:
        raise Conflict(" ".join(lacking), code="not_eligible")
    held = queue.mine(queue.open_work(user, campaign))
    if not held and budget.is_used_up(campaign, timezone.now()):
        raise budgets.used_up()
    member = Member.objects.select_related("user__labeling_profile").get(campaign=campaign, user=user)
    found = None if held else queue.find(user, campaign, member, lock=False)
    task = held.task if held else found.task if found else None
    if task is None:
        raise Conflict(f"There is no task left for you in {campaign} now.", code="nothing_left")
    return Offer(task, held, campaign.expected_minutes, pay_words(campaign), campaign.due)


def check_offered(user: Any, campaign: Campaign, task: Task) -> None:
    """Only what was offered can be declined: the task must be one that the queue would give."""
    offered = offer(user, campaign)
    if offered.task is None or offered.task.pk != task.pk or offered.held is not None:
        raise PermissionDenied("This task is not on offer to you any more; here is the next one.")


def pay_words(campaign: Campaign) -> str:
    """The pay in words, empty where nothing is paid here."""
    if campaign.pay_basis == PayBasis.NONE:
        return ""
    per = "task" if campaign.pay_basis == PayBasis.TASK else "active hour"
    return f"{Decimal(campaign.pay_amount):.2f} {campaign.currency} per {per}"


def just_done(user: Any, key: str) -> Annotation | None:
    """The submission of a moment ago, while it can still be taken back."""
    try:
        pk = UUID(key)
    except ValueError:
        return None
    fresh = Annotation.objects.filter(pk=pk, labeler=user, current=True, state=AnnotationState.SUBMITTED)
    return fresh.filter(submitted_at__gt=timezone.now() - UNDO).select_related("task", "campaign").first()
