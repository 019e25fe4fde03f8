"""Lists of tasks that stay fast at a million: filtered by indexes, paged by position, counted with a cap."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import QuerySet

from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task

PAGE = 50
COUNTED = 10_000
"""More than so many are told as "over 10,000": counting them all would take seconds."""


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page, the positions that lead to its neighbours, and how many tasks the filters leave."""

    rows: list[Task]
    after: int | None
    before: int | None
    count: int
    capped: bool


def filtered(campaign: Campaign, chosen: Mapping[str, str]) -> QuerySet[Task]:
    """The tasks of a campaign that the filters leave: role, state, topic, language, or a position or key."""
    rows = Task.objects.filter(campaign=campaign)
    for name in ("role", "state", "topic", "difficulty", "language"):
        if chosen.get(name):
            rows = rows.filter(**{name: chosen[name]})
    words = chosen.get("q", "").strip()
    if words:
        rows = rows.filter(position=int(words[:18])) if words.isdecimal() else rows.filter(key=words)
    return rows


def page(rows: QuerySet[Task], *, after: int | None = None, before: int | None = None) -> TaskPage:
    """The page after (or before) a position, in the campaign's order."""
    if before is not None:
        found = list(rows.filter(position__lt=before).order_by("-position")[: PAGE + 1])
        more_before, shown = len(found) > PAGE, found[:PAGE][::-1]
        more_after = True
    else:
        start = rows.filter(position__gt=after) if after else rows
        found = list(start.order_by("position")[: PAGE + 1])
        more_after, shown = len(found) > PAGE, found[:PAGE]
        more_before = bool(after)
    count = rows.order_by()[: COUNTED + 1].count()
    return TaskPage(
        rows=shown,
        after=shown[-1].position if shown and more_after else None,
        before=shown[0].position if shown and more_before else None,
        count=min(count, COUNTED),
        capped=count > COUNTED,
    )
