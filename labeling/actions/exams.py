"""Exams as leads make them: tasks with known answers; whoever passes is granted a skill.

The known answers are shown only on request, and who looked is kept: nobody sits an exam whose answers they
have seen (:mod:`labeling.actions.sittings`).
"""

import random
from typing import Any

from django.db import IntegrityError, transaction

from labeling.actions.campaigns import checked_schema
from labeling.actions.guards import person
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion
from labeling.models.quality import Exam, ExamAttempt
from labeling.models.tasks import Task
from labeling.protocol.kind import Answer, TaskView
from labeling.protocol.registry import kind_of
from labeling.protocol.taskrows import guess, read_row
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import Skill
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.text.reference import check_name

MOST_ITEMS = 200


@transaction.atomic
def create(
    actor: Actor,
    *,
    name: str,
    title: str,
    kind: str,
    skill: Skill,
    pass_mark: float = 0.8,
    attempts: int = 2,
    description: str = "",
    guideline: GuidelineVersion | None = None,
    schema: dict[str, Any] | None = None,
) -> Exam:
    """An exam without questions yet; only kinds whose answers can be compared have exams."""
    require(actor, "campaigns.manage")
    check_name(name)
    if not kind_of(kind).closed:
        raise InvalidInput("Written work cannot be marked by itself; review it instead.", field="kind")
    if not 0 < pass_mark <= 1:
        raise InvalidInput("The pass mark lies between 0 and 1.", field="pass_mark")
    if not 1 <= attempts <= 20:
        raise InvalidInput("Allow 1 to 20 attempts.", field="attempts")
    try:
        with transaction.atomic():
            exam = Exam.objects.create(
                name=name,
                title=title.strip() or name,
                kind=kind,
                skill=skill,
                pass_mark=pass_mark,
                attempts=attempts,
                description=description,
                guideline=guideline,
                schema=checked_schema(kind, schema or {}),
                created_by=actor.user,
            )
    except IntegrityError:
        raise Conflict(f"An exam called {name} is there already.", code="name_taken", field="name") from None
    audit.record(actor, "exam.create", f"exam:{exam.pk}", name=name)
    return exam


@transaction.atomic
def set_items(actor: Actor, exam: Exam, rows: list[dict[str, Any]]) -> Exam:
    """The questions, each a row of an import with its known answer. Not once somebody has sat it."""
    require(actor, "campaigns.manage")
    exam = Exam.objects.select_for_update(of=("self",)).get(pk=exam.pk)  # nobody begins meanwhile
    if exam.sittings.exists():
        raise Conflict("Somebody has sat this exam; make a new one to change its questions.", code="in_use")
    if not 0 < len(rows) <= MOST_ITEMS:
        raise InvalidInput(f"An exam has 1 to {MOST_ITEMS} questions.", field="items")
    items = [_item(exam, number, row) for number, row in enumerate(rows, start=1)]
    exam.items = items
    exam.save(update_fields=["items"])
    if actor.user is not None:
        exam.seen_by.add(actor.user)
    audit.record(actor, "exam.items", f"exam:{exam.pk}", items=len(items))
    return exam


def _item(exam: Exam, number: int, row: dict[str, Any]) -> dict[str, Any]:
    kind = kind_of(exam.kind)
    try:
        read = read_row(row, guess(row, kind), kind, exam.schema, f"exam:{exam.pk}:{number}")
    except InvalidInput as error:
        raise InvalidInput(f"row {number}: {error.message}", field="items") from None
    if read.gold is None:
        raise InvalidInput(f"row {number} has no known answer (gold).", field="items")
    return read.to_json()


@transaction.atomic
def items_from_gold(actor: Actor, exam: Exam, campaign: Campaign) -> Exam:
    """Take a campaign's tasks with known answers as the questions."""
    rows = []
    for task in campaign.tasks.filter(role=Task.Role.GOLD).prefetch_related("candidates")[:MOST_ITEMS]:
        answers = [{"messages": c.messages, "model": c.model} for c in task.candidates.all()]
        rows.append({**task.payload, "candidates": answers, "gold": task.gold})
    return set_items(actor, exam, rows)


@transaction.atomic
def reveal(actor: Actor, exam: Exam) -> None:
    """Somebody looks at the known answers, and from then on cannot sit this exam, whatever they become."""
    require(actor, "campaigns.view")
    exam.seen_by.add(person(actor))
    audit.record(actor, "exam.reveal", f"exam:{exam.pk}")


def view_of(exam: Exam, number: int, attempt: ExamAttempt | None = None) -> TaskView:
    """A question as kinds see it; each attempt has its own order of answers, so that no side is the right one."""
    item = exam.items[number]
    answers = [
        Answer(position, answer["messages"], answer.get("model") or "")
        for position, answer in enumerate(item["answers"])
    ]
    order = list(range(len(answers)))
    if attempt is not None:
        random.Random(f"{attempt.pk}:{number}").shuffle(order)
    return TaskView(item["payload"], answers, tuple(order))


@transaction.atomic
def archive(actor: Actor, exam: Exam, *, archived: bool = True) -> None:
    """Take an exam out of the choices, or put it back."""
    require(actor, "campaigns.manage")
    Exam.objects.filter(pk=exam.pk).update(archived=archived)
    audit.record(actor, "exam.archive" if archived else "exam.restore", f"exam:{exam.pk}")
