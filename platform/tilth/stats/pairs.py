"""Cohen's kappa of every two coders who share enough units, averaged, with an interval. Pure.

The mean over pairs is what is usually given for more than two coders (Light 1971); its interval draws units, not
pairs, because pairs share coders and units.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from tilth.stats.bootstrap import DRAWS, SEED, Interval, percentiles
from tilth.stats.counting import Floats, Integers, numbered, summed

MOST_CODERS = 60
"""Coders whose pairs are counted, those with the most labels: pairs grow with the square."""

MOST_DRAWN = 100_000_000
"""Pairs of labels that all draws together may count anew: a few seconds."""
FEWEST_DRAWS = 100


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two coders' labels of one unit a row, all arrays (rows,): its unit, the number of their pair, both labels."""

    units: Integers
    pair: Integers
    one: Integers
    other: Integers
    count: int
    categories: int


def pair_up(said: Iterable[tuple[Hashable, Hashable, Hashable]], least: int) -> Pairs:
    """Each two coders' labels against each other, from (unit, coder, value); the last of one coder on a unit stands.

    Two coders who share fewer than ``least`` units are left out.
    """
    by_coder: dict[Hashable, dict[Hashable, Hashable]] = {}
    for unit, coder, value in said:
        by_coder.setdefault(coder, {})[unit] = value
    coders = sorted(by_coder.values(), key=len, reverse=True)[:MOST_CODERS]
    names, flat = numbered([value for labels in coders for value in labels.values()])
    number = {unit: n for n, unit in enumerate(dict.fromkeys(unit for labels in coders for unit in labels))}
    codes = np.full((len(coders), len(number)), -1, dtype=np.int64)
    rows = np.repeat(np.arange(len(coders)), [len(labels) for labels in coders])
    codes[rows, [number[unit] for labels in coders for unit in labels]] = flat
    found = [np.zeros((4, 0), dtype=np.int64)]
    for one, other in combinations(codes, 2):
        shared = np.flatnonzero((one >= 0) & (other >= 0))
        if len(shared) >= least:
            pair = np.full(len(shared), len(found) - 1)
            found.append(np.stack([shared, pair, one[shared], other[shared]]))
    units, pairs, ones, others = np.concatenate(found, axis=1)
    return Pairs(units, pairs, ones, others, len(found) - 1, len(names))


def mean_cohen(pairs: Pairs) -> float | None:
    """The mean of the pairs' kappas, of those that are defined; ``None`` where none is."""
    return _mean(pairs, np.ones(len(pairs.units)))


def mean_cohen_interval(
    pairs: Pairs, *, confidence: float = 0.95, draws: int = DRAWS, seed: int = SEED
) -> Interval:
    """Percentile interval of the mean over drawn units; fewer draws where the pairs are very many."""
    drawable, places = np.unique(pairs.units, return_inverse=True)
    if len(drawable) < 2 or mean_cohen(pairs) is None:
        return Interval(None, None)
    draws = max(FEWEST_DRAWS, min(draws, MOST_DRAWN // len(places)))
    random = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        drawn = np.bincount(random.integers(0, len(drawable), len(drawable)), minlength=len(drawable))
        found.append(_mean(pairs, drawn[places].astype(np.float64)))
    return percentiles(found, confidence)


def _mean(pairs: Pairs, weights: Floats) -> float | None:
    size, shape = pairs.categories, (pairs.count, pairs.categories)
    totals = summed(pairs.pair, weights, pairs.count)
    agreed = summed(pairs.pair, weights * (pairs.one == pairs.other), pairs.count)
    ones = summed(pairs.pair * size + pairs.one, weights, pairs.count * size).reshape(shape)
    others = summed(pairs.pair * size + pairs.other, weights, pairs.count * size).reshape(shape)
    expected = (ones * others).sum(axis=1)  # times the square of the total: whole numbers compare exactly
    defined = expected < totals**2
    if not defined.any():
        return None
    agreed, expected, totals = agreed[defined], expected[defined], totals[defined]
    return float(np.mean((agreed * totals - expected) / (totals**2 - expected)))
