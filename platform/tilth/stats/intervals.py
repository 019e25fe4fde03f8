"""Closed intervals: of a share (Wilson 1927), of a mean (Student 1908), of a difference of two independent estimates
out of theirs (Newcombe 1998, method 10, for shares; Zou and Donner 2008 for any). Pure: the standard library alone."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import cos, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev
from typing import Protocol

LONG_SERIES = 200
"""Degrees of freedom from which Student's distribution is taken from the normal one by expansion."""


class Estimate(Protocol):
    """A value with its interval; each ``None`` where it is not known."""

    @property
    def value(self) -> float | None:
        """What is estimated."""

    @property
    def low(self) -> float | None:
        """The lower end."""

    @property
    def high(self) -> float | None:
        """The upper end."""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval; all ``None`` where nothing was counted."""

    hits: int
    total: int
    value: float | None
    low: float | None
    high: float | None


def share(hits: int, total: int, confidence: float = 0.95) -> Share:
    """A share with Wilson's score interval, which also holds for few and for extreme counts."""
    if total <= 0:
        return Share(0, 0, None, None, None)
    if not 0 <= hits <= total:
        raise ValueError(f"{hits} of {total} is not a share")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    spread = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Share(hits, total, p, max(0.0, centre - spread), min(1.0, centre + spread))


def difference(first: Estimate, second: Estimate) -> tuple[float, float, float] | None:
    """First minus second estimate with its interval, or ``None`` where a value or an interval is missing."""
    if first.value is None or first.low is None or first.high is None:
        return None
    if second.value is None or second.low is None or second.high is None:
        return None
    gap = first.value - second.value
    low = gap - sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    high = gap + sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return gap, low, high


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with its interval; the interval is ``None`` for fewer than two values, the mean for none."""

    count: int
    value: float | None
    low: float | None
    high: float | None


def mean(values: Iterable[float], confidence: float = 0.95) -> Mean:
    """A mean with Student's interval."""
    numbers = list(values)
    if len(numbers) < 2:
        return Mean(len(numbers), numbers[0] if numbers else None, None, None)
    middle = fmean(numbers)
    spread = student(len(numbers) - 1, confidence) * stdev(numbers) / sqrt(len(numbers))
    return Mean(len(numbers), middle, middle - spread, middle + spread)


def student(freedom: int, confidence: float = 0.95) -> float:
    """The t within which Student's distribution lies with that probability, both sides together.

    Abramowitz and Stegun 26.7.3 and 26.7.4, turned round by halving; past many degrees of freedom 26.7.5.
    """
    if freedom >= LONG_SERIES:
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        return (
            z
            + (z**3 + z) / (4 * freedom)
            + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
            + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * freedom**3)
        )
    low, high = 0.0, pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < confidence else (low, angle)
    return sqrt(freedom) * sin(low) / cos(low)


def _within(angle: float, freedom: int) -> float:
    """The probability of less than ``sqrt(freedom) · tan(angle)``, both sides together."""
    odd = freedom % 2
    term = total = cos(angle) if odd else 1.0
    for n in range(2 + odd, freedom, 2):
        term *= cos(angle) ** 2 * (n - 1) / n
        total += term
    if not odd:
        return sin(angle) * total
    return (angle + (sin(angle) * total if freedom > 1 else 0.0)) * 2 / pi
