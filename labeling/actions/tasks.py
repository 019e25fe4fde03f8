"""Single tasks and selections of them: added, edited as a new version, withdrawn, made gold or pilot."""

from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from labeling import display
from labeling.actions.guards import require_lead
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Candidate, Task, TaskVersion
from labeling.protocol.kind import Answer
from labeling.protocol.taskrows import guess, read_row
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

Role, State = Task.Role, Task.State
MOST_ROWS = 1_000


@transaction.atomic
def add(actor: Actor, campaign: Campaign, row: dict[str, Any], *, role: str = Role.NORMAL) -> Task:
    """One task typed by a lead; ``row`` has any of the shapes that imports understand."""
    require_lead(actor, campaign)
    task = _store(campaign, row, role=role)
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
    made = []
    for number, row in enumerate(rows, start=1):
        try:
            made.append(_store(campaign, row, role=role))
        except InvalidInput as error:
            raise InvalidInput(f"row {number}: {error.message}", error.code, field=error.field) from None
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
    row = {"prompt": text.strip(), "topic": topic, "language": language}
    campaign.members.filter(user=actor.user).update(reserved=True)
    task = _store(campaign, row, role=Role.NORMAL, author=actor.user, reserved_for=actor.user)
    audit.record(actor, "task.write", task.reference, campaign=campaign.reference)
    return task


def _store(campaign: Campaign, row: dict[str, Any], *, role: str, **fields: Any) -> Task:
    kind = campaign.task_kind
    # The counter on the campaign's row only ever grows, under that row's lock: no position comes twice.
    Campaign.objects.filter(pk=campaign.pk).update(tasks_made=F("tasks_made") + 1)
    campaign.refresh_from_db(fields=["tasks_made"])
    source = f"campaign:{campaign.pk}:{campaign.tasks_made}"
    read = read_row(row, guess(row, kind), kind, campaign.schema, source)
    if role == Role.GOLD and read.gold is None:
        raise InvalidInput(
            "A task with a known answer needs that answer (gold).", code="no_gold", field="gold"
        )
    task = Task.objects.create(
        campaign=campaign,
        position=campaign.tasks_made,
        key=read.key,
        role=Role.GOLD if read.gold is not None and role == Role.NORMAL else role,
        payload=read.payload,
        gold=read.gold,
        topic=read.topic,
        difficulty=read.difficulty,
        language=read.language,
        overlap=campaign.overlap,
        **fields,
    )
    Candidate.objects.bulk_create(
        Candidate(
            task=task,
            position=answer.position,
            messages=answer.messages,
            model=answer.model,
            checkpoint=answer.checkpoint,
            sampling=answer.sampling,
        )
        for answer in read.answers
    )
    return task


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
    facets = {
        name: fields.get(name, getattr(locked, name)).strip() for name in ("topic", "difficulty", "language")
    }
    if checked == locked.payload and all(getattr(locked, name) == value for name, value in facets.items()):
        raise Conflict("Nothing was changed.", code="no_change")
    if checked != locked.payload:
        TaskVersion.objects.create(
            task=locked, number=locked.version, payload=locked.payload, note=note[:300], edited_by=actor.user
        )
        locked.version += 1
    Task.objects.filter(pk=locked.pk).update(payload=checked, version=locked.version, **facets)
    audit.record(actor, "task.edit", locked.reference, version=locked.version)
    locked.refresh_from_db()
    return locked


@transaction.atomic
def set_gold(actor: Actor, task: Task, answer: Any) -> Task:
    """Make a task one with a known answer, before anybody has it; it is given to everybody at the gold rate."""
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
    untouched = Task.objects.filter(pk=task.pk, live=0).exclude(assignments__isnull=False)
    if task.role != Role.GOLD and not untouched.exists():
        raise Conflict(
            "Somebody has this task already; add a copy of it as one with a known answer.", "in_use"
        )
    Task.objects.filter(pk=task.pk).update(role=Role.GOLD, gold=gold, reserved_for=None)
    audit.record(actor, "task.gold", task.reference)
    task.refresh_from_db()
    return task


@transaction.atomic
def set_role(actor: Actor, campaign: Campaign, chosen: QuerySet[Task], role: str) -> int:
    """Make untouched tasks pilot tasks, or ordinary ones again. Returns how many changed."""
    require_lead(actor, campaign)
    if role not in {Role.NORMAL, Role.PILOT}:
        raise InvalidInput(
            "Tasks become ordinary or pilot tasks here; known answers are set one by one.", field="role"
        )
    # Ids first: a selection may be cut or sorted, which an update cannot be.
    ids = list(
        chosen.filter(campaign=campaign, live=0, assignments=None, gold__isnull=True).values_list(
            "pk", flat=True
        )
    )
    changed = Task.objects.filter(pk__in=ids).update(role=role)
    audit.record(actor, "tasks.role", campaign.reference, role=role, tasks=changed)
    return changed


@transaction.atomic
def withdraw(actor: Actor, campaign: Campaign, chosen: QuerySet[Task], *, withdrawn: bool = True) -> int:
    """Take tasks out of the queue, or put them back. Held work stays with its labelers."""
    require_lead(actor, campaign)
    rows = chosen.filter(campaign=campaign)
    if withdrawn:
        changed = rows.filter(state=State.OPEN).update(state=State.WITHDRAWN)
    else:
        changed = rows.filter(state=State.WITHDRAWN).update(state=State.OPEN)
        Task.objects.filter(
            campaign=campaign, state=State.OPEN, role=Role.NORMAL, submitted__gte=F("overlap")
        ).update(state=State.DONE)
    audit.record(actor, "tasks.withdraw" if withdrawn else "tasks.restore", campaign.reference, tasks=changed)
    return changed
