"""Chance-corrected agreement: Krippendorff's alpha, Cohen's and Fleiss' kappa. Pure: numpy alone.

Alpha follows Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): any number of coders,
missing values, and nominal, ordinal, interval or ratio data. Kappas follow Cohen (1960, 1968) and Fleiss
(1971). Where a coefficient is not defined (nothing pairable, no variation) the value is ``None``, never NaN.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient and what it stands on.

    ``units``: units with two or more values; ``values``: values in them; ``observed``: for alpha the
    observed disagreement, for kappas the share of agreement. ``value`` is ``None`` where not defined.
    """

    value: float | None
    units: int
    values: int
    observed: float | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each unit got each value: rows are units with two or more values, columns are categories."""

    matrix: Floats
    categories: tuple[Any, ...]

    @property
    def totals(self) -> Floats:
        """Values per unit."""
        return np.asarray(self.matrix.sum(axis=1))


def counts(units: Iterable[Sequence[Any]]) -> Counts:
    """Count units that are given as lists over coders, ``None`` for missing values."""
    triples = [(n, value) for n, unit in enumerate(units) for value in unit if value is not None]
    return count_pairs([n for n, _ in triples], [value for _, value in triples])


def count_pairs(units: Sequence[Hashable], values: Sequence[Any]) -> Counts:
    """Count (unit, value) pairs, one per label; the order of labels does not matter."""
    if not len(values):
        return Counts(np.zeros((0, 0)), ())
    _, rows = np.unique(np.asarray(units), return_inverse=True)
    categories, columns = np.unique(np.asarray(values), return_inverse=True)
    width = len(categories)
    flat = np.bincount(rows.ravel() * width + columns.ravel(), minlength=(int(rows.max()) + 1) * width)
    matrix = flat.reshape(-1, width).astype(np.float64)
    kept = matrix[matrix.sum(axis=1) >= 2]
    used = kept.any(axis=0)
    return Counts(kept[:, used], tuple(category.item() for category in categories[used]))


def distances(counted: Counts, level: Level) -> Floats:
    """Squared distance between every two categories at a level of measurement."""
    size = len(counted.categories)
    if level == "nominal":
        return 1.0 - np.eye(size)
    if level == "ordinal":
        # Cases up to and between two ranks, each end counted half.
        margins = counted.matrix.sum(axis=0)
        middle = np.cumsum(margins) - margins / 2
        return np.asarray((middle[:, None] - middle[None, :]) ** 2)
    numbers = np.asarray(counted.categories, dtype=np.float64)
    apart = numbers[:, None] - numbers[None, :]
    if level == "interval":
        return np.asarray(apart**2)
    total = numbers[:, None] + numbers[None, :]
    return np.asarray(np.divide(apart, total, out=np.zeros_like(apart), where=total != 0) ** 2)


def unit_disagreements(counted: Counts, distance: Floats) -> Floats:
    """Each unit's part of the observed disagreement: its pairs' distances, by (values − 1)."""
    matrix, totals = counted.matrix, counted.totals
    pairs = np.einsum("uc,cd,ud->u", matrix, distance, matrix, optimize=True)
    return np.asarray(pairs / (totals - 1))


def alpha_of(counted: Counts, level: Level) -> Agreement:
    """Krippendorff's alpha of counted values."""
    total = float(counted.matrix.sum())
    units = len(counted.matrix)
    if units == 0 or len(counted.categories) < 2:
        return Agreement(None, units, int(total))
    distance = distances(counted, level)
    observed = float(unit_disagreements(counted, distance).sum()) / total
    margins = counted.matrix.sum(axis=0)
    expected = float(margins @ distance @ margins) / (total * (total - 1))
    if expected == 0:
        return Agreement(None, units, int(total), observed)
    return Agreement(1 - observed / expected, units, int(total), observed)


def krippendorff_alpha(units: Iterable[Sequence[Any]], level: Level = "nominal") -> Agreement:
    """Alpha of units given as lists over coders, ``None`` for missing values."""
    return alpha_of(counts(units), level)


def cohen_kappa(
    first: Sequence[Any], second: Sequence[Any], weights: Literal["", "linear", "quadratic"] = ""
) -> Agreement:
    """Cohen's kappa of two coders over the same units; pairs with a missing value are left out.

    Weights compare the places of the categories in sorted order (Cohen 1968).
    """
    if len(first) != len(second):
        raise ValueError("both coders must be given the same units")
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    if not pairs:
        return Agreement(None, 0, 0)
    categories = sorted({value for pair in pairs for value in pair})
    place = {value: n for n, value in enumerate(categories)}
    table = np.zeros((len(categories), len(categories)))
    for a, b in pairs:
        table[place[a], place[b]] += 1
    table /= len(pairs)
    ranks = np.arange(len(categories))
    apart = np.abs(ranks[:, None] - ranks[None, :]).astype(np.float64)
    cost = {"": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]
    expected = float((np.outer(table.sum(axis=1), table.sum(axis=0)) * cost).sum())
    observed = float((table * cost).sum())
    agreed = float(np.trace(table))
    if expected == 0:
        return Agreement(None, len(pairs), 2 * len(pairs), agreed)
    return Agreement(1 - observed / expected, len(pairs), 2 * len(pairs), agreed)


def fleiss_kappa(units: Iterable[Sequence[Any]]) -> Agreement:
    """Fleiss' kappa; with unequal numbers of raters each unit's agreement counts by its own pairs."""
    counted = counts(units)
    matrix, totals = counted.matrix, counted.totals
    if not len(matrix):
        return Agreement(None, 0, 0)
    agreed = ((matrix * (matrix - 1)).sum(axis=1) / (totals * (totals - 1))).mean()
    shares = matrix.sum(axis=0) / matrix.sum()
    chance = float((shares**2).sum())
    size = int(matrix.sum())
    if chance == 1:
        return Agreement(None, len(matrix), size, float(agreed))
    return Agreement(float((agreed - chance) / (1 - chance)), len(matrix), size, float(agreed))
