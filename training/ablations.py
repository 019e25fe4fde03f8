"""What an ablation has found so far: values by arm, size and seed, differences, the verdict in words.

No run is dropped: one that failed or was cancelled is missing, is shown as missing, and then nobody is ahead.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tilth.jobs.models import JobMetric, JobState
from tilth.stats import ablation as stats
from tilth.stats.intervals import Mean
from training.models.ablations import Ablation, AblationCell, AblationEvaluation
from training.models.runs import STOPPED, Run

ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED, STOPPED)
Points = dict[int, float | None]


@dataclass(frozen=True, slots=True)
class Value:
    """One run's metric. ``value`` is ``None`` while ``pending``, and where it is missing: ``why`` says why."""

    run: Run
    seed: int
    value: float | None
    pending: bool
    why: str


@dataclass(frozen=True, slots=True)
class ArmRow:
    """One arm at one size: its mean, and the difference from the first arm (``None`` for that one)."""

    name: str
    values: list[Value]
    mean: Mean
    difference: Mean | None

    @property
    def told(self) -> bool:
        """Whether the difference is told from none; it is not where a seed lacks either value."""
        gap = self.difference
        return gap is not None and gap.count == len(self.values) and stats.excludes_zero(gap)


@dataclass(frozen=True, slots=True)
class SizeReport:
    """One size: its arms, and what holds for it. ``winner`` is the name of the arm that is ahead of all."""

    label: str
    parameters: int | None
    rows: list[ArmRow]
    winner: str | None
    words: str


@dataclass(frozen=True, slots=True)
class Course:
    """A metric over steps at one size: for each arm by name its steps with mean and interval over seeds."""

    metric: str
    size: str
    arms: dict[str, list[tuple[int, Mean]]]


@dataclass(frozen=True, slots=True)
class Report:
    """An ablation's page in numbers. ``confidence`` is that of each difference."""

    sizes: list[SizeReport]
    trends: list[str]
    courses: list[Course]
    missing: list[Value]
    pending: int
    total: int
    confidence: float


def report(ablation: Ablation) -> Report:
    """Everything that the runs of an ablation say by now."""
    cells = list(ablation.cells.select_related("run__job", "run__preflight").order_by("size", "arm", "seed"))
    evaluations = _evaluations(ablation)
    points = _points(ablation.metric, cells, evaluations)
    values = {cell.pk: _value(ablation, cell, points[cell.pk], evaluations[cell.pk]) for cell in cells}
    level = stats.confidence(len(ablation.arms), len(ablation.sizes))
    sizes = [
        _size(ablation, place, [cell for cell in cells if cell.size == place], values, level)
        for place in range(len(ablation.sizes))
    ]
    metrics = [ablation.metric, *_figures(ablation, evaluations)]
    return Report(
        sizes=sizes,
        trends=_trends(ablation, sizes, level),
        courses=_courses(ablation, metrics, cells, evaluations),
        missing=[value for value in values.values() if value.value is None and not value.pending],
        pending=sum(value.pending for value in values.values()),
        total=len(cells),
        confidence=level,
    )


def _evaluations(ablation: Ablation) -> dict[int, list[AblationEvaluation]]:
    found: dict[int, list[AblationEvaluation]] = defaultdict(list)
    rows = AblationEvaluation.objects.filter(cell__ablation=ablation)
    for row in rows.select_related("checkpoint", "run__job", "run__preflight").order_by("checkpoint__step"):
        found[row.cell_id].append(row)
    return found


def _points(
    metric: str, cells: Sequence[AblationCell], evaluations: Mapping[int, list[AblationEvaluation]]
) -> dict[int, Points]:
    """A metric over steps of each run, by cell."""
    if "@" in metric.partition("/")[0]:
        return {cell.pk: _measured(metric, evaluations[cell.pk]) for cell in cells}
    jobs = {cell.run.job_id: cell.pk for cell in cells if cell.run.job_id is not None}
    by_job: dict[int, dict[int, Points]] = defaultdict(lambda: defaultdict(dict))
    rows = JobMetric.objects.filter(job__in=jobs, name=metric).values_list("job", "attempt", "step", "value")
    for job, attempt, step, value in rows.iterator(2000):
        by_job[job][attempt][step] = value
    found: dict[int, Points] = {cell.pk: {} for cell in cells}
    for job, attempts in by_job.items():
        found[jobs[job]] = _newest(attempts)
    return found


def _newest(attempts: Mapping[int, Points]) -> Points:
    """An attempt that went on from a saved state says its steps again: from its first on they count."""
    kept: Points = {}
    for _, points in sorted(attempts.items()):
        first = min(points)
        kept = {step: value for step, value in kept.items() if step < first} | points
    return kept


def _measured(metric: str, evaluations: Iterable[AblationEvaluation]) -> Points:
    version, _, name = metric.partition("/")
    found: Points = {}
    for row in evaluations:
        result = (row.run.job.result if row.run.job else None) or {}
        figure = result.get("figures", {}).get(version, {}).get(name)
        if row.run.state == JobState.SUCCEEDED and figure is not None:
            found[row.checkpoint.step] = figure.get("value")
    return found


def _figures(ablation: Ablation, evaluations: Mapping[int, list[AblationEvaluation]]) -> list[str]:
    """The evaluations' figures beside the metric, by name."""
    names = {
        f"{version}/{name}"
        for rows in evaluations.values()
        for row in rows
        for version, figures in ((row.run.job.result if row.run.job else None) or {})
        .get("figures", {})
        .items()
        for name in figures
    }
    return sorted(names - {ablation.metric})


def _value(
    ablation: Ablation, cell: AblationCell, points: Points, evaluations: Sequence[AblationEvaluation]
) -> Value:
    """A run's last value; what has not ended is pending, what ended without one is missing."""
    seed, state = ablation.seeds[cell.seed], cell.run.state
    if state not in ENDED:
        return Value(cell.run, seed, None, True, "")
    if state != JobState.SUCCEEDED:
        return Value(cell.run, seed, None, False, state)
    if "@" in ablation.metric.partition("/")[0]:
        return _last_measured(cell, seed, points, evaluations)
    if not points:
        return Value(cell.run, seed, None, False, f"never reported {ablation.metric}")
    return _finite(cell, seed, points[max(points)])


def _last_measured(
    cell: AblationCell, seed: int, points: Points, evaluations: Sequence[AblationEvaluation]
) -> Value:
    if not evaluations:
        return Value(cell.run, seed, None, False, "no checkpoint was measured")
    last = evaluations[-1]
    state = last.run.state
    if state not in ENDED:
        return Value(cell.run, seed, None, True, "")
    if state != JobState.SUCCEEDED:
        return Value(cell.run, seed, None, False, f"its evaluation {last.run.reference}: {state}")
    return _finite(cell, seed, points.get(last.checkpoint.step))


def _finite(cell: AblationCell, seed: int, value: float | None) -> Value:
    known = value is not None and math.isfinite(value)
    return Value(cell.run, seed, value if known else None, False, "" if known else "no finite value")


def _size(
    ablation: Ablation,
    place: int,
    cells: Sequence[AblationCell],
    values: Mapping[int, Value],
    level: float,
) -> SizeReport:
    by_arm = [[values[cell.pk] for cell in cells if cell.arm == n] for n in range(len(ablation.arms))]
    numbers = [[value.value for value in row] for row in by_arm]
    rows = [
        ArmRow(
            name=arm["name"],
            values=by_arm[n],
            mean=stats.over_seeds(numbers[n]),
            difference=stats.paired(numbers[n], numbers[0], level) if n else None,
        )
        for n, arm in enumerate(ablation.arms)
    ]
    pending = sum(value.pending for row in by_arm for value in row)
    found = stats.verdict(numbers, lower_is_better=ablation.lower_is_better, level=level)
    winner = found.winner if not pending else None
    return SizeReport(
        label=ablation.sizes[place]["label"],
        parameters=ablation.sizes[place]["parameters"],
        rows=rows,
        winner=None if winner is None else rows[winner].name,
        words=_words(rows, found, pending),
    )


def _words(rows: Sequence[ArmRow], found: stats.Verdict, pending: int) -> str:
    total = sum(len(row.values) for row in rows)
    if pending:
        return f"No verdict yet: {pending} of {total} runs have not ended."
    if found.missing:
        return (
            f"No verdict: {found.missing} of {total} runs are missing, and what is left was not left by chance. "
            "Retry them on their pages."
        )
    assert found.best is not None
    best = rows[found.best].name
    if found.level_with:
        close = ", ".join(rows[place].name for place in found.level_with)
        return f"No verdict: {best} has the best mean, and cannot be told from {close} with these seeds."
    others = ", ".join(row.name for row in rows if row.name != best)
    return f"{best} is ahead of {others}."


def _trends(ablation: Ablation, sizes: Sequence[SizeReport], level: float) -> list[str]:
    """How each difference from the first arm changes with size, in words; nothing for one size."""
    if len(sizes) < 2 or any(value.pending for size in sizes for row in size.rows for value in row.values):
        return []
    counts = [size.parameters for size in sizes]
    known = all(counts) and len(set(counts)) == len(counts)
    places = [math.log10(count or 1) for count in counts] if known else [float(n) for n in range(len(sizes))]
    by = "a tenfold size" if known else "a size to the next"
    numbers = [[[value.value for value in row.values] for row in size.rows] for size in sizes]
    words = []
    for n, arm in enumerate(ablation.arms[1:], 1):
        slope = stats.trend(places, [size[n] for size in numbers], [size[0] for size in numbers], level)
        gaps = [size.rows[n].difference for size in sizes]
        course = " → ".join("–" if gap is None or gap.value is None else f"{gap.value:+.4g}" for gap in gaps)
        said = f"{arm['name']} minus {ablation.arms[0]['name']}: {course}"
        if slope.count < len(ablation.seeds) or slope.low is None or slope.high is None:
            words.append(f"{said}; no trend is told while runs are missing.")
            continue
        span = f"{slope.value:+.4g} for {by} ({slope.low:+.4g} to {slope.high:+.4g})"
        told = "changes with size" if stats.excludes_zero(slope) else "no change with size can be told"
        words.append(f"{said}; {told}: {span}.")
    return words


def _courses(
    ablation: Ablation,
    metrics: Sequence[str],
    cells: Sequence[AblationCell],
    evaluations: Mapping[int, list[AblationEvaluation]],
) -> list[Course]:
    courses = []
    for metric in metrics:
        points = _points(metric, cells, evaluations)
        for place, size in enumerate(ablation.sizes):
            arms = {
                arm["name"]: stats.band(
                    [points[cell.pk] for cell in cells if (cell.size, cell.arm) == (place, n)]
                )
                for n, arm in enumerate(ablation.arms)
            }
            if any(arms.values()):
                courses.append(Course(metric, size["label"], arms))
    return courses


def in_json(ablation: Ablation, found: Report) -> dict[str, Any]:
    """A report as the API and the command give it."""
    return {
        "pending": found.pending,
        "missing": [f"{value.run.reference}: {value.why}" for value in found.missing],
        "confidence": found.confidence,
        "trends": found.trends,
        "sizes": [
            {
                "label": size.label,
                "parameters": size.parameters,
                "winner": size.winner,
                "verdict": size.words,
                "arms": [
                    {
                        "name": row.name,
                        "runs": [value.run.reference for value in row.values],
                        "values": [value.value for value in row.values],
                        "mean": _mean(row.mean),
                        "difference": _mean(row.difference),
                    }
                    for row in size.rows
                ],
            }
            for size in found.sizes
        ],
    }


def _mean(found: Mean | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"count": found.count, "value": found.value, "low": found.low, "high": found.high}
