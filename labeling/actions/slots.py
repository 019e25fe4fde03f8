"""The counts that a task keeps about its slots; every change of a slot goes through here.

Each function changes the task's row in one statement, inside the caller's transaction, together with the
assignment's own row. The database refuses counts that do not fit (``labeling.models.tasks.Task``).
Assignments without a slot (gold, pilot, extra work) do not count.
"""

from django.db.models import Case, F, Value, When
from django.db.models.expressions import Combinable

from labeling.models.tasks import Assignment, Task


def take(assignment: Assignment) -> None:
    """A hold has begun. A reservation for its labeler is used up: whatever becomes of it, the rest is for others."""
    if assignment.slot is not None:
        Task.objects.filter(pk=assignment.task_id).update(
            live=F("live") + 1, reserved_for=_reserved_for_others(assignment)
        )


def pass_by(assignment: Assignment) -> None:
    """The task was declined without a hold; a reservation for whoever declined would keep it from everybody."""
    Task.objects.filter(pk=assignment.task_id).update(reserved_for=_reserved_for_others(assignment))


def _reserved_for_others(assignment: Assignment) -> Case:
    own = When(reserved_for=assignment.labeler_id, then=Value(None))
    return Case(own, default=F("reserved_for"))


def submit(assignment: Assignment) -> bool:
    """A held or returned slot was submitted; the task is done when all are. Returns whether it is."""
    if assignment.slot is None:
        return False
    # A withdrawn task stays so, yet what was held of it counts: it may be taken back, or put back.
    full = When(state=Task.State.OPEN, submitted__gte=F("overlap") - 1, then=Value(Task.State.DONE))
    Task.objects.filter(pk=assignment.task_id).update(
        submitted=F("submitted") + 1, state=Case(full, default=F("state"))
    )
    if assignment.task.overlap == 1:
        return True
    return Task.objects.filter(pk=assignment.task_id, state=Task.State.DONE).exists()


def reopen(assignment: Assignment) -> None:
    """A submission went back to its labeler (returned, or undone); the slot stays theirs."""
    if assignment.slot is not None:
        _back_to_open(assignment, submitted=F("submitted") - 1)


def free(assignment: Assignment, *, submitted: bool) -> None:
    """A slot is free again: skipped, ended, or its submission was rejected. Sets ``assignment.slot`` to none.

    The caller writes the assignment's row (slot and state) itself, in the same transaction.
    """
    if assignment.slot is None:
        return
    # Checked together, row by row: the slot's count must not fall below the submissions at any time.
    _back_to_open(assignment, live=F("live") - 1, submitted=F("submitted") - int(submitted))
    assignment.slot = None


def _back_to_open(assignment: Assignment, **counts: Combinable) -> None:
    done = When(state=Task.State.DONE, then=Value(Task.State.OPEN))
    Task.objects.filter(pk=assignment.task_id).update(
        state=Case(done, default=F("state")), disagreement=None, **counts
    )
