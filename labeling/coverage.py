"""The coverage matrix: what is wanted, there, open and missing by topic, difficulty and language."""

from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from django.core.cache import cache
from django.db.models import Count, F, Sum
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.tasks import Task
from labeling.progress import per_day

FRESH_SECONDS = 60
MOST_CELLS = 500


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell. ``target`` is none where no quota asks for it; ``open`` tasks could still fill it."""

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
    """All cells with tasks or a quota; counts are at most a minute old."""
    key = f"labeling:coverage:{campaign.pk}"
    counted = cache.get(key)
    if counted is None:
        counted = _count(campaign)
        cache.set(key, counted, FRESH_SECONDS)
    rate, total = per_day(campaign), sum(submitted for submitted, _ in counted.values()) or 1
    cells = {(q.topic, q.difficulty, q.language): q.target for q in campaign.quotas.all()}
    found = []
    for cell in sorted({*counted, *cells}, key=lambda c: (cells.get(c) is None, c))[:MOST_CELLS]:
        submitted, open_ = _within(cell, counted)
        target = cells.get(cell)
        finish = _forecast((target or 0) - submitted, rate * submitted / total)
        topic, difficulty, language = cell
        found.append(Cell(topic, difficulty, language, target, submitted, open_, finish))
    return found


def _count(campaign: Campaign) -> dict[tuple[str, str, str], tuple[int, int]]:
    rows = (
        Task.objects.filter(campaign=campaign, role=Task.Role.NORMAL)
        .exclude(state=Task.State.WITHDRAWN)
        .values_list("topic", "difficulty", "language")
        .annotate(done=Sum("submitted"), wanted=Sum(F("overlap")), tasks=Count("pk"))
    )
    return {(t, d, lang): (done or 0, (wanted or 0) - (done or 0)) for t, d, lang, done, wanted, _ in rows}


def _within(
    cell: tuple[str, str, str], counted: dict[tuple[str, str, str], tuple[int, int]]
) -> tuple[int, int]:
    """Counts of all tasks in a cell; an empty part of a quota means any."""
    if cell in counted and all(cell):
        return counted[cell]
    inside = [
        v
        for key, v in counted.items()
        if all(not want or want == have for want, have in zip(cell, key, strict=True))
    ]
    return sum(v[0] for v in inside), sum(v[1] for v in inside)


def _forecast(gap: int, rate: float) -> date | None:
    if gap <= 0 or rate <= 0 or gap / rate > 3650:
        return None
    return timezone.now().date() + timedelta(days=ceil(gap / rate))
