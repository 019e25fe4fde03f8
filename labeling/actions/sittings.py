"""Sitting an exam: attempts begun, answered and handed in; whoever passes is granted the exam's skill.

Whoever has seen the known answers, or may look them up, cannot sit. An answer counts as given once it could
be submitted in the workspace.
"""

from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.actions.exams import view_of
from labeling.actions.guards import person
from labeling.models.quality import Exam, ExamAttempt, ExamGrant
from labeling.protocol.kind import Problem
from labeling.protocol.payload import check_payload
from labeling.protocol.registry import kind_of
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import can, require
from tilth.errors import Conflict, InvalidInput, NotFound


def why_not(user: User, exam: Exam) -> str:
    """What keeps this person from sitting the exam at all, in words for them; empty where nothing does."""
    if can(user, "campaigns.view"):
        return (
            f"As {user.get_role_display().lower()} you may look up the answers of exams, so you cannot sit "
            "one; an admin can give you the skill."
        )
    if exam.seen_by.filter(pk=user.pk).exists():
        return (
            "You have seen the answers of this exam, so you cannot sit it; an admin can give you the skill."
        )
    return ""


def allowed(exam: Exam, user: User) -> int:
    """How many attempts this person has in all."""
    granted = exam.grants.filter(user=user).values_list("attempts", flat=True).first()
    return exam.attempts + (granted or 0)


@transaction.atomic
def begin(actor: Actor, exam: Exam) -> ExamAttempt:
    """The attempt that is under way, or the next one."""
    require(actor, "labeling.work")
    user = person(actor)
    # The exam's lock keeps its questions from changing meanwhile, and makes two clicks at once one attempt.
    exam = Exam.objects.select_for_update(of=("self",)).get(pk=exam.pk)
    _require_unknowing(user, exam)
    mine = exam.sittings.filter(user=user)
    under_way = mine.filter(finished_at=None).first()
    if under_way is not None:
        return under_way
    if exam.archived or not exam.items:
        raise Conflict("This exam cannot be taken now.", code="not_open")
    if _has_passed(exam, user):
        raise Conflict("You have passed this exam.", code="passed")
    used = mine.count()
    if used >= allowed(exam, user):
        raise Conflict(
            f"You have used all {used} attempts; a lead can give you another one.", code="no_attempts"
        )
    attempt = ExamAttempt.objects.create(exam=exam, user=user, number=used + 1)
    audit.record(actor, "exam.begin", f"exam:{exam.pk}", attempt=attempt.number)
    return attempt


def _has_passed(exam: Exam, user: User) -> bool:
    """Passed, and not without the skill since: whoever lost it may show again that they have it."""
    passed = exam.sittings.filter(user=user, passed=True).exists()
    return passed and user.skills.filter(pk=exam.skill_id).exists()


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


def problems(attempt: ExamAttempt, number: int) -> list[Problem]:
    """What the answer to a question still lacks; nothing once it counts as given."""
    exam, kind = attempt.exam, kind_of(attempt.exam.kind)
    task = view_of(exam, number, attempt)
    payload = attempt.answers.get(str(number)) or kind.blank(task, exam.schema)
    return kind.check(payload, task, exam.schema)


def unanswered(attempt: ExamAttempt) -> list[int]:
    """Questions (from 0) without an answer that counts."""
    return [number for number in range(len(attempt.exam.items)) if problems(attempt, number)]


@transaction.atomic
def hand_in(actor: Actor, attempt: ExamAttempt) -> ExamAttempt:
    """Score the attempt; passing grants the skill."""
    _require_own(actor, attempt)
    locked = ExamAttempt.objects.select_for_update(of=("self",)).select_related("exam").get(pk=attempt.pk)
    exam = locked.exam
    if locked.finished_at is not None:
        return locked
    if missing := unanswered(locked):
        raise InvalidInput(_not_answered(missing), code="unanswered")
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


def _not_answered(missing: list[int]) -> str:
    numbers = [str(number + 1) for number in missing]
    if len(numbers) == 1:
        return f"Question {numbers[0]} is not answered yet."
    return f"Questions {', '.join(numbers[:-1])} and {numbers[-1]} are not answered yet."


def _require_own(actor: Actor, attempt: ExamAttempt) -> None:
    require(actor, "labeling.work")
    if actor.user is None or attempt.user_id != actor.user.pk:
        raise NotFound("There is no such exam of yours.")
    _require_unknowing(actor.user, attempt.exam)


def _require_unknowing(user: User, exam: Exam) -> None:
    if reason := why_not(user, exam):
        raise Conflict(reason, code="knows_answers")


@transaction.atomic
def grant(actor: Actor, exam: Exam, user: User) -> int:
    """One more attempt for somebody who has used theirs up; returns how many they have in all."""
    require(actor, "campaigns.manage")
    exam = Exam.objects.select_for_update(of=("self",)).get(pk=exam.pk)
    if not may_grant(exam, user):
        raise Conflict(
            f"{user} has an attempt left, or has passed; another one is given when they are used up.",
            code="not_used_up",
        )
    ExamGrant.objects.get_or_create(exam=exam, user=user)
    ExamGrant.objects.filter(exam=exam, user=user).update(attempts=F("attempts") + 1)
    audit.record(actor, "exam.grant", f"exam:{exam.pk}", labeler=user.pseudonym)
    return allowed(exam, user)


def may_grant(exam: Exam, user: User) -> bool:
    """Whether this person has tried, has no attempt left and none under way, and has not passed."""
    mine = exam.sittings.filter(user=user)
    used = mine.count()
    under_way = mine.filter(finished_at=None).exists()
    return 0 < used >= allowed(exam, user) and not under_way and not _has_passed(exam, user)
