"""Exams: tasks with known answers; whoever passes is granted a skill."""

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.actions.campaigns import checked_schema
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion
from labeling.models.quality import Exam, ExamAttempt
from labeling.models.tasks import Task
from labeling.protocol.kind import Answer, TaskView
from labeling.protocol.payload import check_payload
from labeling.protocol.registry import kind_of
from labeling.protocol.taskrows import guess, read_row
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import Skill, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, NotFound
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
    if exam.sittings.exists():
        raise Conflict("Somebody has sat this exam; make a new one to change its questions.", code="in_use")
    if not 0 < len(rows) <= MOST_ITEMS:
        raise InvalidInput(f"An exam has 1 to {MOST_ITEMS} questions.", field="items")
    items = [_item(exam, number, row) for number, row in enumerate(rows, start=1)]
    Exam.objects.filter(pk=exam.pk).update(items=items)
    audit.record(actor, "exam.items", f"exam:{exam.pk}", items=len(items))
    exam.refresh_from_db()
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


def view_of(exam: Exam, number: int) -> TaskView:
    """A question as kinds see it; answers stand in stored order."""
    item = exam.items[number]
    answers = [
        Answer(position, answer["messages"], answer.get("model") or "")
        for position, answer in enumerate(item["answers"])
    ]
    return TaskView(item["payload"], answers, tuple(range(len(answers))))


@transaction.atomic
def begin(actor: Actor, exam: Exam) -> ExamAttempt:
    """The attempt that is under way, or the next one."""
    require(actor, "labeling.work")
    assert actor.user is not None
    if exam.archived or not exam.items:
        raise Conflict("This exam cannot be taken now.", code="not_open")
    User.objects.select_for_update(of=("self",)).get(pk=actor.user.pk)  # two clicks at once begin one attempt
    mine = exam.sittings.filter(user=actor.user)
    under_way = mine.filter(finished_at=None).first()
    if under_way is not None:
        return under_way
    if mine.filter(passed=True).exists():
        raise Conflict("You have passed this exam.", code="passed")
    used = mine.count()
    if used >= exam.attempts:
        raise Conflict(f"You have used all {exam.attempts} attempts; talk to a lead.", code="no_attempts")
    attempt = ExamAttempt.objects.create(exam=exam, user=actor.user, number=used + 1)
    audit.record(actor, "exam.begin", f"exam:{exam.pk}", attempt=attempt.number)
    return attempt


@transaction.atomic
def answer(actor: Actor, attempt: ExamAttempt, number: int, payload: dict[str, Any]) -> ExamAttempt:
    """Keep the answer to one question; it can be changed until the exam is handed in."""
    _require_own(actor, attempt)
    if not 0 <= number < len(attempt.exam.items):
        raise NotFound("There is no such question.")
    locked = ExamAttempt.objects.select_for_update(of=("self",)).get(pk=attempt.pk)
    if locked.finished_at is not None:
        raise Conflict("This attempt has been handed in.", code="finished")
    locked.answers = {**locked.answers, str(number): check_payload(payload)}
    locked.save(update_fields=["answers"])
    return locked


@transaction.atomic
def hand_in(actor: Actor, attempt: ExamAttempt) -> ExamAttempt:
    """Score the attempt; passing grants the skill."""
    _require_own(actor, attempt)
    exam = attempt.exam
    locked = ExamAttempt.objects.select_for_update(of=("self",)).get(pk=attempt.pk)
    if locked.finished_at is not None:
        return locked
    missing = [n + 1 for n in range(len(exam.items)) if str(n) not in locked.answers]
    if missing:
        raise InvalidInput(f"Answer question {missing[0]} first.", code="unanswered")
    score = kind_of(exam.kind).score
    assert score is not None
    points = [score(locked.answers[str(n)], item["gold"], exam.schema) for n, item in enumerate(exam.items)]
    locked.score = sum(points) / len(points)
    locked.passed = locked.score >= exam.pass_mark
    locked.finished_at = timezone.now()
    locked.save()
    if locked.passed:
        locked.user.skills.add(exam.skill)
    audit.record(actor, "exam.finish", f"exam:{exam.pk}", score=locked.score, passed=locked.passed)
    return locked


def _require_own(actor: Actor, attempt: ExamAttempt) -> None:
    require(actor, "labeling.work")
    if actor.user is None or attempt.user_id != actor.user.pk:
        raise NotFound("There is no such exam of yours.")


@transaction.atomic
def archive(actor: Actor, exam: Exam, *, archived: bool = True) -> None:
    """Take an exam out of the choices, or put it back."""
    require(actor, "campaigns.manage")
    Exam.objects.filter(pk=exam.pk).update(archived=archived)
    audit.record(actor, "exam.archive" if archived else "exam.restore", f"exam:{exam.pk}")
