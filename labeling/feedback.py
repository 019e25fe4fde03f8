"""What reviewers said about a labeler's work, as the labeler reads it: once the decision has taken effect.

A first reviewer's word is not told while a second one is still asked: it may come to nothing.
"""

from typing import Any

from django.db.models import Max

from labeling.models.annotations import Annotation, AnnotationState, Review

Decision = Review.Decision


def told(annotation: Annotation) -> list[Review]:
    """The reviews of a submission in their order; none while it waits for another."""
    return [] if annotation.state == AnnotationState.SUBMITTED else list(annotation.reviews.all())


def why_another(annotation: Annotation) -> list[Review]:
    """Why another answer was chosen, for whoever's was not: the note alone, the rest is about the other answer."""
    if annotation.state != AnnotationState.ADJUDICATED or annotation.chosen:
        return []
    decided = Review.objects.filter(annotation__task=annotation.task_id, annotation__chosen=True)
    last = decided.filter(decision=Decision.ADJUDICATE).order_by("-at").first()
    return [Review(decision=last.decision, note=last.note, at=last.at)] if last is not None else []


def newest(user: Any, count: int) -> list[tuple[Annotation, str]]:
    """The newest decisions on somebody's work that say something, one a submission, each with its words."""
    found = dict(_on_own(user, count))
    for pk, at in _on_others(user, count):
        found[pk] = max(at, found.get(pk, at))
    chosen = sorted(found, key=lambda pk: (found[pk], pk), reverse=True)[:count]
    rows = Annotation.objects.select_related("campaign").in_bulk(chosen)
    return [(rows[pk], _words(rows[pk])) for pk in chosen]


def _saying() -> Any:
    return Review.objects.exclude(note="", comments=[]).order_by()


def _on_own(user: Any, count: int) -> list[tuple[Any, Any]]:
    """Submissions and when something was last said of them."""
    settled = _saying().filter(annotation__labeler=user).exclude(annotation__state=AnnotationState.SUBMITTED)
    return list(settled.values_list("annotation").annotate(last=Max("at")).order_by("-last")[:count])


def _on_others(user: Any, count: int) -> list[tuple[Any, Any]]:
    """The same where another answer was chosen: what was said then is about one's own, too."""
    lost = Annotation.objects.filter(
        labeler=user, current=True, state=AnnotationState.ADJUDICATED, chosen=False
    )
    if not lost.exists():  # nearly everybody, nearly always
        return []
    decided = _saying().filter(
        decision=Decision.ADJUDICATE, annotation__chosen=True, annotation__task__in=lost.values("task")
    )
    at = dict(decided.values_list("annotation__task").annotate(last=Max("at")).order_by("-last")[:count])
    return [(pk, at[task]) for pk, task in lost.filter(task__in=at).values_list("pk", "task")]


def _words(annotation: Annotation) -> str:
    """What the last decision says: its note, else its first remark on a passage."""
    said = [*told(annotation), *why_another(annotation)]
    for review in sorted(said, key=lambda review: review.at, reverse=True):
        if words := review.note or next((comment["text"] for comment in review.comments), ""):
            return words
    return ""
