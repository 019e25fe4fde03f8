"""Review: taking the oldest submission, deciding on it, and adjudicating between several.

A submission may want several reviews; it is settled when the last is in. Where reviewers disagree (one
accepts, another does not) a lead decides: the annotation then waits with one more review, which only a
lead or admin is given. Every decision is one transaction over annotation, assignment, task and tally.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from labeling import display
from labeling.actions import slots, tallies
from labeling.actions.guards import person, require_lead
from labeling.actions.submissions import NotReady, fill_quota
from labeling.models.annotations import UNDO, Annotation, AnnotationQuerySet, AnnotationState, Review
from labeling.models.tasks import Assignment, AssignmentState, Task
from labeling.people import who
from labeling.protocol.payload import check_payload
from labeling.protocol.rubric import check_scores
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

HELD = timedelta(minutes=30)
"""How long a reviewer keeps a submission without deciding."""

Decision = Review.Decision
ACCEPTING = {Decision.ACCEPT, Decision.EDIT}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A reviewer's decision. ``comments``: passages (path, start, end, quote, text, clause)."""

    decision: str
    comments: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)
    note: str = ""
    payload: dict[str, Any] | None = None
    seconds: float = 0.0


def waiting(user: Any) -> AnnotationQuerySet:
    """Submissions that this person may review now, oldest first: not their own, not reviewed by them before.

    Nor those of a task that they are writing an answer to themselves: its answers are not theirs to read yet.
    """
    now = timezone.now()
    writing = Assignment.objects.open().filter(labeler=user, task=OuterRef("task"))
    rows = Annotation.objects.to_review().exclude(labeler=user).exclude(reviews__reviewer=user)
    rows = rows.exclude(Exists(writing))
    if user.role not in {Role.LEAD, Role.ADMIN}:
        rows = rows.exclude(contested=True)
    return rows.filter(Q(reviewer=None) | Q(reviewer=user) | Q(reviewing_until__lt=now))


def claim(actor: Actor, *, campaign: int | None = None, annotation: Annotation | None = None) -> Annotation:
    """The given submission, or the oldest that waits; kept for this reviewer for half an hour.

    Raises :class:`Conflict` (code ``nothing_left``) where nothing waits.
    """
    require(actor, "labeling.review")
    rows = waiting(actor.user)
    if campaign is not None:
        rows = rows.filter(campaign=campaign)
    if annotation is not None:
        rows = rows.filter(pk=annotation.pk)
    with transaction.atomic():
        found = rows.select_for_update(skip_locked=True, of=("self",)).first()
        if found is None:
            if annotation is not None:
                raise Conflict(
                    "Somebody else reviews this one, or it needs no review any more.", code="taken"
                )
            raise Conflict("Nothing waits for review.", code="nothing_left")
        Annotation.objects.filter(pk=found.pk).update(
            reviewer=actor.user, reviewing_until=timezone.now() + HELD
        )
    found.refresh_from_db()
    return found


@transaction.atomic
def release(actor: Actor, annotation: Annotation) -> None:
    """Give a submission back to the other reviewers."""
    require(actor, "labeling.review")
    Annotation.objects.filter(pk=annotation.pk, reviewer=actor.user).update(
        reviewer=None, reviewing_until=None
    )


@transaction.atomic
def decide(actor: Actor, annotation: Annotation, verdict: Verdict) -> Review:
    """Write a decision down and, when it is the last one wanted, carry it out."""
    require(actor, "labeling.review")
    locked = Annotation.objects.select_for_update(of=("self",)).get(pk=annotation.pk)
    _may_decide(actor, locked)
    checked = _checked(locked, verdict)
    review = Review.objects.create(
        annotation=locked,
        reviewer=person(actor),
        decision=checked.decision,
        comments=checked.comments,
        scores=checked.scores,
        note=checked.note.strip(),
        payload=checked.payload,
        seconds=max(0.0, min(checked.seconds, 86_400.0)),
    )
    audit.record(actor, "annotation.review", locked.reference, decision=checked.decision)
    _count_down(locked, review)
    return review


def _may_decide(actor: Actor, annotation: Annotation) -> None:
    reviewer = person(actor)
    if annotation.labeler_id == reviewer.pk:
        raise PermissionDenied("Nobody reviews their own work.")
    if annotation.reviews.filter(reviewer=reviewer).exists():
        raise Conflict("You have reviewed this one already.", code="reviewed")
    settled = annotation.submitted_at <= timezone.now() - UNDO
    if annotation.state != AnnotationState.SUBMITTED or not annotation.current or not settled:
        raise Conflict(
            f"This submission is {annotation.get_state_display().lower()}; load it again.", "not_open"
        )
    if annotation.contested and reviewer.role not in {Role.LEAD, Role.ADMIN}:
        raise PermissionDenied("Two reviewers disagree about this one; a lead decides.")
    held = annotation.reviewer_id not in {None, reviewer.pk}
    if held and annotation.reviewing_until and annotation.reviewing_until > timezone.now():
        raise Conflict("Somebody else reviews this one just now.", code="taken")


def _checked(annotation: Annotation, verdict: Verdict) -> Verdict:
    """The verdict with what it needs: reasons for a return, a valid text for an edit, scores for written work."""
    campaign = annotation.campaign
    if verdict.decision not in {Decision.ACCEPT, Decision.RETURN, Decision.EDIT, Decision.REJECT}:
        raise InvalidInput("Accept, return, edit or reject.", code="bad_decision", field="decision")
    sending_back = verdict.decision in {Decision.RETURN, Decision.REJECT}
    if sending_back and not (verdict.note.strip() or verdict.comments):
        raise InvalidInput("Say what is wrong; the labeler reads this.", code="no_note", field="note")
    scores = check_scores(verdict.scores, needed=not campaign.task_kind.closed)
    payload = check_edited(annotation, verdict.payload) if verdict.decision == Decision.EDIT else None
    comments = [_comment(comment) for comment in verdict.comments[:100]]
    return Verdict(verdict.decision, comments, scores, verdict.note[:5000], payload, verdict.seconds)


def check_edited(annotation: Annotation, payload: Any) -> dict[str, Any]:
    """A reviewer's own text, held to the same rules as the labeler's."""
    task = display.view_of(annotation.task, annotation.display)
    problems = annotation.campaign.task_kind.check(check_payload(payload), task, annotation.campaign.schema)
    if problems:
        raise NotReady(problems)
    return dict(payload)


def _comment(comment: dict[str, Any]) -> dict[str, Any]:
    text = str(comment.get("text") or "").strip()[:2000]
    if not text:
        raise InvalidInput("A comment on a passage says something.", code="empty_comment", field="comments")
    numbers = {name: max(0, int(comment.get(name) or 0)) for name in ("start", "end")}
    words = {name: str(comment.get(name) or "")[:500] for name in ("path", "quote", "clause")}
    return {**words, **numbers, "text": text}


def _count_down(annotation: Annotation, review: Review) -> None:
    left = max(0, annotation.reviews_wanted - 1)
    changes: dict[str, Any] = {"reviews_wanted": left, "reviewer": None, "reviewing_until": None}
    decisions = set(annotation.reviews.exclude(pk=review.pk).values_list("decision", flat=True))
    split = any(_outcome(decision) != _outcome(review.decision) for decision in decisions)
    if left == 0 and split and not annotation.contested:
        changes |= {"reviews_wanted": 1, "contested": True}
        Annotation.objects.filter(pk=annotation.pk).update(**changes)
        return
    Annotation.objects.filter(pk=annotation.pk).update(**changes)
    if left == 0:
        carry_out(annotation, review)


def _outcome(decision: str) -> str:
    """What a decision means for the labeler: an edit accepts; a return may be answered, a rejection costs the pay."""
    return Decision.ACCEPT if decision in ACCEPTING else decision


def carry_out(annotation: Annotation, review: Review) -> None:
    """Let the last decision take effect."""
    if review.decision in ACCEPTING:
        _accept(annotation)
    elif review.decision == Decision.RETURN:
        _return(annotation, review)
    else:
        _reject(annotation, review)


def _accept(annotation: Annotation) -> None:
    _move(annotation, AnnotationState.ACCEPTED)
    Assignment.objects.filter(pk=annotation.assignment_id).update(state=AssignmentState.ACCEPTED)
    tallies.add(annotation.campaign_id, annotation.labeler_id, accepted=1)


def _return(annotation: Annotation, review: Review) -> None:
    """Back to the same person with the same slot; the draft is what was submitted, the guideline today's."""
    _move(annotation, AnnotationState.RETURNED)
    # Else it would be paid as work that only a changed guideline gave back.
    Annotation.objects.filter(pk=annotation.pk, stale=True).update(stale=False)
    assignment = annotation.assignment
    Assignment.objects.filter(pk=assignment.pk).update(
        state=AssignmentState.RETURNED,
        guideline=annotation.campaign.guideline_id,
        draft=annotation.payload,
        draft_revision=F("draft_revision") + 1,
        draft_at=timezone.now(),
        reason=review.note[:500],
    )
    slots.reopen(assignment)
    tallies.add(annotation.campaign_id, annotation.labeler_id, returned=1)


def _reject(annotation: Annotation, review: Review) -> None:
    """The slot is free for somebody else; the text stays readable."""
    _move(annotation, AnnotationState.REJECTED)
    assignment = annotation.assignment
    if assignment.slot is not None:
        fill_quota(annotation.task, -1)
    slots.free(assignment, submitted=True)
    Assignment.objects.filter(pk=assignment.pk).update(
        state=AssignmentState.REJECTED, slot=None, reason=review.note[:500]
    )
    tallies.add(annotation.campaign_id, annotation.labeler_id, rejected=1)


def _move(annotation: Annotation, state: AnnotationState) -> None:
    open_ = Annotation.objects.filter(pk=annotation.pk, state=AnnotationState.SUBMITTED, current=True)
    if not open_.update(state=state):
        raise Conflict("This submission changed meanwhile; load it again.", code="not_open")
    annotation.state = state


@transaction.atomic
def reverse(actor: Actor, annotation: Annotation, note: str) -> Annotation:
    """Accept after all: an appeal was right. A rejected one takes a slot again if one is free, else it is extra."""
    require_lead(actor, annotation.campaign)
    locked = Annotation.objects.select_for_update(of=("self",)).select_related("task").get(pk=annotation.pk)
    if locked.state not in {AnnotationState.REJECTED, AnnotationState.RETURNED} or not locked.current:
        raise Conflict(f"This submission is {locked.get_state_display().lower()}.", code="not_open")
    if actor.user is not None and locked.labeler_id == actor.user.pk:
        raise PermissionDenied("Nobody decides on their own work; ask another lead.")
    assignment = Assignment.objects.select_for_update(of=("self",)).get(pk=locked.assignment_id)
    if locked.state == AnnotationState.REJECTED:
        _take_slot_again(assignment, locked.task_id)
    elif assignment.slot is not None:
        slots.submit(assignment)
    Annotation.objects.filter(pk=locked.pk).update(state=AnnotationState.ACCEPTED, reviews_wanted=0)
    Assignment.objects.filter(pk=assignment.pk).update(
        state=AssignmentState.ACCEPTED, slot=assignment.slot, reason=""
    )
    _take_back_decision(locked)
    tallies.add(locked.campaign_id, locked.labeler_id, accepted=1)
    audit.record(actor, "annotation.reverse", locked.reference, note=note[:500])
    locked.refresh_from_db()
    return locked


def _take_back_decision(annotation: Annotation) -> None:
    """What was wrong shall not stand in the labeler's record: it is taken out of the day on which it was decided."""
    wrong = "rejected" if annotation.state == AnnotationState.REJECTED else "returned"
    decision = Decision.REJECT if wrong == "rejected" else Decision.RETURN
    if last := annotation.reviews.filter(decision=decision).order_by("-at").first():
        tallies.add(annotation.campaign_id, annotation.labeler_id, last.at.date(), **{wrong: -1})


def _take_slot_again(assignment: Assignment, task: int) -> None:
    found = Task.objects.select_for_update(of=("self",)).get(pk=task)
    if found.live >= found.overlap or found.role != Task.Role.NORMAL:
        return
    used = set(found.assignments.filter(slot__isnull=False).values_list("slot", flat=True))
    assignment.slot = next(slot for slot in range(found.overlap) if slot not in used)
    slots.take(assignment)
    slots.submit(assignment)
    fill_quota(found, 1)


@transaction.atomic
def adjudicate(
    actor: Actor,
    task: Task,
    *,
    winner: Annotation,
    note: str,
    payload: dict[str, Any] | None = None,
    seen: str = "",
) -> Review:
    """Decide between the annotations of a task: one of them is the result, or a text that begins from it.

    All of them become ``adjudicated``: losing here is no rejection, and costs nobody their pay. What somebody
    else has decided is decided again by a lead alone, who names by ``seen`` (:func:`decision_mark`) the decision
    that they have read.
    """
    require(actor, "labeling.review")
    if not note.strip():
        raise InvalidInput("Say why, with the clauses that decide it.", code="no_note", field="note")
    rows = list(_adjudicable(task).select_for_update(of=("self",)))
    if winner.pk not in {row.pk for row in rows}:
        raise Conflict("This annotation is not among those to choose from.", code="not_open")
    if works_on(person(actor), task):
        raise PermissionDenied("Whoever annotated a task does not adjudicate it.")
    _not_over_somebody_else_s(actor, task, rows, seen)
    review = Review(
        annotation=winner,
        reviewer=person(actor),
        decision=Decision.ADJUDICATE,
        note=note.strip()[:5000],
        payload=_final_text(actor, winner, payload),
    )
    if last := _said_already(rows, review):
        return last
    review.save()
    for row in rows:
        Annotation.objects.filter(pk=row.pk).update(
            state=AnnotationState.ADJUDICATED, chosen=row.pk == winner.pk, reviews_wanted=0, reviewer=None
        )
        Assignment.objects.filter(pk=row.assignment_id).update(state=AssignmentState.ADJUDICATED)
    Task.objects.filter(pk=task.pk).update(disagreement=None)
    audit.record(
        actor, "task.adjudicate", task.reference, winner=winner.reference, edited=payload is not None
    )
    return review


def _said_already(rows: list[Annotation], review: Review) -> Review | None:
    """The decision that stands, where this one is it once more: a button pressed twice."""
    last = decision(rows)
    said = ("annotation_id", "reviewer_id", "note", "payload")
    same = last is not None and all(getattr(last, name) == getattr(review, name) for name in said)
    return last if same else None


def _final_text(actor: Actor, winner: Annotation, payload: dict[str, Any] | None) -> dict[str, Any] | None:
    """The decider's own text, if they wrote one: what another reviewer wrote stays that reviewer's."""
    last = edit(winner)
    if payload is None:
        return last.payload if last is not None and last.reviewer_id == person(actor).pk else None
    return check_edited(winner, payload)


def _not_over_somebody_else_s(actor: Actor, task: Task, rows: list[Annotation], seen: str) -> None:
    last = decision(rows)
    if last is None or last.reviewer_id == person(actor).pk:
        return
    if decision_mark(last) != seen:
        raise Conflict(
            f"{decision_words(actor.user, task, rows, last)} Load the page again to read it in full.",
            code="decided",
        )
    if not may_decide_again(actor.user, last):
        raise PermissionDenied("Somebody has decided on this task; only a lead decides again.")


def decision(rows: list[Annotation]) -> Review | None:
    """The decision that stands between these annotations; none once another answer has come in since."""
    if any(row.state != AnnotationState.ADJUDICATED for row in rows):
        return None
    found = Review.objects.filter(annotation__in=rows, decision=Decision.ADJUDICATE)
    return found.select_related("reviewer").order_by("at", "id").last()


def may_decide_again(user: Any, review: Review) -> bool:
    """Whether this person may replace a decision: their own, or as a lead anybody's."""
    return review.reviewer_id == user.pk or user.role in {Role.LEAD, Role.ADMIN}


def decision_mark(review: Review | None) -> str:
    """What tells one decision on a task from the next."""
    return f"{review.pk}:{review.at.isoformat()}" if review is not None else ""


def decision_words(viewer: Any, task: Task, rows: list[Annotation], review: Review) -> str:
    """What was decided and by whom, as far as ``viewer`` may know; answers by the numbers of the page."""
    by = who(viewer, task.campaign)(review.reviewer).replace("labeler ", "reviewer ")
    at = next(n for n, row in enumerate(rows, 1) if row.pk == review.annotation_id)
    text = ", with a final text of their own" if review.payload is not None else ""
    return f"{by} has decided on this task: answer {at}{text}. They say: “{review.note}”"


def edit(annotation: Annotation) -> Review | None:
    """The review whose text stands for what was submitted, where a reviewer edited or wrote it."""
    return annotation.reviews.exclude(payload=None).order_by("-at", "-id").first()


def edited(annotation: Annotation) -> dict[str, Any] | None:
    """The answer as a reviewer edited or decided it last; it stands for what was submitted."""
    last = edit(annotation)
    return last.payload if last is not None else None


def works_on(user: Any, task: Task) -> bool:
    """Whether this person has taken the task, whatever became of it."""
    return task.assignments.filter(labeler=user).exists()


def _adjudicable(task: Task) -> AnnotationQuerySet:
    states = [AnnotationState.SUBMITTED, AnnotationState.ACCEPTED, AnnotationState.ADJUDICATED]
    return Annotation.objects.settled().filter(task=task, state__in=states).order_by("submitted_at")


def adjudicable(task: Task) -> list[Annotation]:
    """The annotations between which can be decided."""
    return list(_adjudicable(task).select_related("labeler", "campaign"))
