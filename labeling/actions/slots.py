"""The counts that a task keeps about its slots; every change of a slot goes through here.

Each function changes the task's row in one statement, inside the caller's transaction, together with the
assignment's own row. The database refuses counts that do not fit (``labeling.models.tasks.Task``).
Assignments without a slot (gold, pilot, extra work) do not count.
"""

from django.db.models import Case, F, QuerySet, Value, When
from django.db.models.expressions import Combinable

from labeling.models.tasks import Assignment, Task
from tilth.statements import Select, Update, given


def take(assignment: Assignment) -> None:
    """A hold has begun. A reservation for its labeler is used up: whatever becomes of it, the rest is for others."""
    if assignment.slot is not None:
        _TAKE.execute(pk=assignment.task_id, labeler=assignment.labeler_id)


def pass_by(assignment: Assignment) -> None:
    """The task was declined without a hold; a reservation for whoever declined would keep it from everybody."""
    _PASS_BY.execute(pk=assignment.task_id, labeler=assignment.labeler_id)


def _reserved_for_others() -> Case:
    own = When(reserved_for=given("labeler", Task, "reserved_for"), then=Value(None))
    return Case(own, default=F("reserved_for"))


def _changing(**changes: Combinable) -> tuple[QuerySet[Task], dict[str, Combinable]]:
    return Task.objects.filter(pk=given("pk", Task)), changes


_TAKE = Update(lambda: _changing(live=F("live") + 1, reserved_for=_reserved_for_others()))
_PASS_BY = Update(lambda: _changing(reserved_for=_reserved_for_others()))


# A withdrawn task stays so, yet what was held of it counts: it may be taken back, or put back.
def _full() -> Case:
    full = When(state=Task.State.OPEN, submitted__gte=F("overlap") - 1, then=Value(Task.State.DONE))
    return Case(full, default=F("state"))


_SUBMIT = Update(lambda: _changing(submitted=F("submitted") + 1, state=_full()))
_DONE = Select(lambda: Task.objects.filter(pk=given("pk", Task), state=Task.State.DONE).only("pk").order_by())


def submit(assignment: Assignment) -> bool:
    """A held or returned slot was submitted; the task is done when all are. Returns whether it is."""
    if assignment.slot is None:
        return False
    _SUBMIT.execute(pk=assignment.task_id)
    if assignment.task.overlap == 1:
        return True
    return _DONE.first(pk=assignment.task_id) is not None


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
