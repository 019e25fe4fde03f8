"""A finished run as figures: what is left after each step, and the reasons that dropped the most."""

from typing import Any

from curation.figures import Snapshot

MOST_REASONS = 15
ROW_PIXELS = 26
FRAME_PIXELS = 60


def run_charts(snapshot: Snapshot) -> list[tuple[str, dict[str, Any], int]]:
    """Title, Plotly figure and height in pixels of each chart; none before there are figures."""
    left = [(step.title, step.left["documents"]) for step in snapshot.steps]
    reasons = [
        (reason, amount["documents"]) for step in snapshot.steps[1:] for reason, amount in step.reasons
    ]
    most = sorted(reasons, key=lambda pair: (-pair[1], pair[0]))[:MOST_REASONS]
    named = {"Pages left after each step": left, "Pages dropped, by most frequent reason": most}
    return [
        (title, _bars(bars), FRAME_PIXELS + ROW_PIXELS * len(bars)) for title, bars in named.items() if bars
    ]


def _bars(bars: list[tuple[str, int]]) -> dict[str, Any]:
    """Horizontal bars, the first on top."""
    names, counts = [name for name, _ in bars], [count for _, count in bars]
    trace = {
        "type": "bar",
        "orientation": "h",
        "x": counts,
        "y": names,
        "hovertemplate": "%{y}: %{x:,}<extra></extra>",
    }
    return {
        "data": [trace],
        "layout": {
            "xaxis": {"showgrid": True},
            "yaxis": {"autorange": "reversed", "showgrid": False},
            "margin": {"l": 8, "r": 16, "t": 8, "b": 32},
        },
    }
