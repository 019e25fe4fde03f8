"""Figures of labeling as Plotly draws them: plain data, no numbers made up."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from tilth.stats.intervals import Share


def shares(named: Iterable[tuple[str, Share]], title: str, line: float | None = None) -> dict[str, Any]:
    """Shares with their intervals as points, one a line; ``line`` marks where there would be no bias."""
    told = [(name, s) for name, s in named if s.value is not None]
    trace = {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "x": [s.value for _, s in told],
        "y": [name for name, _ in told],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [(s.high or 0) - (s.value or 0) for _, s in told],
            "arrayminus": [(s.value or 0) - (s.low or 0) for _, s in told],
        },
    }
    shapes = (
        [{"type": "line", "x0": line, "x1": line, "yref": "paper", "y0": 0, "y1": 1}]
        if line is not None
        else []
    )
    layout = {
        "xaxis": {"range": [0, 1], "title": title, "tickformat": ".0%"},
        "yaxis": {"autorange": "reversed"},
        "shapes": [{**shape, "line": {"dash": "dot", "width": 1}} for shape in shapes],
        "margin": {"l": 8, "r": 16, "t": 8, "b": 40},
        "showlegend": False,
    }
    return {"data": [trace], "layout": layout}


def by_day(counts: dict[date, dict[str, int]], days: int, names: dict[str, str]) -> dict[str, Any]:
    """Bars a day for the last ``days``, one series per name; days without work are there as zero."""
    last = max([*counts, date.today()])
    span = [last - timedelta(days=n) for n in range(days - 1, -1, -1)]
    traces = [
        {
            "type": "bar",
            "name": title,
            "x": [day.isoformat() for day in span],
            "y": [counts.get(day, {}).get(name, 0) for day in span],
        }
        for name, title in names.items()
    ]
    return {
        "data": traces,
        "layout": {"barmode": "group", "xaxis": {"type": "category"}, "yaxis": {"title": "a day"}},
    }
