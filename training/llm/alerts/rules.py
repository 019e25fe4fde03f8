"""Rules over single curves: no number, loss over its moving average, throughput below its median.

A rule is a small object that takes points in order, says what it finds, and keeps what it must remember in plain
fields. A state of affairs is told once, and again only after it was over.
"""

from dataclasses import dataclass, field
from statistics import median

from training.llm.alerts.averages import Level, Sample
from training.llm.alerts.finding import LOSS_SPIKE, NOT_FINITE, SLOW, Finding, Point

FINITE = frozenset({"loss", "grad_norm", "reward", "kl", "entropy", "validation_loss", "bits_per_byte"})
"""Curves in which a value that is no number means that training is lost. In others it may mean: no sample."""

SIGMAS, CALM_SIGMAS = 6.0, 3.0
LEAST_LOSSES = 20
SLOWER, RECOVERED = 0.8, 0.9
LEAST_SPEEDS, LATELY = 20, 5


@dataclass(slots=True)
class NotFinite:
    """A loss, gradient or reward that is NaN or infinite."""

    told: bool = False

    def take(self, point: Point) -> Finding | None:
        """What this point says."""
        if point.name not in FINITE or point.value is not None or self.told:
            return None
        self.told = True
        message = f"{point.name} is no finite number at step {point.step:,}."
        return Finding(NOT_FINITE, point.name, point.step, message)

    def begin_again(self) -> None:
        """A new attempt is told of anew."""
        self.told = False


@dataclass(slots=True)
class LossSpike:
    """The loss at least six standard deviations over its moving average of about a hundred points.

    What is far out enters the average as three deviations at most: else one spike would hide the next.
    """

    level: Level = field(default_factory=lambda: Level(100))
    told: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.level, dict):
            self.level = Level(**self.level)

    def take(self, point: Point) -> Finding | None:
        """What this point says."""
        if point.name != "loss" or point.value is None:
            return None
        level, found = self.level, None
        away = (point.value - level.mean) / level.spread
        if level.count >= LEAST_LOSSES:
            if away >= SIGMAS and not self.told:
                self.told = True
                message = (
                    f"The loss is {point.value:.4g} at step {point.step:,}: {away:.1f} standard deviations over its "
                    f"moving average of {level.mean:.4g}."
                )
                found = Finding(LOSS_SPIKE, point.name, point.step, message)
            elif away < CALM_SIGMAS:
                self.told = False
            level.absorb(min(point.value, level.mean + CALM_SIGMAS * level.spread))
        else:
            level.absorb(point.value)
        return found

    def begin_again(self) -> None:
        """A new attempt is told of anew."""
        self.told = False


@dataclass(slots=True)
class Slow:
    """The median of the last five speeds at least a fifth below the median of the run so far."""

    all: Sample = field(default_factory=Sample)
    lately: list[float] = field(default_factory=list)
    told: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.all, dict):
            self.all = Sample(**self.all)

    def take(self, point: Point) -> Finding | None:
        """What this point says."""
        if point.name != "tokens_per_second" or point.value is None:
            return None
        self.all.absorb(point.value)
        self.lately = [*self.lately, point.value][-LATELY:]
        usual, now = self.all.median, median(self.lately)
        if self.all.count < LEAST_SPEEDS or usual <= 0:
            return None
        if now >= RECOVERED * usual:
            self.told = False
        if now > SLOWER * usual or self.told:
            return None
        self.told = True
        message = (
            f"{now:,.0f} tokens a second around step {point.step:,}: {1 - now / usual:.0%} below the run's median of "
            f"{usual:,.0f}."
        )
        return Finding(SLOW, point.name, point.step, message)

    def begin_again(self) -> None:
        """A new attempt is told of anew, once it has speeds of its own."""
        self.told, self.lately = False, []
