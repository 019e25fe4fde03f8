"""Lists of tasks that stay fast at a million: filtered by indexes, paged by keys, counted with a cap.

A page is told by the mark of the row before it: its position, or its position and disagreement. Words are
looked for in so many tasks a page, never in all of them: the page says how far it looked.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task

PAGE = 50
COUNTED = 10_000
"""More than so many are told as "over 10,000": counting them all would take seconds."""

LOOKED = 20_000
"""Tasks in which one page looks for words."""

FACETS = ("role", "state", "topic", "difficulty", "language")
ORDERS = {"": ("position",), "disagreement": ("-disagreement", "position")}


@dataclass(frozen=True, slots=True)
class TaskPage:
    """One page, the marks that lead to its neighbours, and how many tasks the filters leave.

    ``looked`` is the last position in which words were looked for, where they were; nothing is counted then.
    """

    rows: list[Task]
    after: str
    before: str
    count: int = 0
    capped: bool = False
    looked: int = 0


def filtered(campaign: Campaign, chosen: Mapping[str, str]) -> QuerySet[Task]:
    """The tasks of a campaign that the filters leave: facets, an import, a number or row id, words."""
    rows = Task.objects.filter(campaign=campaign)
    for name in FACETS:
        if chosen.get(name):
            rows = rows.filter(**{name: chosen[name]})
    if chosen.get("import"):
        number = chosen["import"]
        rows = rows.filter(imported_by=int(number) if number.isdecimal() and len(number) < 19 else 0)
    asked = chosen.get("q", "").strip()
    if looks_for_words(chosen):
        return _saying(rows, asked)
    if asked:
        return rows.filter(position=int(asked)) if len(asked) < 19 else rows.filter(key=asked)
    return rows


def looks_for_words(chosen: Mapping[str, str]) -> bool:
    """Whether the tasks' own text is searched, which takes no index."""
    asked = chosen.get("q", "").strip()
    is_key = len(asked) == 32 and asked.isalnum()
    return bool(asked) and not is_key and not (asked.isdecimal() and len(asked) < 19)


def _saying(rows: QuerySet[Task], words: str) -> QuerySet[Task]:
    """Tasks whose payload has the words, however the database spells them in JSON."""
    plain, escaped = (json.dumps(words, ensure_ascii=ascii_)[1:-1] for ascii_ in (False, True))
    said = rows.alias(said=Cast("payload", TextField()))
    return said.filter(Q(said__icontains=plain) | Q(said__icontains=escaped))


def page(rows: QuerySet[Task], *, after: str = "", before: str = "", order: str = "") -> TaskPage:
    """The page after (or before) a mark, in the campaign's order or by disagreement, the widest first."""
    fields = ORDERS.get(order, ORDERS[""])
    if len(fields) > 1:
        rows = rows.filter(disagreement__isnull=False)
    forward = not before
    mark = after or before
    found = list(_further(rows, fields, mark, forward)[: PAGE + 1])
    more, shown = len(found) > PAGE, found[:PAGE] if forward else found[:PAGE][::-1]
    count = rows.order_by()[: COUNTED + 1].count()
    return TaskPage(
        rows=shown,
        after=_mark(shown[-1], fields) if shown and (more or not forward) else "",
        before=_mark(shown[0], fields) if shown and (more if not forward else bool(mark)) else "",
        count=min(count, COUNTED),
        capped=count > COUNTED,
    )


def look(rows: QuerySet[Task], campaign: Campaign, *, after: str = "") -> TaskPage:
    """The page after a position among the next tasks that can be looked through at once (see ``looked``)."""
    start = int(after) if after.isdecimal() and len(after) < 19 else 0
    end = start + LOOKED
    found = list(rows.filter(position__gt=start, position__lte=end).order_by("position")[: PAGE + 1])
    if len(found) > PAGE:
        found, end = found[:PAGE], found[PAGE - 1].position
    going_on = end < campaign.tasks_made
    return TaskPage(
        rows=found, after=str(end) if going_on else "", before="", looked=min(end, campaign.tasks_made)
    )


def _mark(task: Task, fields: tuple[str, ...]) -> str:
    return str(task.position) if len(fields) == 1 else f"{task.position}~{task.disagreement!r}"


def _further(rows: QuerySet[Task], fields: tuple[str, ...], mark: str, forward: bool) -> QuerySet[Task]:
    """The rows beyond a mark, nearest first; a mark that is none is as good as no mark."""
    ordered = rows.order_by(*fields) if forward else rows.order_by(*fields).reverse()
    position, _, value = mark.partition("~")
    try:
        place, lead = int(position[:18]), float(value) if len(fields) > 1 else 0.0
    except ValueError:
        return ordered
    beyond = Q(position__gt=place) if forward else Q(position__lt=place)
    if len(fields) > 1:
        less = Q(disagreement__lt=lead) if forward else Q(disagreement__gt=lead)
        beyond = less | (Q(disagreement=lead) & beyond)
    return ordered.filter(beyond)
