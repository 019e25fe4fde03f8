"""Single tasks and selections of them: added, edited as a new version, withdrawn, made gold or pilot."""

from collections.abc import Iterator
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from labeling import budget, bulk, display
from labeling.actions import budgets
from labeling.actions.guards import require_lead, require_unclosed
from labeling.actions.submissions import fill_quota
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment, Task, TaskVersion
from labeling.protocol.kind import Answer
from labeling.protocol.taskrows import guess, read_row
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

Role, State = Task.Role, Task.State
FACETS = ("topic", "difficulty", "language")
BATCH = 500
MOST_CHANGED = 100_000
"""Tasks that one action changes at most, so that it ends while somebody waits for it."""

MOST_ROWS = 1_000
MOST_WAITING = 10
"""Prompts of one's own that may wait for an answer."""


@transaction.atomic
def add(actor: Actor, campaign: Campaign, row: dict[str, Any], *, role: str = Role.NORMAL) -> Task:
    """One task typed by a lead; ``row`` has any of the shapes that imports understand."""
    require_lead(actor, campaign)
    task = _store(campaign, [row], role)[0]
    audit.record(actor, "task.add", task.reference, campaign=campaign.reference)
    return task


@transaction.atomic
def add_many(
    actor: Actor, campaign: Campaign, rows: list[dict[str, Any]], *, role: str = Role.NORMAL
) -> list[Task]:
    """Up to 1,000 rows at once: all of them, or none with the number of the first bad one."""
    require_lead(actor, campaign)
    if not 0 < len(rows) <= MOST_ROWS:
        raise InvalidInput(f"Send 1 to {MOST_ROWS:,} rows at once; import larger files.", field="rows")
    made = _store(campaign, rows, role)
    audit.record(actor, "tasks.add", campaign.reference, tasks=len(made))
    return made


@transaction.atomic
def write_prompt(actor: Actor, campaign: Campaign, text: str, *, topic: str = "", language: str = "") -> Task:
    """A prompt that a labeler writes for themselves, where the campaign lets them; it is kept for its author."""
    require(actor, "labeling.work")
    assert actor.user is not None
    if not campaign.labelers_write_prompts:
        raise PermissionDenied(f"Prompts of {campaign} come from its leads.")
    if (
        not campaign.is_open
        or not campaign.members.filter(user=actor.user, state=Member.State.ACTIVE).exists()
    ):
        raise PermissionDenied(f"You cannot write prompts for {campaign} now.")
    if not text.strip():
        raise InvalidInput("Write the prompt.", code="no_prompt", field="text")
    if budget.is_used_up(campaign, timezone.now()):
        raise budgets.used_up()
    waiting = Task.objects.claimable().filter(campaign=campaign, author=actor.user, reserved_for=actor.user)
    if waiting.count() >= MOST_WAITING:
        raise Conflict(
            f"{MOST_WAITING} prompts of yours wait for their answer; write that first.", code="too_many"
        )
    row = {"prompt": text.strip(), "topic": topic, "language": language}
    campaign.members.filter(user=actor.user).update(reserved=True)
    task = _store(campaign, [row], Role.NORMAL, author=actor.user, reserved_for=actor.user)[0]
    audit.record(actor, "task.write", task.reference, campaign=campaign.reference)
    return task


def take_positions(campaign: int, count: int) -> int:
    """The first of so many places in a campaign's order that nobody else gets; call it in a transaction."""
    # The counter only ever grows, under its row's lock: no position comes twice.
    row = Campaign.objects.filter(pk=campaign)
    row.update(tasks_made=F("tasks_made") + count)
    return row.values_list("tasks_made", flat=True).get() - count + 1


class Authors:
    """People by pseudonym, asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {"": None}

    def __getitem__(self, pseudonym: str) -> int | None:
        if pseudonym not in self._known:
            found = User.objects.filter(pseudonym=pseudonym).values_list("pk", flat=True).first()
            self._known[pseudonym] = found
        return self._known[pseudonym]


def _store(campaign: Campaign, rows: list[dict[str, Any]], role: str, **fields: Any) -> list[Task]:
    if role not in Role.values:
        raise InvalidInput(f"Tasks are {', '.join(Role.values)}.", field="role")
    # Its overlap as it stands now, too: a lead may have changed it since the page was opened.
    campaign.overlap = require_unclosed(campaign, "add tasks").overlap
    first = take_positions(campaign.pk, len(rows))
    read = [_read(campaign, row, role, first, number) for number, row in enumerate(rows)]
    authors = Authors()
    for values in read:
        if values["author"]:
            values["author_id"] = authors[values["author"]]
    bulk.store(Task(campaign=campaign, overlap=campaign.overlap, role=role, **fields), read)
    campaign.refresh_from_db(fields=["tasks_made"])
    return list(
        campaign.tasks.filter(position__gte=first, position__lt=first + len(rows)).order_by("position")
    )


def _read(campaign: Campaign, row: dict[str, Any], role: str, first: int, number: int) -> dict[str, Any]:
    kind = campaign.task_kind
    try:
        source = f"campaign:{campaign.pk}:{first + number}"
        task = read_row(row, guess(row, kind), kind, campaign.schema, source)
        if role == Role.GOLD and task.gold is None:
            raise InvalidInput("a task with a known answer needs it (gold)", code="no_gold", field="gold")
        values = {**task.to_columns(), "position": first + number}
    except InvalidInput as error:
        raise InvalidInput(f"row {number + 1}: {error.message}", error.code, field=error.field) from None
    return {**values, "role": Role.GOLD.value} if task.gold is not None and role == Role.NORMAL else values


@transaction.atomic
def edit(
    actor: Actor, task: Task, payload: dict[str, Any], *, version: int, note: str = "", **fields: str
) -> Task:
    """Change what a task says; what it said before is kept as a version. Answers shown never change."""
    require_lead(actor, task.campaign)
    locked = Task.objects.select_for_update(of=("self",)).select_related("campaign").get(pk=task.pk)
    if locked.version != version:
        raise Conflict("Somebody else edited this task meanwhile; load it again.", code="moved")
    answers: list[Answer] = display.answers(locked)
    checked = locked.campaign.task_kind.check_task(payload, answers)
    facets = {name: fields.get(name, getattr(locked, name)).strip() for name in FACETS}
    moved = any(getattr(locked, name) != value for name, value in facets.items())
    if checked == locked.payload and not moved:
        raise Conflict("Nothing was changed.", code="no_change")
    if checked != locked.payload:
        TaskVersion.objects.create(
            task=locked, number=locked.version, payload=locked.payload, note=note[:300], edited_by=actor.user
        )
        locked.version += 1
    counted = locked.assignments.filter(slot__isnull=False, annotations__current=True).distinct().count()
    if moved and counted:
        fill_quota(locked, -counted)
    Task.objects.filter(pk=locked.pk).update(payload=checked, version=locked.version, **facets)
    audit.record(actor, "task.edit", locked.reference, version=locked.version)
    locked.refresh_from_db()
    if moved and counted:
        fill_quota(locked, counted)
    return locked


@transaction.atomic
def set_gold(actor: Actor, task: Task, answer: Any) -> Task:
    """Make a task one with a known answer, before anybody has it; it is given to everybody at the gold rate.

    A known answer that was wrong can be corrected at any time: what was answered is scored again.
    """
    require_lead(actor, task.campaign)
    kind = task.campaign.task_kind
    if kind.read_gold is None:
        raise InvalidInput("Written work has no known answers.", code="no_gold", field="gold")
    try:
        gold = kind.read_gold(answer, task.campaign.schema)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"{error}".capitalize() or "That is no answer of this kind.", field="gold"
        ) from None
    locked = Task.objects.select_for_update(of=("self",)).get(pk=task.pk)
    if locked.role != Role.GOLD and locked.assignments.exists():
        raise Conflict(
            "Somebody has this task already; add a copy of it as one with a known answer.", "in_use"
        )
    Task.objects.filter(pk=task.pk).update(role=Role.GOLD, gold=gold, reserved_for=None)
    _score_again(locked, gold)
    audit.record(actor, "task.gold", task.reference)
    task.refresh_from_db()
    return task


def _score_again(task: Task, gold: dict[str, Any]) -> None:
    score = task.campaign.task_kind.score
    assert score is not None
    for row in task.annotations.only("payload"):
        task.annotations.filter(pk=row.pk).update(gold_score=score(row.payload, gold, task.campaign.schema))


@transaction.atomic
def set_role(actor: Actor, campaign: Campaign, chosen: QuerySet[Task], role: str) -> int:
    """Make tasks that nobody has had pilot tasks, or ordinary ones again; returns how many changed.

    Ordinary ones have no known answer: a gold task loses it. At most :data:`MOST_CHANGED` change at once.
    """
    require_lead(actor, campaign)
    if role not in {Role.NORMAL, Role.PILOT}:
        raise InvalidInput(
            "Tasks become ordinary or pilot tasks here; known answers are set one by one.", field="role"
        )
    changed = 0
    for ids in _batches(chosen.filter(campaign=campaign, live=0).exclude(role=role)):
        # Under the rows' locks, as a claim takes them: whoever has a task has it before this, or comes after.
        locked = list(
            Task.objects.select_for_update(of=("self",)).filter(pk__in=ids).values_list("pk", flat=True)
        )
        taken = Assignment.objects.filter(task__in=locked).values("task")
        free = Task.objects.filter(pk__in=locked).exclude(pk__in=taken)
        changed += free.update(role=role, **({"gold": None} if role == Role.NORMAL else {}))
        if changed >= MOST_CHANGED:
            break
    audit.record(actor, "tasks.role", campaign.reference, role=role, tasks=changed)
    return changed


def _batches(rows: QuerySet[Task]) -> Iterator[list[int]]:
    """Ids of the rows in their order, so many at a time that no statement grows too long."""
    after = 0
    while found := list(
        rows.filter(position__gt=after).order_by("position")[:BATCH].values_list("pk", "position")
    ):
        yield [pk for pk, _ in found]
        after = found[-1][1]


@transaction.atomic
def withdraw(actor: Actor, campaign: Campaign, chosen: QuerySet[Task], *, withdrawn: bool = True) -> int:
    """Take tasks out of the queue, or put them back. Held work stays with its labelers.

    At most :data:`MOST_CHANGED` change at once; returns how many did.
    """
    require_lead(actor, campaign)
    before, after = (State.OPEN, State.WITHDRAWN) if withdrawn else (State.WITHDRAWN, State.OPEN)
    rows = chosen.filter(campaign=campaign, state=before)
    last = (
        rows.order_by("position").values_list("position", flat=True)[MOST_CHANGED - 1 : MOST_CHANGED].first()
    )
    changed = (rows if last is None else rows.filter(position__lte=last)).update(state=after)
    if not withdrawn:
        # The overlap may have changed while they were away; whoever has one keeps it.
        back = Task.objects.filter(campaign=campaign, state=State.OPEN, role=Role.NORMAL)
        back.exclude(overlap=campaign.overlap).update(overlap=Greatest("live", Value(campaign.overlap)))
        Task.objects.filter(
            campaign=campaign, state=State.OPEN, role=Role.NORMAL, submitted__gte=F("overlap")
        ).update(state=State.DONE)
    audit.record(actor, "tasks.withdraw" if withdrawn else "tasks.restore", campaign.reference, tasks=changed)
    return changed
