"""Handing in an annotation, and taking it back within a minute.

A submission is one transaction: the annotation, its assignment, the task's counts, the labeler's day,
the quota and the audit entry. It carries an idempotency key, so that a lost answer can be asked for again.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from labeling import display
from labeling.actions import drafts, safeguards, slots, tallies
from labeling.actions.drafts import Save
from labeling.actions.guards import require_own
from labeling.models.annotations import UNDO, Annotation, AnnotationState, Review
from labeling.models.campaigns import Campaign, Quota
from labeling.models.tasks import Assignment, AssignmentState, Task
from labeling.protocol import messages
from labeling.protocol.disagreement import disagreement
from labeling.protocol.kind import Problem, TaskView
from labeling.protocol.payload import check_payload
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput
from tilth.statements import Insert, Select, given


class NotReady(InvalidInput):
    """A payload that cannot be submitted as it is; ``problems`` say where and why."""

    code = "not_ready"
    status = 422

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.message for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Handed:
    """What is handed in: the last text, the key that makes repeating it harmless, and what the labeler saw.

    ``noticed``: the labeler has read what the safeguards found before submitting, and submits all the same.
    """

    save: Save
    key: str
    noticed: bool = False


def submit(actor: Actor, assignment: Assignment, handed: Handed) -> Annotation:
    """Hand in; the same key again gives the same annotation.

    Raises :class:`NotReady`, :class:`labeling.actions.drafts.DraftMoved`, or
    :class:`labeling.actions.safeguards.Noticed` with what the labeler should look at first.
    """
    require_own(actor, assignment)
    if not 8 <= len(handed.key) <= 64:
        raise InvalidInput("The idempotency key must have 8 to 64 characters.", field="key")
    save = replace(handed.save, payload=check_payload(handed.save.payload))
    campaign = assignment.campaign
    task = display.view_of(assignment.task, assignment.display)
    problems = campaign.task_kind.check(save.payload, task, campaign.schema)
    if problems:
        raise NotReady(problems)
    found = safeguards.before_submit(campaign, save.payload, noticed=handed.noticed)
    if not assignment.is_open and (earlier := _handed_before(assignment, handed.key)):
        return earlier
    with transaction.atomic():
        # The text first, under the same revision rule as any draft: it also locks the assignment's row.
        if drafts.store(assignment, save, state=AssignmentState.SUBMITTED, reason=""):
            annotation = _hand_in(actor, assignment, task, handed.key)
            safeguards.record(annotation, found)
            return annotation
    if earlier := _handed_before(assignment, handed.key):  # the same request, sent twice at once
        return earlier
    raise drafts.kept(assignment, save)


def _handed_before(assignment: Assignment, key: str) -> Annotation | None:
    return Annotation.objects.filter(idempotency_key=key, assignment=assignment).first()


def _hand_in(actor: Actor, assignment: Assignment, task: TaskView, key: str) -> Annotation:
    campaign, kind = assignment.campaign, assignment.campaign.task_kind
    payload: dict[str, Any] = assignment.draft or {}
    role = assignment.task.role
    last = _LAST.first(assignment=assignment.pk)
    if last is not None:
        assignment.annotations.filter(current=True).update(current=False)
    annotation = Annotation(
        assignment=assignment,
        task_id=assignment.task_id,
        campaign=campaign,
        labeler_id=assignment.labeler_id,
        attempt=last.attempt + 1 if last is not None else 1,
        role=role,
        payload=payload,
        payload_version=kind.version,
        measures=kind.measure(payload, task, campaign.schema),
        task_version=assignment.task_version,
        guideline_id=assignment.guideline_id,
        clauses=messages.cited(payload),
        display=assignment.display,
        inputs=assignment.inputs,
        active_seconds=assignment.active_seconds,
        idle_seconds=assignment.idle_seconds,
        idempotency_key=key,
    )
    annotation.comparison = _comparison(annotation, task, campaign)
    annotation.gold_score = _gold_score(annotation, assignment.task, campaign)
    annotation.reviews_wanted = _reviews_wanted(annotation, campaign)
    _ANNOTATION.execute(annotation)
    if slots.submit(assignment):
        measure_disagreement(assignment.task, campaign)
    _count(annotation, assignment, 1, **tallies.seconds_since(last, annotation))
    audit.record(actor, "annotation.submit", annotation.reference, task=assignment.task.reference)
    return annotation


_LAST = Select(
    lambda: (
        Annotation.objects.filter(assignment=given("assignment", Annotation))
        .order_by("-attempt")
        .only("attempt", "active_seconds", "idle_seconds")[:1]
    )
)
_ANNOTATION = Insert(Annotation)


def _comparison(annotation: Annotation, task: TaskView, campaign: Campaign) -> dict[str, Any] | None:
    """Who won, how long both answers were, and which stood first: what length and position bias are read from."""
    lengths = campaign.task_kind.lengths
    found = lengths(annotation.payload, task) if lengths is not None else None
    if found is None:
        return None
    return {"winner": found[0], "lengths": found[1], "first": (task.order or [0])[0]}


def _gold_score(annotation: Annotation, task: Task, campaign: Campaign) -> float | None:
    score = campaign.task_kind.score
    if task.gold is None or score is None:
        return None
    return score(annotation.payload, task.gold, campaign.schema)


def _reviews_wanted(annotation: Annotation, campaign: Campaign) -> int:
    """Whether this one is reviewed: drawn by its random id, so that nobody can tell beforehand.

    Known answers too: where everything is reviewed, what never is would show which they were.
    """
    if _counted_before(annotation):  # what came back is looked at again; what was merely undone is drawn anew
        return campaign.reviews_each
    drawn = int.from_bytes(hashlib.sha256(annotation.pk.bytes).digest()[:8], "big") / 2**64
    return campaign.reviews_each if drawn < campaign.review_rate else 0


def measure_disagreement(task: Task, campaign: Campaign) -> None:
    """Keep how far a finished task's annotations lie apart, for the list of what is worth reading."""
    if task.overlap == 1:
        return
    standing = Annotation.objects.filter(task=task, current=True).exclude(state=AnnotationState.REJECTED)
    values = list(standing.values_list("measures", flat=True))
    found = disagreement(campaign.task_kind.measures(campaign.schema), values)
    Task.objects.filter(pk=task.pk).update(disagreement=found)


def _count(annotation: Annotation, assignment: Assignment, sign: int, **seconds: int) -> None:
    """The labeler's day and the quota; with ``sign`` -1 everything but the time is taken back."""
    campaign, day = assignment.campaign, annotation.submitted_at.date()  # taken back after midnight, too
    fills = assignment.slot is not None and not _counted_before(annotation)
    tallies.add(campaign.pk, annotation.labeler_id, day, submitted=sign, filled=sign * fills, **seconds)
    if campaign.has_quotas and fills:
        fill_quota(assignment.task, sign)


def _counted_before(annotation: Annotation) -> bool:
    """Whether the slot has filled its quota with an earlier attempt that was not taken back."""
    earlier = Annotation.objects.filter(assignment=annotation.assignment_id, attempt__lt=annotation.attempt)
    return annotation.attempt > 1 and earlier.exclude(state=AnnotationState.UNDONE).exists()


def fill_quota(task: Task, by: int) -> None:
    """Count a submission in every quota cell that the task lies in."""
    cells = Q(topic__in=["", task.topic]) & Q(difficulty__in=["", task.difficulty])
    cells &= Q(language__in=["", task.language])
    Quota.objects.filter(cells, campaign_id=task.campaign_id).update(filled=F("filled") + by)


@transaction.atomic
def undo(actor: Actor, annotation: Annotation) -> Assignment:
    """Take a submission back within a minute: the draft is open again as if nothing had been sent."""
    assignment = Assignment.objects.select_related("task", "campaign").get(pk=annotation.assignment_id)
    require_own(actor, assignment)
    fresh = Annotation.objects.filter(
        pk=annotation.pk,
        current=True,
        state=AnnotationState.SUBMITTED,
        submitted_at__gt=timezone.now() - UNDO,
    )
    if not fresh.update(current=False, state=AnnotationState.UNDONE):
        raise Conflict("A submission can be taken back for one minute; that has passed.", code="too_late")
    earlier = assignment.annotations.exclude(state=AnnotationState.UNDONE).order_by("-attempt").first()
    if earlier is not None:
        Annotation.objects.filter(pk=earlier.pk).update(current=True)
    state = AssignmentState.RETURNED if earlier is not None else AssignmentState.HELD
    until = timezone.now() + timedelta(minutes=assignment.campaign.hold_minutes)
    Assignment.objects.filter(pk=assignment.pk).update(
        state=state, hold_until=until, reason=_note(earlier), guideline=assignment.campaign.guideline_id
    )
    slots.reopen(assignment)
    _count(annotation, assignment, -1)
    audit.record(actor, "annotation.undo", annotation.reference)
    assignment.refresh_from_db()
    return assignment


def _note(earlier: Annotation | None) -> str:
    """Why it had been returned, where it had been."""
    last = Review.objects.filter(annotation=earlier).last() if earlier else None
    return last.note[:500] if last else ""
