"""Bootstrap intervals: units are drawn again with replacement, by a seed, so that figures repeat. Pure.

A draw does not touch a label: it only says anew how often each pattern of values occurs, and the coefficient
is computed from that, margins and ranks included.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from tilth.stats.agreement import (
    Agreement,
    Level,
    Table,
    Weights,
    alpha_of,
    cohen_of,
    fleiss_of,
)
from tilth.stats.counting import Counts, Floats

DRAWS = 1000
SEED = 1
PATTERN_COST = 20
"""What drawing a pattern's number costs, in drawn units."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper end; ``None`` where there is too little to say."""

    low: float | None
    high: float | None


def alpha_interval(
    counted: Counts, level: Level, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """Percentile interval of Krippendorff's alpha over drawn units."""
    return _interval(lambda drawn: alpha_of(drawn, level), counted, confidence, draws, seed)


def fleiss_interval(
    counted: Counts, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """Percentile interval of Fleiss' kappa over drawn units."""
    return _interval(fleiss_of, counted, confidence, draws, seed)


def cohen_interval(
    table: Table, weights: Weights = "", *, confidence: float = 0.95, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """Percentile interval of Cohen's kappa over drawn units."""
    pairs = int(table.cells.sum())
    if pairs < 2 or cohen_of(table, weights).value is None:
        return Interval(None, None)
    random = np.random.default_rng(seed)
    shares = table.cells.ravel() / pairs
    tables = (random.multinomial(pairs, shares).reshape(table.cells.shape) for _ in range(draws))
    found = [cohen_of(replace(table, cells=cells.astype(np.float64)), weights).value for cells in tables]
    return percentiles(found, confidence)


def _interval(
    statistic: Callable[[Counts], Agreement], counted: Counts, confidence: float, draws: int, seed: int
) -> Interval:
    if counted.units < 2 or statistic(counted).value is None:
        return Interval(None, None)
    random = np.random.default_rng(seed)
    drawn = _draws(counted.repeats, draws, random)
    return percentiles([statistic(replace(counted, repeats=repeats)).value for repeats in drawn], confidence)


def _draws(repeats: Floats, draws: int, random: np.random.Generator) -> Iterator[Floats]:
    """How often each pattern occurs among as many units, drawn with replacement."""
    units = int(repeats.sum())
    if PATTERN_COST * len(repeats) < units:
        for _ in range(draws):
            yield random.multinomial(units, repeats / units).astype(np.float64)
        return
    pattern = np.repeat(np.arange(len(repeats)), repeats.astype(np.int64))
    for _ in range(draws):
        yield np.bincount(pattern[random.integers(0, units, units)], minlength=len(repeats)).astype(
            np.float64
        )


def percentiles(found: list[float | None], confidence: float) -> Interval:
    """Draws in which the coefficient is not defined are left out; where that is most of them, nothing is said."""
    kept = [value for value in found if value is not None]
    if not kept or len(kept) < len(found) / 2:
        return Interval(None, None)
    edge = (1 - confidence) / 2
    low, high = np.quantile(kept, [edge, 1 - edge])
    return Interval(float(low), float(high))
