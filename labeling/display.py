"""How a task is shown to one person: the order of its answers, and whether they appear at once or stream."""

import random
from typing import Any

from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task
from labeling.protocol.kind import Answer, TaskView


def choose(task: Task, campaign: Campaign) -> dict[str, Any]:
    """The display of a new assignment: a fresh shuffle, and the campaign's streaming rate."""
    low, high = campaign.task_kind.candidates
    order = list(range(low)) if low == high else list(task.candidates.values_list("position", flat=True))
    random.SystemRandom().shuffle(order)
    return {"order": order, "stream": campaign.stream_rate}


def answers(task: Task) -> list[Answer]:
    """A task's candidates as kinds see them."""
    return [Answer(c.position, c.messages, c.model, c.checkpoint, c.sampling) for c in task.candidates.all()]


def view_of(task: Task, display: dict[str, Any] | None = None) -> TaskView:
    """A task as kinds see it, in the order of a display, else in stored order."""
    return TaskView(task.payload, answers(task), (display or {}).get("order", ()))
