"""Bootstrap intervals: units are drawn again with replacement, by a seed, so that figures repeat. Pure."""

from dataclasses import dataclass

import numpy as np

from tilth.stats.agreement import Counts, Floats, Level, alpha_of, distances, unit_disagreements

DRAWS = 1000
BLOCK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Interval:
    """Lower and upper end; ``None`` where there is too little to say."""

    low: float | None
    high: float | None


def alpha_interval(
    counted: Counts, level: Level, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = 1
) -> Interval:
    """Percentile interval of alpha over drawn units.

    Each unit's counts and its part of the observed disagreement are computed once; a draw only weighs them.
    The distances of ordinal data are those of the whole sample.
    """
    if alpha_of(counted, level).value is None or len(counted.matrix) < 2:
        return Interval(None, None)
    distance = distances(counted, level)
    parts = unit_disagreements(counted, distance)
    values = _draw(counted.matrix, parts, distance, draws, np.random.default_rng(seed))
    kept = values[np.isfinite(values)]
    if len(kept) < draws // 2:
        return Interval(None, None)
    edge = (1 - confidence) / 2
    low, high = np.quantile(kept, [edge, 1 - edge])
    return Interval(float(low), float(high))


def _draw(matrix: Floats, parts: Floats, distance: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Alphas of many draws; units are weighed by how often they were drawn, a block of draws at a time."""
    units = len(matrix)
    block = max(1, min(draws, BLOCK_BYTES // (8 * units)))
    found = []
    for start in range(0, draws, block):
        count = min(block, draws - start)
        weights = random.multinomial(units, np.full(units, 1 / units), size=count).astype(np.float64)
        margins = weights @ matrix
        totals = margins.sum(axis=1)
        observed = (weights @ parts) / totals
        expected = np.einsum("dc,ce,de->d", margins, distance, margins, optimize=True) / (
            totals * (totals - 1)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(1 - observed / expected)
    return np.concatenate(found)


def mean_interval(values: Floats, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = 1) -> Interval:
    """Percentile interval of a mean."""
    numbers = np.asarray(values, dtype=np.float64)
    if len(numbers) < 2:
        return Interval(None, None)
    random = np.random.default_rng(seed)
    block = max(1, min(draws, BLOCK_BYTES // (8 * len(numbers))))
    means = [
        numbers[random.integers(0, len(numbers), (min(block, draws - start), len(numbers)))].mean(axis=1)
        for start in range(0, draws, block)
    ]
    edge = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(means), [edge, 1 - edge])
    return Interval(float(low), float(high))
