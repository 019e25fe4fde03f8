"""How a task is shown to one person: the order of its answers, what they are called, and whether they stream."""

import random
from collections.abc import Iterable
from typing import Any

from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Assignment, Candidate, Task
from labeling.protocol import letters
from labeling.protocol.kind import Answer, TaskView
from tilth.statements import Select, given


def choose(task: Task, campaign: Campaign) -> dict[str, Any]:
    """The display of a new assignment: a fresh shuffle, and the campaign's streaming rate."""
    low, high = campaign.task_kind.candidates
    order = list(range(low)) if low == high else list(task.candidates.values_list("position", flat=True))
    random.SystemRandom().shuffle(order)
    return {"order": order, "stream": campaign.stream_rate}


def answers(task: Task) -> list[Answer]:
    """A task's candidates as kinds see them."""
    return [Answer(c.position, c.messages, c.model, c.checkpoint, c.sampling) for c in _candidates(task)]


def _candidates(task: Task) -> Iterable[Candidate]:
    """The task's candidates in their order, fetched already where somebody has prefetched them."""
    fetched = getattr(task, "_prefetched_objects_cache", {})
    return task.candidates.all() if "candidates" in fetched else _CANDIDATES.all(task=task.pk)


_CANDIDATES = Select(lambda: Candidate.objects.filter(task=given("task", Candidate)).order_by("position"))


def view_of(task: Task, display: dict[str, Any] | None = None) -> TaskView:
    """A task as kinds see it, in the order of a display, else in stored order."""
    return TaskView(task.payload, answers(task), (display or {}).get("order", ()))


def on_page(shown: Assignment | Annotation, payload: Any) -> Any:
    """A stored payload as the page reads it on which this work is shown: answers by letter."""
    return letters.to_page(shown.campaign.task_kind, payload, shown.display.get("order", ()))


def off_page(shown: Assignment | Annotation, payload: Any) -> Any:
    """What that page sent as it is stored: answers by position."""
    return letters.from_page(shown.campaign.task_kind, payload, shown.display.get("order", ()))
