"""Labels counted, the way agreement reads them: units with the same values are one pattern. Pure: numpy alone.

A campaign of a million labels on a scale of five holds a few dozen patterns, so that every coefficient, and
each draw of a bootstrap, costs next to nothing. Measures with many distinct values (words, edit distances)
stay linear in the number of labels.
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Counts:
    """The pairable labels: those of units that have two or more.

    Cell ``i`` says that pattern ``rows[i]`` holds category ``columns[i]`` ``numbers[i]`` times; cells are
    sorted by row, then column. ``repeats[p]`` units are like pattern ``p``. ``scale`` holds the categories
    as numbers, and is ``None`` where one of them is not a finite number. ``coders`` is 0 where not known.
    """

    rows: Integers
    columns: Integers
    numbers: Floats
    repeats: Floats
    categories: tuple[Any, ...]
    scale: Floats | None
    coders: int = 0
    units_left_out: int = 0
    values_left_out: int = 0

    @property
    def units(self) -> int:
        """Units with two or more values."""
        return int(self.repeats.sum())

    @property
    def totals(self) -> Floats:
        """Values per unit, for each pattern."""
        return summed(self.rows, self.numbers, len(self.repeats))

    @property
    def margins(self) -> Floats:
        """Values per category, over all units."""
        return summed(self.columns, self.numbers * self.repeats[self.rows], len(self.categories))


def count_lists(units: Iterable[Sequence[Any]]) -> Counts:
    """Count units that are given as lists over coders, ``None`` (or NaN) for missing values."""
    lists = list(units)
    sizes = np.array([len(unit) for unit in lists], dtype=np.int64)
    unit = np.repeat(np.arange(len(lists)), sizes)
    coder = np.arange(len(unit)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    categories, value = numbered([value for unit in lists for value in unit])
    kept = value >= 0
    return _count(unit[kept], coder[kept], value[kept], len(lists), categories)


def count_pairs(units: Sequence[Hashable], values: Sequence[Any]) -> Counts:
    """Count (unit, value) pairs, one per label; the order of labels does not matter."""
    names, unit = numbered(units)
    categories, value = numbered(values)
    kept = (unit >= 0) & (value >= 0)
    return _count(unit[kept], None, value[kept], len(names), categories)


def count_triples(units: Sequence[Hashable], coders: Sequence[Hashable], values: Sequence[Any]) -> Counts:
    """Count (unit, coder, value) triples. Of several labels of one coder on one unit the last stands."""
    names, unit = numbered(units)
    people, coder = numbered(coders)
    categories, value = numbered(values)
    if not len(unit) == len(coder) == len(value):
        raise ValueError("units, coders and values must be equally long")
    kept = np.flatnonzero((unit >= 0) & (coder >= 0) & (value >= 0))
    pairs = unit[kept] * len(people) + coder[kept]
    # The first of the reversed labels is the last of them.
    _, last = np.unique(pairs[::-1], return_index=True)
    kept = kept[::-1][last]
    return _count(unit[kept], coder[kept], value[kept], len(names), categories)


def numbered(labels: Sequence[Any]) -> tuple[list[Any], Integers]:
    """Distinct labels by first appearance, and each label's place among them; −1 for ``None`` and NaN."""
    plain = labels.tolist() if isinstance(labels, np.ndarray) else labels
    places: dict[Any, int] = {}
    found = [
        -1 if label is None or label != label else places.setdefault(label, len(places)) for label in plain
    ]
    return list(places), np.array(found, dtype=np.int64)


def summed(places: Integers, weights: Floats, size: int) -> Floats:
    """The sum of the weights at each place from 0 to ``size`` − 1."""
    return np.asarray(np.bincount(places, weights=weights, minlength=size), dtype=np.float64)


def ordered(categories: Iterable[Any]) -> list[Any]:
    """Categories in their own order; such as cannot be compared by type and text."""
    plain = list(categories)
    try:
        return sorted(plain)
    except TypeError:
        return sorted(plain, key=lambda category: (type(category).__name__, str(category)))


def as_numbers(categories: Iterable[Any]) -> Floats | None:
    """Categories as floats, or ``None`` where one is no finite number."""
    plain = list(categories)
    if not all(isinstance(category, Real) for category in plain):
        return None
    scale = np.array(plain, dtype=np.float64)
    return scale if np.isfinite(scale).all() else None


def _count(
    unit: Integers, coder: Integers | None, value: Integers, units: int, categories: list[Any]
) -> Counts:
    """Counts of labels that are numbered already; units with fewer than two values are left out."""
    sizes = np.bincount(unit, minlength=units)
    paired = sizes[unit] >= 2
    names = ordered(categories[n] for n in np.unique(value[paired]))
    place = {name: n for n, name in enumerate(names)}
    renumber = np.array([place.get(name, -1) for name in categories], dtype=np.int64)
    labels, owners = renumber[value[paired]], unit[paired]
    labels = labels[np.lexsort((labels, owners))]
    rows, columns, numbers, repeats = _patterns(labels, sizes[sizes >= 2], max(1, len(names)))
    return Counts(
        rows=rows,
        columns=columns,
        numbers=numbers,
        repeats=repeats,
        categories=tuple(names),
        scale=as_numbers(names),
        coders=0 if coder is None else len(np.unique(coder[paired])),
        units_left_out=units - int((sizes >= 2).sum()),
        values_left_out=int((~paired).sum()),
    )


def _patterns(labels: Integers, sizes: Integers, width: int) -> tuple[Integers, Integers, Floats, Floats]:
    """Cells and repeats of units whose sorted labels follow one another, ``sizes`` of them each."""
    starts = np.cumsum(sizes) - sizes
    keys, numbers, repeats, found = [], [], [], 0
    for size in np.unique(sizes):
        table = labels[starts[sizes == size][:, None] + np.arange(size)]
        distinct, times = np.unique(table, axis=0, return_counts=True)
        rows = np.repeat(np.arange(found, found + len(distinct)), size)
        cells, counts = np.unique(rows * width + distinct.ravel(), return_counts=True)
        keys.append(cells)
        numbers.append(counts)
        repeats.append(times)
        found += len(distinct)
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    rows, columns = np.divmod(np.concatenate(keys), width)
    return rows, columns, np.concatenate(numbers).astype(np.float64), np.concatenate(repeats).astype(float)
