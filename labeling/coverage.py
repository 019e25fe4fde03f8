"""The coverage matrix: what is wanted, there, open and missing by topic, difficulty and language."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from django.core.cache import cache
from django.db.models import F, Q, Sum

from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task
from labeling.progress import forecast, per_day

FRESH_SECONDS = 60
MOST_CELLS = 500

Key = tuple[str, str, str]
"""Topic, difficulty, language; an empty part of a quota means any, of a task that it has none."""

Counts = dict[Key, tuple[int, int]]
"""Submissions that are there, and those that open tasks still want."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. ``target`` is none where no quota asks for it: then it holds the tasks of just these values.

    ``open``: submissions that open tasks still want; ``finish``: when its gap is filled at this rate.
    """

    topic: str
    difficulty: str
    language: str
    target: int | None
    submitted: int
    open: int
    finish: date | None = None

    @property
    def gap(self) -> int:
        """Submissions still missing."""
        return max(0, (self.target or 0) - self.submitted)

    @property
    def short(self) -> bool:
        """Whether the open tasks cannot fill the gap."""
        return self.gap > self.open


def matrix(campaign: Campaign) -> list[Cell]:
    """All quotas, then all cells with tasks and no quota; counts are at most a minute old.

    The queue serves the widest gap first, as a share of its target, so that all quotas are filled at about the
    same time: when the campaign's rate has closed all gaps that open tasks can close.
    """
    key = f"labeling:coverage:{campaign.pk}"
    counted: Counts | None = cache.get(key)
    if counted is None:
        counted = _count(campaign)
        cache.set(key, counted, FRESH_SECONDS)
    targets = {(q.topic, q.difficulty, q.language): q.target for q in campaign.quotas.all()}
    inside = _inside(counted, targets)
    gaps = {cell: max(0, target - inside[cell][0]) for cell, target in targets.items()}
    closable = {cell: min(gap, inside[cell][1]) for cell, gap in gaps.items()}
    finish = forecast(campaign, sum(closable.values()), per_day(campaign))
    found = [
        Cell(*cell, target, *inside[cell], finish if 0 < gaps[cell] == closable[cell] else None)
        for cell, target in sorted(targets.items())
    ]
    others = sorted(cell for cell in counted if cell not in targets)
    return [*found, *(Cell(*cell, None, *counted[cell]) for cell in others)][:MOST_CELLS]


def _count(campaign: Campaign) -> Counts:
    open_ = Sum(F("overlap") - F("submitted"), filter=Q(state=Task.State.OPEN))
    rows = Task.objects.filter(campaign=campaign, role=Task.Role.NORMAL).order_by()
    cells = rows.values_list("topic", "difficulty", "language").annotate(done=Sum("submitted"), open=open_)
    # What was handed in before a task was withdrawn is there all the same.
    return {(t, d, lang): (done or 0, wanted or 0) for t, d, lang, done, wanted in cells if done or wanted}


def _inside(counted: Counts, quotas: Mapping[Key, int]) -> Counts:
    """Counts of all tasks in each quota's cell; one pass for each combination of parts that mean any."""
    sums: dict[tuple[bool, bool, bool], Counts] = {}
    for quota in quotas:
        asked = (quota[0] != "", quota[1] != "", quota[2] != "")
        if asked not in sums:
            sums[asked] = _summed(counted, asked)
    return {
        quota: sums[quota[0] != "", quota[1] != "", quota[2] != ""].get(quota, (0, 0)) for quota in quotas
    }


def _summed(counted: Counts, asked: tuple[bool, bool, bool]) -> Counts:
    found: Counts = {}
    for (topic, difficulty, language), (done, wanted) in counted.items():
        cell = (topic * asked[0], difficulty * asked[1], language * asked[2])
        before = found.get(cell, (0, 0))
        found[cell] = (before[0] + done, before[1] + wanted)
    return found
