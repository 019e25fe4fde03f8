"""Arms compared over seeds: means, differences paired by seed, who is ahead, bands over steps, the trend over sizes.

Pure: the standard library alone. Runs of one seed share their order of data and first weights, so that arms are
compared seed by seed: what a seed does to both falls out of the difference (Student's paired test, 1908). With
many comparisons at once each interval is widened by Bonferroni's rule, so that all of them hold together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from tilth.stats.intervals import Mean, mean

LEVEL = 0.95
Seeds = Sequence[float | None]
"""A value for each seed in order, ``None`` where a run has none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who is ahead at one size. ``best`` is the arm with the best mean, ``None`` without values.

    ``level_with`` are the arms that cannot be told from it; where it is empty and nothing is ``missing``, the
    best is ahead of all others. ``missing`` counts values that are not there: then nobody is ahead, because what
    is left was not drawn by chance.
    """

    best: int | None
    level_with: tuple[int, ...]
    missing: int

    @property
    def winner(self) -> int | None:
        """The arm that is ahead of all others, if there is one."""
        return None if self.missing or self.level_with else self.best


def confidence(arms: int, sizes: int, level: float = LEVEL) -> float:
    """The confidence of each single interval with which all pairs of arms at all sizes hold together."""
    return 1 - (1 - level) / (arms * (arms - 1) / 2 * sizes)


def over_seeds(values: Seeds, level: float = LEVEL) -> Mean:
    """The mean of an arm over the seeds that are there."""
    return mean([value for value in values if value is not None], level)


def paired(values: Seeds, other: Seeds, level: float = LEVEL) -> Mean:
    """The mean of ``values`` minus ``other``, seed by seed; seeds that lack either are left out."""
    pairs = zip(values, other, strict=True)
    return mean([one - two for one, two in pairs if one is not None and two is not None], level)


def excludes_zero(difference: Mean) -> bool:
    """Whether a difference is told from none."""
    if difference.low is None or difference.high is None:
        return False
    return difference.low > 0 or difference.high < 0


def verdict(arms: Sequence[Seeds], *, lower_is_better: bool, level: float) -> Verdict:
    """Who is ahead among arms at one size; ``level`` is the confidence of each comparison."""
    middles = [over_seeds(values).value for values in arms]
    missing = sum(value is None for values in arms for value in values)
    known = [place for place, middle in enumerate(middles) if middle is not None]
    if not known:
        return Verdict(None, (), missing)
    sign = 1 if lower_is_better else -1
    best = min(known, key=lambda place: sign * (middles[place] or 0.0))
    close = (
        place
        for place in range(len(arms))
        if place != best and not excludes_zero(paired(arms[place], arms[best], level))
    )
    return Verdict(best, tuple(close), missing)


def trend(
    places: Sequence[float], values: Sequence[Seeds], other: Sequence[Seeds], level: float = LEVEL
) -> Mean:
    """How the difference between two arms changes with size: the slope over ``places``, a mean over seeds.

    ``places`` says where each size stands (such as the logarithm of its parameters); ``values`` and ``other``
    hold each size's seeds. A seed's slope is that of least squares over its sizes; a seed that lacks a value at
    any size has none.
    """
    gaps = [
        [None if a is None or b is None else a - b for a, b in zip(first, second, strict=True)]
        for first, second in zip(values, other, strict=True)
    ]
    slopes = []
    for seed in zip(*gaps, strict=True):
        whole = [gap for gap in seed if gap is not None]
        if len(whole) == len(places):
            slopes.append(_slope(places, whole))
    return mean(slopes, level)


def band(seeds: Sequence[Mapping[int, float | None]], level: float = LEVEL) -> list[tuple[int, Mean]]:
    """An arm's course over steps: the mean with its interval, at the steps that all seeds with points share."""
    known = [
        {step: value for step, value in points.items() if value is not None} for points in seeds if points
    ]
    steps = sorted(set.intersection(*(set(points) for points in known))) if known else []
    return [(step, mean([points[step] for points in known], level)) for step in steps]


def _slope(places: Sequence[float], values: Sequence[float]) -> float:
    middle, height = fmean(places), fmean(values)
    spread = sum((place - middle) ** 2 for place in places)
    return (
        sum((place - middle) * (value - height) for place, value in zip(places, values, strict=True)) / spread
    )
