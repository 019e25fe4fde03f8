"""Figures for Plotly as plain data, made safe and readable without sight.

A figure is the dictionary that Plotly draws (``data``: list of traces, ``layout``), with plain lists of
numbers and strings. It travels in a ``data-figure`` attribute, because htmx strips every script element
from what it swaps in, and JSON in an attribute works on full pages and fragments alike.
"""

import json
import math
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

MAX_TABLE_ROWS = 200


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws: the figure as JSON, and the same numbers as a table."""

    title: str
    height: int
    figure: str
    columns: list[str]
    rows: list[list[Any]]
    cut: int


def prepare(figure: dict[str, Any], title: str = "", height: int = 0) -> Chart:
    """A figure ready for the page; ``height`` in pixels, 0 for the usual one."""
    columns, rows = numbers(figure)
    safe = json.dumps(_safe(figure), cls=DjangoJSONEncoder, allow_nan=False, separators=(",", ":"))
    cut = max(0, len(rows) - MAX_TABLE_ROWS)
    return Chart(title, height or 300, safe, columns, rows[:MAX_TABLE_ROWS], cut)


def numbers(figure: dict[str, Any]) -> tuple[list[str], list[list[Any]]]:
    """The figure's numbers: one column per trace where all share their x, else one row per point."""
    traces = [_points(trace) for trace in figure.get("data", [])]
    names = [str(trace.get("name") or f"series {n}") for n, trace in enumerate(figure.get("data", []), 1)]
    if not traces:
        return [], []
    shared = [x for x, _ in traces[0]]
    if all([x for x, _ in points] == shared for points in traces):
        values = zip_longest(*([y for _, y in points] for points in traces))
        heads = names if len(names) > 1 else [_axis_title(figure, "yaxis", "value")]
        rows = [[x, *ys] for x, ys in zip(shared, values, strict=True)]
        return [_axis_title(figure, "xaxis", ""), *heads], rows
    long = [[name, x, y] for name, points in zip(names, traces, strict=True) for x, y in points]
    return ["series", _axis_title(figure, "xaxis", "x"), _axis_title(figure, "yaxis", "y")], long


def _axis_title(figure: dict[str, Any], axis: str, default: str) -> str:
    title = figure.get("layout", {}).get(axis, {}).get("title", default)
    return str(title.get("text", default) if isinstance(title, dict) else title)


def _points(trace: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(category or x, value) of a trace; bars that lie down have theirs the other way round."""
    labels, values = trace.get("labels", trace.get("x")), trace.get("values", trace.get("y"))
    if trace.get("orientation") == "h":
        labels, values = values, labels
    values = _plain(values if values is not None else [])
    labels = _plain(labels if labels is not None else range(len(values)))
    return list(zip(labels, values, strict=False))


def _plain(value: Any) -> list[Any]:
    return list(value.tolist() if hasattr(value, "tolist") else value)


def _safe(value: Any, key: str = "") -> Any:
    """JSON without NaN; ``<`` escaped, since Plotly reads a little HTML in labels that may come from outside."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(name): _safe(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [_safe(item, key) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and not key.endswith("template"):
        return value.replace("<", "&lt;")
    return value
