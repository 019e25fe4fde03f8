"""Drafts: saved by revision, so that two tabs (or two machines) never overwrite each other in silence.

A save names the revision it is based on and the token of the hold. It is one conditional update; where
the draft has moved on meanwhile, the text that lost is kept in the history and the caller gets both.
Saves, presence and progress are not audited.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.actions.claims import open_hold
from labeling.actions.guards import require_own
from labeling.models.tasks import OPEN_STATES, Assignment, DraftRevision
from labeling.models.time import Clock
from labeling.protocol import inputs as input_log
from labeling.protocol.activity import Spent, credit
from labeling.protocol.payload import check_payload
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput, NotFound
from tilth.statements import Insert, Update, given

BUCKET_SECONDS = 600
CLOCK = ("seen_at", "held_at", "active_seconds", "idle_seconds")


@dataclass(frozen=True, slots=True)
class Save:
    """What a browser sends: the text, what it is based on, and how it came about.

    ``active`` and ``idle`` are seconds since the last save or heartbeat that was answered.
    """

    token: str
    revision: int
    payload: dict[str, Any]
    tab: str = ""
    inputs: dict[str, int] | None = None
    active: float = 0.0
    idle: float = 0.0


class DraftMoved(Conflict):
    """The draft was changed elsewhere; ``assignment`` is as it stands, and the sent text is in the history."""

    code = "draft_moved"

    def __init__(self, assignment: Assignment) -> None:
        super().__init__("This task was changed in another tab or on another machine. Both texts are kept.")
        self.assignment = assignment


class HoldEnded(Conflict):
    """The task is no longer this person's to write; the sent text is in the history."""

    code = "hold_ended"
    status = 410


def save_draft(actor: Actor, assignment: Assignment, save: Save) -> Assignment:
    """Store a draft as the next revision; returns the assignment as it stands.

    Raises :class:`DraftMoved` when it is based on an older revision, :class:`HoldEnded` when the hold is
    over. In both cases what was sent has been kept.
    """
    require_own(actor, assignment)
    check_payload(save.payload)
    with transaction.atomic():
        stored = store(assignment, save)
    if not stored:
        raise kept(assignment, save)
    return assignment


def store(assignment: Assignment, save: Save, **more: Any) -> bool:
    """Write the draft if it is based on the newest revision, and ``more`` of its row; says whether it was.

    Call it inside a transaction.
    """
    if _write(assignment, save, more):
        return True
    # A heartbeat may have counted seconds since the row was read: once more, with the row locked.
    locked = _clock(assignment)
    for name in CLOCK:
        setattr(assignment, name, getattr(locked, name))
    return _write(assignment, save, more)


def _write(assignment: Assignment, save: Save, more: dict[str, Any]) -> bool:
    now = timezone.now()
    busy = _busy_until(assignment, save.active)
    since = assignment.seen_at or assignment.held_at
    spent, seen_at = spend(assignment, save.active, save.idle, now, busy)
    changes: dict[str, Any] = {
        "draft": save.payload,
        "draft_revision": save.revision + 1,
        "draft_at": now,
        "draft_tab": save.tab[:40],
        "prefetched": False,
        "seen_at": seen_at,
        "active_seconds": assignment.active_seconds + spent.active,
        "idle_seconds": assignment.idle_seconds + spent.idle,
        **more,
    }
    if save.inputs is not None:
        changes["inputs"] = input_log.clean(save.inputs)
    writing = _writing(tuple(sorted(changes)), assignment.seen_at is None)
    based_on = {
        "pk": assignment.pk,
        "token": save.token,
        "revision": save.revision,
        "seen": assignment.seen_at,
    }
    if not writing.execute(**based_on, **changes):
        return False
    _count_busy(assignment, spent, since, busy)
    for name, value in changes.items():
        setattr(assignment, name, value)
    remember(assignment)
    return True


@cache
def _writing(names: tuple[str, ...], first: bool) -> Update:
    """Changes these fields of an assignment whose draft and clock are as they were read (``first``: never seen)."""
    current = Assignment.objects.filter(
        pk=given("pk", Assignment),
        hold_token=given("token", Assignment, "hold_token"),
        state__in=OPEN_STATES,
        draft_revision=given("revision", Assignment, "draft_revision"),
    )
    if first:
        current = current.filter(seen_at=None)
    else:
        current = current.filter(seen_at=given("seen", Assignment, "seen_at"))
    changes = {name: given(name, Assignment) for name in names}
    return Update(lambda: (current, changes))


def _clock(assignment: Assignment) -> Assignment:
    """The assignment's clock as it stands, its row locked."""
    return Assignment.objects.select_for_update(of=("self",)).only(*CLOCK).get(pk=assignment.pk)


def spend(
    assignment: Assignment, active: float, idle: float, now: datetime, busy: datetime | None
) -> tuple[Spent, datetime]:
    """What of the reported seconds counts since the assignment was last heard of, and until when that counts.

    ``busy``: until when the person's work on any task has been counted. Seconds granted ahead of the clock are
    missing from the next report's: many reports get no more than one.
    """
    since = assignment.seen_at or assignment.held_at
    free = (now - max(since, busy or since)).total_seconds()
    spent = credit(active, idle, (now - since).total_seconds(), free)
    return spent, max(now, since + timedelta(seconds=spent.active + spent.idle))


def _busy_until(assignment: Assignment, active: float) -> datetime | None:
    """Until when this person's work has been counted, on whatever task; locked until the transaction ends.

    Not looked at where no work is reported. Taken before the assignment's own row by everybody who takes both.
    """
    if active <= 0:
        return None
    rows = Clock.objects.select_for_update(of=("self",)).filter(labeler=assignment.labeler_id)
    if not (found := rows.first()):
        first = Clock(labeler_id=assignment.labeler_id, busy_until=assignment.held_at)
        Clock.objects.bulk_create([first], ignore_conflicts=True)  # two first reports may come at once
        found = rows.get()
    return found.busy_until


def _count_busy(assignment: Assignment, spent: Spent, since: datetime, busy: datetime | None) -> None:
    """Move the person's clock on by what was counted as work."""
    if busy is not None and spent.active > 0:
        until = max(since, busy) + timedelta(seconds=spent.active)
        Clock.objects.filter(labeler=assignment.labeler_id).update(busy_until=until)


def remember(assignment: Assignment) -> None:
    """Keep the draft as the text of this ten minutes."""
    assert assignment.draft_at is not None
    point = DraftRevision(
        assignment=assignment,
        bucket=int(assignment.draft_at.timestamp()) // BUCKET_SECONDS,
        revision=assignment.draft_revision,
        payload=assignment.draft,
        saved_at=assignment.draft_at,
    )
    _POINT.execute(point)


_POINT = Insert(DraftRevision, unique=("assignment", "bucket"), update=("revision", "payload", "saved_at"))


def kept(assignment: Assignment, save: Save) -> Conflict:
    """Keep a text that could not be saved beside the one that stands, and say why it could not."""
    assignment.refresh_from_db()
    if save.payload != assignment.draft:
        texts = [(save.revision, save.payload), (assignment.draft_revision, assignment.draft)]
        DraftRevision.objects.bulk_create(
            DraftRevision(assignment=assignment, revision=revision, payload=payload)
            for revision, payload in texts
            if payload is not None
        )
    if assignment.is_open and assignment.hold_token == save.token:
        return DraftMoved(assignment)
    state = assignment.get_state_display().lower()
    why = f" ({assignment.reason})" if assignment.reason else ""
    return HoldEnded(f"This task is {state} now{why}. Your text is kept in its history.")


@transaction.atomic
def restore(
    actor: Actor, assignment: Assignment, point: DraftRevision, *, token: str, revision: int
) -> Assignment:
    """Make an earlier text the draft again, as a new revision; what stands now goes into the history first."""
    require_own(actor, assignment)
    if point.assignment_id != assignment.pk:
        raise NotFound("This task has no such earlier text.")
    if assignment.draft is not None and assignment.draft != point.payload:
        DraftRevision.objects.create(
            assignment=assignment, revision=assignment.draft_revision, payload=assignment.draft
        )
    if not store(assignment, Save(token=token, revision=revision, payload=point.payload)):
        raise DraftMoved(Assignment.objects.get(pk=assignment.pk))
    return assignment


@transaction.atomic
def presence(actor: Actor, assignment: Assignment, *, active: float, idle: float) -> None:
    """A heartbeat: measures, never decides. A hold taken ahead begins in earnest when the task is looked at."""
    require_own(actor, assignment)
    if active < 0 or idle < 0:
        raise InvalidInput("Seconds are never negative.", field="active")
    busy = _busy_until(assignment, active)
    clock = _clock(assignment)
    since = clock.seen_at or clock.held_at
    spent, seen_at = spend(clock, active, idle, timezone.now(), busy)
    _count_busy(assignment, spent, since, busy)
    Assignment.objects.filter(pk=assignment.pk, state__in=OPEN_STATES).update(
        seen_at=seen_at,
        active_seconds=F("active_seconds") + spent.active,
        idle_seconds=F("idle_seconds") + spent.idle,
    )
    if assignment.prefetched:
        open_hold(assignment)
