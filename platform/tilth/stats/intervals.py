"""Intervals of shares (Wilson 1927) and of differences of shares (Newcombe 1998, method 10). Pure."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist


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
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    p = hits / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    spread = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return Share(hits, total, p, max(0.0, centre - spread), min(1.0, centre + spread))


def difference(first: Share, second: Share) -> tuple[float, float, float] | None:
    """First minus second share with its interval, or ``None`` where one is missing."""
    if first.value is None or second.value is None:
        return None
    assert first.low is not None and first.high is not None
    assert second.low is not None and second.high is not None
    gap = first.value - second.value
    low = gap - sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    high = gap + sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return gap, low, high
