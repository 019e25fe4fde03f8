"""Talk about work: unclear guidelines, calls for help, appeals, disputes, pilot discussions.

Labelers see the threads that they opened and the discussions of campaigns they take part in; of a task they see
them once they have handed in their own answer, lest they answer alike, unless the campaign shows answers from the
start. Reviewers see all, leads all of their campaigns.
"""

from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from labeling.actions.guards import person, require_own
from labeling.models.annotations import Annotation, AnnotationState, Message, Thread
from labeling.models.campaigns import Campaign, Member, Visibility
from labeling.models.tasks import Assignment, Task
from labeling.people import leads_it
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role
from tilth.accounts.permissions import can, require
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied

LONGEST = 5_000
Topic = Thread.Topic


def visible(user: Any) -> QuerySet[Thread]:
    """Threads that this person may read."""
    rows = Thread.objects.select_related("campaign", "task", "opened_by")
    if user.role in {Role.ADMIN, Role.REVIEWER}:
        return rows
    taking_part = Member.objects.filter(user=user).exclude(state=Member.State.LEFT).values("campaign")
    answered = (
        Q(task=None) | Q(campaign__visibility=Visibility.ALWAYS) | Q(Exists(_answers(user, OuterRef("task"))))
    )
    mine = Q(opened_by=user) | Q(topic=Topic.DISCUSSION, campaign__in=taking_part) & answered
    if user.role == Role.LEAD:
        mine |= Q(campaign__in=user.campaigns_led.values("pk"))
    return rows.filter(mine)


def _answers(user: Any, task: Any) -> QuerySet[Annotation]:
    return Annotation.objects.filter(labeler=user, task=task).exclude(state=AnnotationState.UNDONE)


def find(user: Any, pk: int) -> Thread:
    """A thread that this person may read, or :class:`NotFound`."""
    thread = visible(user).filter(pk=pk).first()
    if thread is None:
        raise NotFound("There is no such conversation, or it is not open to you.")
    return thread


@transaction.atomic
def ask(actor: Actor, assignment: Assignment, *, topic: str, text: str, clause: str = "") -> Thread:
    """A question from the workspace: help wanted, or the guideline is unclear. The task stays held."""
    require_own(actor, assignment)
    if topic not in {Topic.HELP, Topic.UNCLEAR}:
        raise InvalidInput("Ask for help, or say that the guideline is unclear.", field="topic")
    return _open(actor, assignment.campaign, topic, text, clause=clause, task=assignment.task)


@transaction.atomic
def appeal(actor: Actor, annotation: Annotation, text: str) -> Thread:
    """A labeler asks for a decision on their work to be looked at again: once for each decision."""
    require_own(actor, annotation.assignment)
    # Locked, so that two clicks at once make one appeal.
    annotation = Annotation.objects.select_for_update(of=("self",)).get(pk=annotation.pk)
    if not may_appeal(annotation):
        raise Conflict("Only what was returned or rejected can be appealed.", code="nothing_to_appeal")
    if earlier := appeal_of(annotation):
        raise _appealed("decision", earlier)
    return _open(actor, annotation.campaign, Topic.APPEAL, text, task=annotation.task, annotation=annotation)


def may_appeal(annotation: Annotation) -> bool:
    """Whether there is a decision against this submission that stands."""
    against = {AnnotationState.RETURNED, AnnotationState.REJECTED}
    return annotation.current and annotation.state in against and not annotation.stale


def appeal_of(annotation: Annotation) -> Thread | None:
    """The appeal against the newest decision on this submission, open or decided."""
    last = annotation.reviews.order_by("at").last()
    rows = annotation.threads.filter(topic=Topic.APPEAL)
    return (rows.filter(opened_at__gte=last.at) if last else rows).order_by("-opened_at").first()


def appeal_of_pause(member: Member) -> Thread | None:
    """The appeal against the pause that stands, open or decided."""
    rows = Thread.objects.filter(
        topic=Topic.APPEAL, campaign=member.campaign_id, opened_by=member.user_id, annotation=None
    )
    return (rows.filter(opened_at__gte=member.paused_at) if member.paused_at else rows).first()


def _appealed(what: str, earlier: Thread) -> Conflict:
    if earlier.open:
        return Conflict(f"This {what} is under appeal already; write in that conversation.", code="appealed")
    return Conflict(
        f"Your appeal against this {what} has been decided: {earlier.outcome} There is one appeal for each "
        "decision; another is possible after a new one.",
        code="appeal_decided",
    )


@transaction.atomic
def appeal_pause(actor: Actor, member: Member, text: str) -> Thread:
    """A labeler whose new tasks are paused asks for that to be looked at again."""
    require(actor, "labeling.work")
    if actor.user is None or member.user_id != actor.user.pk or member.state != Member.State.PAUSED:
        raise PermissionDenied("Only a pause of your own can be appealed.")
    member = Member.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=member.pk)
    if earlier := appeal_of_pause(member):
        raise _appealed("pause", earlier)
    return _open(actor, member.campaign, Topic.APPEAL, text)


@transaction.atomic
def discuss(
    actor: Actor, campaign: Campaign, *, text: str, task: Task | None = None, clause: str = ""
) -> Thread:
    """Open a discussion for the campaign; about a task, for those who have handed in their answer to it."""
    require(actor, "labeling.work")
    assert actor.user is not None
    inside = campaign.members.filter(user=actor.user).exclude(state=Member.State.LEFT).exists()
    if not inside and not can(actor.user, "labeling.review"):
        raise PermissionDenied("Only those who take part in a campaign discuss it.")
    early = task is not None and campaign.visibility != Visibility.ALWAYS
    if early and not can(actor.user, "labeling.review") and not _answers(actor.user, task).exists():
        raise PermissionDenied("Hand in your own answer first; then discuss the task with the others.")
    return _open(actor, campaign, Topic.DISCUSSION, text, clause=clause, task=task)


def _open(
    actor: Actor,
    campaign: Campaign,
    topic: str,
    text: str,
    *,
    clause: str = "",
    task: Task | None = None,
    annotation: Annotation | None = None,
) -> Thread:
    if clause and (campaign.guideline is None or campaign.guideline.clause(clause) is None):
        raise InvalidInput(f"The guideline has no clause {clause!r}.", code="no_clause", field="clause")
    thread = Thread.objects.create(
        campaign=campaign,
        task=task,
        annotation=annotation,
        topic=topic,
        clause=clause,
        guideline=campaign.guideline,
        opened_by=person(actor),
    )
    _write(actor, thread, text)
    audit.record(actor, "thread.open", campaign.reference, thread=thread.pk, topic=topic)
    return thread


def _write(actor: Actor, thread: Thread, text: str) -> Message:
    text = text.strip()
    if not text:
        raise InvalidInput("Write something first.", code="no_text", field="text")
    if len(text) > LONGEST:
        raise InvalidInput(f"Keep it to {LONGEST:,} characters.", code="too_long", field="text")
    return Message.objects.create(thread=thread, author=person(actor), text=text)


@transaction.atomic
def reply(actor: Actor, thread: Thread, text: str) -> Message:
    """Write in an open thread."""
    _require_reader(actor, thread)
    if not Thread.objects.filter(pk=thread.pk, open=True).update(updated_at=timezone.now()):
        raise Conflict("This conversation is closed; reopen it to write in it.", code="closed")
    message = _write(actor, thread, text)
    audit.record(actor, "thread.reply", thread.campaign.reference, thread=thread.pk)
    return message


@transaction.atomic
def close(actor: Actor, thread: Thread, outcome: str = "") -> Thread:
    """End a thread with what came of it: by whoever opened it, a reviewer or a lead."""
    _require_reader(actor, thread)
    if not _may_close(actor.user, thread):
        raise PermissionDenied("Whoever opened it, a reviewer or a lead can close it.")
    outcome = outcome.strip()[:300]
    if thread.topic == Topic.APPEAL and not outcome:
        raise InvalidInput(
            "Say what was decided; the labeler reads this.", code="no_outcome", field="outcome"
        )
    values = {"open": False, "outcome": outcome, "updated_at": timezone.now()}
    if not Thread.objects.filter(pk=thread.pk, open=True).update(**values):
        raise Conflict("This conversation is closed already.", code="closed")
    thread.refresh_from_db()
    audit.record(actor, "thread.close", thread.campaign.reference, thread=thread.pk, outcome=outcome)
    return thread


def _may_close(user: Any, thread: Thread) -> bool:
    if can(user, "labeling.review"):
        return True
    return thread.opened_by_id == user.pk and thread.topic != Topic.APPEAL


@transaction.atomic
def reopen(actor: Actor, thread: Thread) -> Thread:
    """Go on with a closed thread; with an appeal that was decided, only whoever leads the campaign."""
    _require_reader(actor, thread)
    if thread.topic == Topic.APPEAL and not leads_it(actor.user, thread.campaign):
        raise PermissionDenied(
            "This appeal has been decided; only a lead of the campaign takes it up again. "
            "After a new decision another appeal is possible."
        )
    if not Thread.objects.filter(pk=thread.pk, open=False).update(open=True, updated_at=timezone.now()):
        raise Conflict("This conversation is open.", code="open")
    thread.refresh_from_db()
    audit.record(actor, "thread.reopen", thread.campaign.reference, thread=thread.pk)
    return thread


def _require_reader(actor: Actor, thread: Thread) -> None:
    require(actor, "labeling.work")
    if actor.user is None or not visible(actor.user).filter(pk=thread.pk).exists():
        raise NotFound("There is no such conversation, or it is not open to you.")
