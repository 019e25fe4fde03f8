"""Plots of a version's statistics, as Plotly figures. Pure: no Django."""

import itertools
from dataclasses import dataclass
from typing import Any

from tilth.datasets.schemas import Schema

SHOWN = 20


@dataclass(frozen=True, slots=True)
class Plot:
    """A figure with its title and one line of what to know about it."""

    title: str
    note: str
    figure: dict[str, Any]


def plots(statistics: dict[str, Any], kind: Schema) -> list[Plot]:
    """A plot for every measured column that has values."""
    found = []
    measured = statistics.get("columns", {})
    for name in (known.name for known in kind.columns if known.name in measured):
        column, title = measured[name], kind.by_name[name].title
        makers = {"text": _lengths, "number": _numbers, "category": _categories}
        plot = makers[column["measure"]](title, column)
        found += plot
    return found


def _lengths(title: str, column: dict[str, Any]) -> list[Plot]:
    plots = _length_plot(f"{title}: characters a row", column["characters"], "characters")
    if "turns" in column:
        plots += _length_plot(f"{title}: messages a row", column["turns"], "messages")
        plots += _bars(f"{title}: roles", "", column["roles"])
    return plots


def _length_plot(title: str, found: dict[str, Any], unit: str) -> list[Plot]:
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    if not counts:
        return []
    labels = [_interval(int(low), int(high) - 1) for low, high in itertools.pairwise(edges)]
    note = f"{found['minimum']:,} to {found['maximum']:,}, {found['mean']:,.0f} on average"
    first = next((n for n, count in enumerate(counts) if count), 0)
    return [Plot(title, note, _figure(labels[first:], counts[first:], unit))]


def _interval(low: int, high: int) -> str:
    return f"{low:,}" if high <= low else f"{low:,}–{high:,}"


def _numbers(title: str, column: dict[str, Any]) -> list[Plot]:
    edges, counts = column["histogram"]["edges"], column["histogram"]["counts"]
    if not counts:
        return []
    centres: list[Any] = [round((low + high) / 2, 6) for low, high in itertools.pairwise(edges)]
    if all(centre == int(centre) for centre in centres) and edges[1] - edges[0] == 1:
        centres = [f"{int(centre):,}" for centre in centres]
    note = f"{column['minimum']:g} to {column['maximum']:g}, {column['mean']:g} on average"
    missing = f"; missing in {column['missing']:,} rows" if column["missing"] else ""
    return [Plot(title, note + missing, _figure(centres, counts, title))]


def _categories(title: str, column: dict[str, Any]) -> list[Plot]:
    about = "about " if column.get("approximate") else ""
    note = f"{about}{column['distinct']:,} different"
    if column["missing"]:
        note += f"; missing in {column['missing']:,} rows"
    return _bars(title, note, column["top"])


def _bars(title: str, note: str, top: list[list[Any]]) -> list[Plot]:
    """Lying bars, the most frequent on top."""
    if not top:
        return []
    shown = top[:SHOWN][::-1]
    names = [str(value)[:60] for value, _ in shown]
    figure = {
        "data": [
            {"type": "bar", "orientation": "h", "x": [rows for _, rows in shown], "y": names, "name": "rows"}
        ],
        "layout": {"xaxis": {"title": "rows"}, "yaxis": {"type": "category", "automargin": True}},
    }
    more = f"; the {SHOWN} most frequent" if len(top) > SHOWN else ""
    return [Plot(title, f"{note}{more}".lstrip("; "), figure)]


def _figure(labels: list[Any], counts: list[int], unit: str) -> dict[str, Any]:
    return {
        "data": [{"type": "bar", "x": labels, "y": counts, "name": "rows"}],
        "layout": {
            "xaxis": {
                "title": unit,
                **({"type": "category"} if labels and isinstance(labels[0], str) else {}),
            },
            "yaxis": {"title": "rows"},
            "bargap": 0.05,
        },
    }
