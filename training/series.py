"""A run's curves out of what its job has reported: thinned for a page, or point by point for a file.

Where an attempt went on from a saved state it reports some steps again; the newest attempt's points count
from its first step on.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import Avg, Count, F, Max, Min, Q

from tilth.jobs.models import Job, JobMetric, JobState
from training.by_step import evaluations_of, figures_of
from training.estimates import flops_per_token, tokens_per_step
from training.models.runs import Run

MOST_POINTS = 600
MOST_SERIES = 40
FIRST = (
    "loss",
    "validation_loss",
    "bits_per_byte",
    "reward",
    "kl",
    "tokens_per_second",
    "mfu",
    "grad_norm",
    "learning_rate",
    "memory",
)
"""The most telling curves, in their order; the others follow by name."""
TOKENS = "tokens"


@dataclass(slots=True)
class Curve:
    """One series: steps in order, values (``None`` where no finite number was reported), times."""

    name: str
    steps: list[int] = field(default_factory=list)
    values: list[float | None] = field(default_factory=list)
    times: list[datetime | None] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Piece:
    """The steps that one attempt's points of a series count for."""

    attempt: int
    first: int
    last: int
    until: int | None
    points: int


def curves(job: Job) -> list[Curve]:
    """A job's series, the most telling first; long ones as means over equal spans of steps."""
    pieces = _pieces(job)
    return [_curve(job, name, pieces[name]) for name in sorted(pieces, key=_rank)[:MOST_SERIES]]


def newest_values(job: Job) -> list[dict[str, Any]]:
    """``{name, step, value}`` of each series' last point, the most telling first."""
    match = Q(pk=None)
    for name, pieces in _pieces(job).items():
        match |= Q(name=name, attempt=pieces[-1].attempt, step=pieces[-1].last)
    found: Any = JobMetric.objects.filter(match, job=job).order_by().values("name", "step", "value")
    return sorted(found, key=lambda point: _rank(point["name"]))


def points(job: Job) -> Iterator[tuple[str, int, float | None, datetime | None, int]]:
    """Every point that counts: name, step, value, time, attempt."""
    for name, pieces in sorted(_pieces(job).items()):
        rows = _rows(job, name, pieces).order_by("step")
        yield from rows.values_list("name", "step", "value", "at", "attempt").iterator(2000)


def overlay(runs: Iterable[Run]) -> list[dict[str, Any]]:
    """Runs with their curves as the page's script draws them; each x axis that can be told."""
    listed = list(runs)
    evaluations = evaluations_of(listed)
    return [_drawn(run, _measured(evaluations[run.pk])) for run in listed]


def stamp(runs: Iterable[Run]) -> str:
    """Changes with every new point of these runs, and with every evaluation of their checkpoints that has ended well."""
    listed = list(runs)
    newest = JobMetric.objects.filter(job__in=[run.job_id for run in listed]).aggregate(newest=Max("pk"))
    measured = Run.objects.filter(measured__run__in=listed, job__state=JobState.SUCCEEDED).count()
    return f"{newest['newest'] or 0}-{measured}"


def is_live(runs: Iterable[Run]) -> bool:
    """Whether these runs, or the evaluations of their checkpoints, have points to come."""
    listed = list(runs)
    moving = any(run.is_moving for run in listed)
    return moving or Run.objects.under_way().filter(measured__run__in=listed).exists()


def _measured(evaluations: Iterable[Run]) -> list[Curve]:
    """The figures of a run's checkpoints as curves, each point at the time its checkpoint was stored."""
    found: dict[str, Curve] = {}
    for evaluation in evaluations:
        for name, value in figures_of(evaluation).items():
            if evaluation.measured is not None:
                curve = found.setdefault(name, Curve(name))
                curve.steps.append(evaluation.measured.step)
                curve.values.append(value)
                curve.times.append(evaluation.measured.created_at)
    return list(found.values())


def _drawn(run: Run, measured: list[Curve]) -> dict[str, Any]:
    found = [*(curves(run.job) if run.job else []), *measured]
    started = run.job.started_at if run.job else None
    tokens = next((curve for curve in found if curve.name == TOKENS and curve.steps), None)
    each, flops = tokens_per_step(run), flops_per_token(run)
    series = {}
    for curve in found:
        x: dict[str, list[float | None]] = {"step": [float(step) for step in curve.steps]}
        if started and any(curve.times):
            x["seconds"] = [round((at - started).total_seconds(), 3) if at else None for at in curve.times]
        seen = _tokens(curve.steps, tokens, each)
        if seen is not None:
            x["tokens"] = list(seen)
            if flops:
                x["flops"] = [count * flops for count in seen]
        series[curve.name] = {"x": x, "y": curve.values}
    return {"run": run.pk, "name": f"{run.reference} {run.name}", "series": series}


def _rank(name: str) -> tuple[int, str]:
    return (FIRST.index(name) if name in FIRST else len(FIRST), name)


def _tokens(steps: list[int], reported: Curve | None, each: float | None) -> list[float] | None:
    """Tokens seen by each step: as reported, else by the settings."""
    if reported is not None:
        values = [float(value or 0) for value in reported.values]
        return [float(count) for count in np.interp(steps, reported.steps, values)]
    return [step * each for step in steps] if each else None


def _pieces(job: Job) -> dict[str, list[_Piece]]:
    groups: Any = JobMetric.objects.filter(job=job).order_by().values("name", "attempt")
    found: dict[str, list[dict[str, Any]]] = {}
    for group in groups.annotate(first=Min("step"), last=Max("step"), points=Count("pk")):
        found.setdefault(group["name"], []).append(group)
    return {name: _cut(sorted(group, key=lambda g: g["attempt"])) for name, group in found.items()}


def _cut(attempts: list[dict[str, Any]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    until: int | None = None
    for group in reversed(attempts):
        if until is None or group["first"] < until:
            pieces.append(_Piece(group["attempt"], group["first"], group["last"], until, group["points"]))
            until = group["first"]
    return pieces[::-1]


def _rows(job: Job, name: str, pieces: list[_Piece]) -> Any:
    match = Q()
    for piece in pieces:
        own = Q(attempt=piece.attempt)
        match |= own if piece.until is None else own & Q(step__lt=piece.until)
    return JobMetric.objects.filter(match, job=job, name=name)


def _curve(job: Job, name: str, pieces: list[_Piece]) -> Curve:
    rows = _rows(job, name, pieces)
    curve = Curve(name)
    if sum(piece.points for piece in pieces) <= MOST_POINTS:
        read: Any = rows.order_by("step").values_list("step", "value", "at")
    else:
        first, last = min(p.first for p in pieces), max(p.last for p in pieces)
        width = -(-(last - first + 1) // MOST_POINTS)
        spans = rows.order_by().annotate(span=(F("step") - first) / width).values("span")
        means = spans.annotate(to=Max("step"), mean=Avg("value"), when=Max("at")).order_by("to")
        read = means.values_list("to", "mean", "when")
    for step, value, at in read:
        curve.steps.append(step)
        curve.values.append(value)
        curve.times.append(at)
    return curve
