"""Averages in constant memory, which can be kept as JSON between batches of points."""

import math
from dataclasses import dataclass, field
from statistics import fmean, median

MOST_SAMPLES = 256


@dataclass(slots=True)
class Level:
    """An exponential moving average and the variance around it, over about ``span`` points.

    The first ``span`` points count alike, so that the beginning does not hang on the very first one.
    """

    span: int
    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def absorb(self, value: float) -> None:
        """Take one value in."""
        self.count += 1
        weight = max(1 / self.count, 2 / (self.span + 1))
        away = value - self.mean
        self.mean += weight * away
        self.variance = (1 - weight) * (self.variance + weight * away * away)

    @property
    def spread(self) -> float:
        """The standard deviation; never quite zero, as a flat curve has no noise to measure by."""
        return max(math.sqrt(self.variance), 1e-3 * abs(self.mean), 1e-12)


@dataclass(slots=True)
class Sample:
    """Values spread evenly over all that came, at most :data:`MOST_SAMPLES`: enough for a median."""

    stride: int = 1
    count: int = 0
    values: list[float] = field(default_factory=list)

    def absorb(self, value: float) -> None:
        """Take one value in, if it is its turn."""
        if self.count % self.stride == 0:
            self.values.append(value)
        self.count += 1
        if len(self.values) > MOST_SAMPLES:
            self.values, self.stride = self.values[::2], self.stride * 2

    @property
    def median(self) -> float:
        """The median of all that came; there must have been a value."""
        return median(self.values)


@dataclass(slots=True)
class Trend:
    """Where a noisy curve began (the mean of its first ``FIRST`` points) and where it is now."""

    FIRST = 10
    SETTLED = 30

    first: list[float] = field(default_factory=list)
    level: Level = field(default_factory=lambda: Level(20))

    def __post_init__(self) -> None:
        if isinstance(self.level, dict):
            self.level = Level(**self.level)

    def absorb(self, value: float) -> None:
        """Take one value in."""
        if len(self.first) < self.FIRST:
            self.first.append(value)
        self.level.absorb(value)

    @property
    def settled(self) -> bool:
        """Whether beginning and end can be told apart."""
        return self.level.count >= self.SETTLED

    @property
    def base(self) -> float:
        """The mean at the beginning."""
        return fmean(self.first)

    @property
    def now(self) -> float:
        """The mean of late."""
        return self.level.mean
