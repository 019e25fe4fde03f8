"""How far the annotations of one task lie apart: 0 where all agree, near 1 where none do.

The mean over measures and over pairs of annotations. Two values of a nominal measure are 0 or 1 apart;
two numbers d apart count d / (1 + d), which needs no knowledge of the scale and grows with the distance.
This only orders tasks for reading; agreement proper is ``tilth.stats.agreement``.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Any

from labeling.protocol.kind import Measure


def disagreement(measures: Iterable[Measure], values: Sequence[Mapping[str, Any]]) -> float | None:
    """The distance between annotations given by their measured values; ``None`` with fewer than two."""
    apart = [
        _apart(measure, one[measure.name], other[measure.name])
        for measure in measures
        for one, other in combinations(values, 2)
        if measure.name in one and measure.name in other
    ]
    return round(fmean(apart), 6) if apart else None


def _apart(measure: Measure, one: Any, other: Any) -> float:
    if measure.level == "nominal":
        return float(one != other)
    distance = abs(float(one) - float(other))
    return distance / (1 + distance)
