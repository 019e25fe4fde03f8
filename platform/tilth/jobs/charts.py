"""A job's metrics as figures for its page."""

from typing import Any

from tilth.jobs.models import Job

MOST_POINTS = 600
MOST_SERIES = 12


def metric_figures(job: Job) -> list[dict[str, Any]]:
    """One Plotly figure per metric, the newest attempt's value where two attempts reported the same step."""
    names = job.metrics.order_by("name").values_list("name", flat=True).distinct()[:MOST_SERIES]
    return [_figure(name, _points(job, name)) for name in names]


def _points(job: Job, name: str) -> list[tuple[int, float | None]]:
    reported = job.metrics.filter(name=name).order_by("attempt").values_list("step", "value")
    points = sorted(dict(reported).items())
    stride = -(-len(points) // MOST_POINTS) or 1
    thinned = points[::stride]
    return thinned if not points or thinned[-1] == points[-1] else [*thinned, points[-1]]


def _figure(name: str, points: list[tuple[int, float | None]]) -> dict[str, Any]:
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": [step for step, _ in points],
        "y": [value for _, value in points],
    }
    return {"data": [trace], "layout": {"xaxis": {"title": "step"}, "yaxis": {"title": name}}}
