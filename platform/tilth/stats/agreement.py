"""Chance-corrected agreement: Krippendorff's alpha, Cohen's and Fleiss' kappa. Pure: numpy alone.

Alpha follows Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011): any number of coders,
missing values, and nominal, ordinal, interval or ratio data. Kappas follow Cohen (1960, 1968) and Fleiss
(1971). Where a coefficient is not defined (nothing pairable, no variation) the value is ``None``, never NaN.

Departure from the paper: its matrix of coincidences is never written out, because it has a cell for every
two values, too many for word counts or edit distances. Its sums are taken in closed form instead.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tilth.stats.counting import Counts, Floats, as_numbers, count_lists, numbered, ordered, summed

Level = Literal["nominal", "ordinal", "interval", "ratio"]
Weights = Literal["", "linear", "quadratic"]

NOTHING = "no unit has two values"
CONSTANT = "all values are the same"
BLOCK = 512
"""Rows of the distances between ratio values that are held at once."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient and what it stands on.

    ``units``: units with two or more values (for Cohen's kappa: with both); ``values``: values in them;
    ``coders``: how many gave them, 0 where not known. ``observed``: for alpha the observed disagreement (on
    ordinal and interval data with the range taken as 1), else the share of agreement. What could not be
    paired is counted as left out. ``value`` is ``None`` where the coefficient is not defined; ``undefined``
    then says why.
    """

    value: float | None
    units: int
    values: int
    observed: float | None = None
    coders: int = 0
    units_left_out: int = 0
    values_left_out: int = 0
    undefined: str = ""


def krippendorff_alpha(units: Iterable[Sequence[Any]], level: Level = "nominal") -> Agreement:
    """Alpha of units given as lists over coders, ``None`` for missing values."""
    return alpha_of(count_lists(units), level)


def alpha_of(counted: Counts, level: Level) -> Agreement:
    """Krippendorff's alpha of counted values: 1 − observed / expected disagreement.

    Ordinal, interval and ratio data must be finite numbers, ratio data not negative, else ``ValueError``.
    """
    _check(counted, level)
    total = float(counted.margins.sum())
    if not total:
        return _agreement(counted, None, None, NOTHING)
    observed = float((counted.repeats * _disagreements(counted, level)).sum()) / total
    expected = _all_pairs(counted, level) / (total * (total - 1))
    if expected == 0:
        return _agreement(counted, None, observed, CONSTANT)
    return _agreement(counted, 1 - observed / expected, observed)


def observed_agreement(counted: Counts) -> Agreement:
    """Raw agreement: the share of a unit's pairs of values that are the same, averaged over units."""
    if not len(counted.repeats):
        return _agreement(counted, None, None, NOTHING)
    agreed = _mean_agreement(counted)
    return _agreement(counted, agreed, agreed)


def fleiss_of(counted: Counts) -> Agreement:
    """Fleiss' kappa of counted values.

    With unequal numbers of raters a unit's agreement is that of its own pairs, each unit counts alike, and
    chance agreement comes from all values together: with equal numbers that is Fleiss (1971).
    """
    margins = counted.margins
    total = float(margins.sum())
    if not total:
        return _agreement(counted, None, None, NOTHING)
    agreed = _mean_agreement(counted)
    chance = float(((margins / total) ** 2).sum())
    if np.count_nonzero(margins) < 2:
        return _agreement(counted, None, agreed, CONSTANT)
    return _agreement(counted, (agreed - chance) / (1 - chance), agreed)


def fleiss_kappa(units: Iterable[Sequence[Any]]) -> Agreement:
    """Fleiss' kappa of units given as lists of values, ``None`` for missing ones."""
    return fleiss_of(count_lists(units))


@dataclass(frozen=True, slots=True)
class Table:
    """Two coders' values against each other: ``cells[a, b]`` units got category ``a`` from the first, ``b``
    from the second. ``ranked``: the order of the categories means something."""

    cells: Floats
    categories: tuple[Any, ...]
    ranked: bool
    units_left_out: int = 0
    values_left_out: int = 0


def cross(first: Sequence[Any], second: Sequence[Any], categories: Sequence[Any] | None = None) -> Table:
    """Two coders over the same units; units with a missing value are left out.

    ``categories`` gives all points of a scale in order; without it those that occur are taken, sorted.
    """
    if len(first) != len(second):
        raise ValueError("both coders must be given the same units")
    both = list(first) + list(second)
    names, places = numbered(both)
    order = ordered(names) if categories is None else list(categories)
    place = {name: n for n, name in enumerate(order)}
    if unknown := [name for name in names if name not in place]:
        raise ValueError(f"{unknown[0]!r} is not among the categories")
    renumber = np.array([place[name] for name in names], dtype=np.int64)
    one, other = places[: len(first)], places[len(first) :]
    kept = (one >= 0) & (other >= 0)
    size = len(order)
    flat = renumber[one[kept]] * size + renumber[other[kept]] if size else one[kept]
    cells = np.bincount(flat, minlength=size * size).reshape(size, size).astype(np.float64)
    ranked = categories is not None or as_numbers(order) is not None
    alone = int((places >= 0).sum()) - 2 * int(kept.sum())
    return Table(cells, tuple(order), ranked, int((~kept).sum()), alone)


def cohen_of(table: Table, weights: Weights = "") -> Agreement:
    """Cohen's kappa of a table of two coders.

    Weights compare the places of the categories in order (Cohen 1968); words have no order of their own, so
    that a weighted kappa of words without given ``categories`` is a ``ValueError``.
    """
    if weights and not table.ranked:
        raise ValueError("a weighted kappa of words needs the categories in their order")
    pairs = float(table.cells.sum())
    if not pairs:
        return _cohen(table, None, None, NOTHING)
    shares = table.cells / pairs
    places = np.arange(len(shares), dtype=np.float64)
    apart = np.abs(places[:, None] - places[None, :])
    cost = {"": (apart > 0).astype(np.float64), "linear": apart, "quadratic": apart**2}[weights]
    expected = float(shares.sum(axis=1) @ cost @ shares.sum(axis=0))
    agreed = float(np.trace(table.cells)) / pairs
    if expected == 0:
        return _cohen(table, None, agreed, CONSTANT)
    return _cohen(table, 1 - float((shares * cost).sum()) / expected, agreed)


def cohen_kappa(
    first: Sequence[Any],
    second: Sequence[Any],
    weights: Weights = "",
    categories: Sequence[Any] | None = None,
) -> Agreement:
    """Cohen's kappa of two coders over the same units, plain or weighted."""
    return cohen_of(cross(first, second, categories), weights)


def _cohen(table: Table, value: float | None, observed: float | None, undefined: str = "") -> Agreement:
    pairs = int(table.cells.sum())
    left_out = (table.units_left_out, table.values_left_out)
    return Agreement(value, pairs, 2 * pairs, observed, 2, *left_out, undefined)


def _agreement(
    counted: Counts, value: float | None, observed: float | None, undefined: str = ""
) -> Agreement:
    return Agreement(
        value=value,
        units=counted.units,
        values=int(counted.margins.sum()),
        observed=observed,
        coders=counted.coders,
        units_left_out=counted.units_left_out,
        values_left_out=counted.values_left_out,
        undefined=undefined,
    )


def _check(counted: Counts, level: Level) -> None:
    if level == "nominal":
        return
    if counted.scale is None:
        raise ValueError(f"{level} data must be finite numbers")
    if level == "ratio" and (counted.scale < 0).any():
        raise ValueError("ratio data must not be negative")


def _places(counted: Counts, level: Level) -> Floats:
    """Where categories lie, such that the distance of two is the square of their difference.

    Ordinal: the share of values below, its own counted half. Interval: from 0 to 1 (alpha does not depend
    on the scale, and squares of great numbers would overflow).
    """
    if level == "ordinal":
        margins = counted.margins
        return np.asarray((np.cumsum(margins) - margins / 2) / margins.sum())
    assert counted.scale is not None
    halves = counted.scale / 2
    width = halves[-1] - halves[0]
    return np.asarray((halves - halves[0]) / (width or 1.0))


def _disagreements(counted: Counts, level: Level) -> Floats:
    """For each pattern the distances of its ordered pairs of values, by (values − 1)."""
    totals = counted.totals
    if level == "nominal":
        pairs = totals**2 - _by_row(counted, counted.numbers**2)
    elif level == "ratio":
        pairs = _ratio_by_row(counted)
    else:
        # Σ (x − y)² over ordered pairs of n values is 2 n Σ (x − mean)².
        places = _places(counted, level)[counted.columns]
        means = _by_row(counted, counted.numbers * places) / totals
        pairs = 2 * totals * _by_row(counted, counted.numbers * (places - means[counted.rows]) ** 2)
    return np.asarray(pairs / (totals - 1))


def _all_pairs(counted: Counts, level: Level) -> float:
    """The distances of all ordered pairs of values, whichever unit they come from."""
    margins = counted.margins
    total = float(margins.sum())
    if level == "nominal":
        return total**2 - float((margins**2).sum())
    if level == "ratio":
        return _ratio_of_all(counted)
    places = _places(counted, level)
    mean = float((margins * places).sum()) / total
    return 2 * total * float((margins * (places - mean) ** 2).sum())


def _mean_agreement(counted: Counts) -> float:
    totals = counted.totals
    agreed = (_by_row(counted, counted.numbers**2) - totals) / (totals * (totals - 1))
    return float((counted.repeats * agreed).sum()) / counted.units


def _by_row(counted: Counts, cells: Floats) -> Floats:
    return summed(counted.rows, cells, len(counted.repeats))


def _ratio_distance(one: Floats, other: Floats) -> Floats:
    """((x − y) / (x + y))²; nothing and nothing are 0 apart."""
    both = one + other
    apart = np.divide(one - other, both, out=np.zeros(both.shape), where=both != 0)
    return np.asarray(apart**2)


def _ratio_by_row(counted: Counts) -> Floats:
    """Cells of one row stand together, so those ``step`` apart are compared until no row is that long."""
    assert counted.scale is not None
    values, found = counted.scale[counted.columns], np.zeros(len(counted.repeats))
    for step in range(1, len(values)):
        here = np.flatnonzero(counted.rows[step:] == counted.rows[:-step])
        if not len(here):
            break
        there = here + step
        weights = 2 * counted.numbers[here] * counted.numbers[there]
        weights *= _ratio_distance(values[here], values[there])
        found += summed(counted.rows[here], weights, len(found))
    return found


def _ratio_of_all(counted: Counts) -> float:
    """Costs the square of the number of distinct values, in time but not in memory."""
    assert counted.scale is not None
    values, margins, found = counted.scale, counted.margins, 0.0
    for start in range(0, len(values), BLOCK):
        distance = _ratio_distance(values[start : start + BLOCK, None], values[None, :])
        found += float(margins[start : start + BLOCK] @ distance @ margins)
    return found
