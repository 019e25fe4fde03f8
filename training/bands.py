"""Runs that differ only in the seed, as one: their curves' mean with the least and the greatest at steps in common.

The steps are those of the member with the fewest points, as far as all members reach; members whose points lie
elsewhere, because theirs were thinned otherwise, are read between their points.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.models.runs import Run

Drawn = dict[str, Any]
Floats = NDArray[np.float64]


def seed_groups(runs: Iterable[Run]) -> list[list[Run]]:
    """The runs of one stage that were asked for alike in all but the seed, each seed once; two or more of a kind."""
    found: dict[str, dict[int, Run]] = {}
    for run in runs:
        found.setdefault(_alike(run), {}).setdefault(run.seed, run)
    return [list(members.values()) for members in found.values() if len(members) > 1]


def bands(runs: Sequence[Run], drawn: Sequence[Drawn]) -> list[Drawn]:
    """Each group of these runs as the page's script draws it; ``drawn`` are the runs as :func:`overlay` gives them."""
    known = {one["run"]: one for one in drawn}
    made = []
    for members in seed_groups(runs):
        own = [known[run.pk]["series"] for run in members]
        shared = [name for name in own[0] if all(name in series for series in own)]
        series = {name: banded for name in shared if (banded := band([one[name] for one in own]))}
        seeds = ", ".join(str(run.seed) for run in members)
        name = f"{members[0].name[:40]} · mean of {len(members)} seeds ({seeds})"
        made.append({"runs": [run.pk for run in members], "name": name, "series": series})
    return made


def band(series: Sequence[Drawn]) -> Drawn | None:
    """One series of several runs as mean (``y``), ``low``, ``high``; ``None`` where they share no step.

    A step at which one of them has no finite number is a gap.
    """
    steps = [_floats(one["x"]["step"]) for one in series]
    if not all(len(own) for own in steps):
        return None
    first, last = max(own[0] for own in steps), min(own[-1] for own in steps)
    coarse = min(range(len(series)), key=lambda place: len(steps[place]))
    grid = steps[coarse][(steps[coarse] >= first) & (steps[coarse] <= last)]
    if not len(grid):
        return None
    values = _at(grid, steps, [one["y"] for one in series])
    axes = [name for name in series[0]["x"] if all(name in one["x"] for one in series)]
    x = {name: _plain(_at(grid, steps, [one["x"][name] for one in series]).mean(axis=0)) for name in axes}
    low, high = np.min(values, axis=0), np.max(values, axis=0)
    return {"x": x, "y": _plain(values.mean(axis=0)), "low": _plain(low), "high": _plain(high)}


def _alike(run: Run) -> str:
    settings = {name: value for name, value in run.config.items() if name != "seed"}
    parts = [run.base_id, run.tokenizer_id, run.reference_model_id, run.reward_model_id]
    return json.dumps([run.stage, run.inputs, parts, settings], sort_keys=True)


def _at(grid: Floats, steps: Sequence[Floats], values: Iterable[Sequence[float | None]]) -> Floats:
    """What each member has at these steps, a row each; NaN beside what is none."""
    return np.stack([np.interp(grid, own, _floats(known)) for own, known in zip(steps, values, strict=True)])


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _plain(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
