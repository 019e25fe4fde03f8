"""One answer out of many: majority votes, medians, and Dawid and Skene's model of who errs how. Pure.

The model is that of "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm" (1979),
its equations 2.3 to 2.5, started as there from the shares of votes (3.1).
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median_high, median_low
from typing import Any

import numpy as np

from tilth.stats.counting import Floats, Integers, numbered, ordered, summed

TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a vote gives. ``value`` is ``None`` without votes and where first place is shared; in the latter
    case ``tied`` holds those who share it."""

    value: Any | None
    votes: int
    total: int
    tied: tuple[Any, ...] = ()


def majority(values: Iterable[Any]) -> Verdict:
    """The value that more coders chose than any other; ``None`` and NaN are no votes."""
    counted = Counter(value for value in values if value is not None and value == value)
    total = sum(counted.values())
    if not total:
        return Verdict(None, 0, 0)
    votes = max(counted.values())
    first = ordered(value for value, times in counted.items() if times == votes)
    if len(first) > 1:
        return Verdict(None, votes, total, tuple(first))
    return Verdict(first[0], votes, total)


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of interval data, or ``None`` where there is none."""
    kept = [value for value in values if value is not None]
    return fmean(kept) if kept else None


def median(values: Iterable[float | None]) -> tuple[float, float] | None:
    """Both middle values of ordinal data: the same but where the middle falls between two points of the
    scale, whose mean would be a point that nobody chose."""
    kept = [value for value in values if value is not None]
    return (median_low(kept), median_high(kept)) if kept else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What Dawid and Skene's model finds.

    ``posterior[unit, category]``, ``confusion[coder, true, given]``, ``prior[category]``; names in order.
    ``settled``: the estimate stood still before the steps ran out.
    """

    units: list[Any]
    coders: list[Any]
    categories: list[Any]
    posterior: Floats
    confusion: Floats
    prior: Floats
    steps: int
    settled: bool

    def answers(self) -> dict[Any, Any]:
        """The likeliest category of each unit."""
        best = self.posterior.argmax(axis=1) if self.units else []
        return {unit: self.categories[n] for unit, n in zip(self.units, best, strict=True)}

    def accuracy(self) -> dict[Any, float]:
        """How often each coder is right, by the model."""
        right = np.einsum("cjj,j->c", self.confusion, self.prior)
        return {coder: float(value) for coder, value in zip(self.coders, right, strict=True)}


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels as numbers, and how many units, coders and categories there are."""

    unit: Integers
    coder: Integers
    value: Integers
    units: int
    coders: int
    categories: int


def dawid_skene(
    units: Sequence[Hashable],
    coders: Sequence[Hashable],
    values: Sequence[Any],
    *,
    most_steps: int = 200,
    tolerance: float = 1e-6,
) -> Estimate:
    """Estimate true categories and coders' error rates from (unit, coder, value) triples by EM.

    A coder may label a unit several times. Labels without a value are left out.
    """
    if not len(units) == len(coders) == len(values):
        raise ValueError("units, coders and values must be equally long")
    kept = [n for n, value in enumerate(values) if value is not None and value == value]
    names_u, u = _sorted_numbers([units[n] for n in kept])
    names_c, c = _sorted_numbers([coders[n] for n in kept])
    names_v, v = _sorted_numbers([values[n] for n in kept])
    labels = _Labels(u, c, v, len(names_u), len(names_c), len(names_v))
    votes = np.bincount(u * labels.categories + v, minlength=labels.units * labels.categories)
    votes = votes.reshape(labels.units, labels.categories)
    posterior: Floats = votes / votes.sum(axis=1, keepdims=True)
    prior, confusion = _maximise(posterior, labels)
    steps, settled = 0, not kept
    while steps < most_steps and not settled:
        updated = _expect(prior, confusion, labels)
        settled = float(np.abs(updated - posterior).max()) < tolerance
        posterior = updated
        prior, confusion = _maximise(posterior, labels)
        steps += 1
    return Estimate(names_u, names_c, names_v, posterior, confusion, prior, steps, settled)


def _sorted_numbers(labels: Sequence[Any]) -> tuple[list[Any], Integers]:
    names, places = numbered(labels)
    order = {name: n for n, name in enumerate(ordered(names))}
    return list(order), np.array([order[name] for name in names], dtype=np.int64)[places]


def _maximise(posterior: Floats, labels: _Labels) -> tuple[Floats, Floats]:
    """Shares of the categories, and each coder's answers to each; a category never met tells nothing."""
    size = labels.categories
    given = labels.coder * size + labels.value
    tally = np.zeros((labels.coders, size, size))
    for true in range(size):
        weights = posterior[labels.unit, true]
        found = summed(given, weights, labels.coders * size)
        tally[:, true, :] = found.reshape(labels.coders, size)
    totals = tally.sum(axis=2, keepdims=True)
    confusion = np.divide(tally, totals, out=np.full_like(tally, 1 / max(1, size)), where=totals > 0)
    return posterior.sum(axis=0) / max(1, labels.units), confusion


def _expect(prior: Floats, confusion: Floats, labels: _Labels) -> Floats:
    """Each unit's probabilities, in logarithms: many coders' rates multiply to less than a float holds."""
    logs = np.empty((labels.units, labels.categories))
    chances = np.log(confusion + TINY)
    for true in range(labels.categories):
        said = chances[labels.coder, true, labels.value]
        logs[:, true] = summed(labels.unit, said, labels.units)
    logs += np.log(prior + TINY)
    found = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(found / found.sum(axis=1, keepdims=True))
