"""One run under watch: points in, findings out, and a memory of bounded size that is kept between batches."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from training.llm.alerts.averages import Sample
from training.llm.alerts.evaluations import Evaluations
from training.llm.alerts.finding import SILENT, Finding, Point
from training.llm.alerts.hacking import Hacking
from training.llm.alerts.rules import LossSpike, NotFinite, Slow

VERSION = 1
MOST_SERIES = 256
QUIET_SECONDS, TIMES_USUAL = 600.0, 10.0
REWARDED = ("grpo",)
"""Stages that learn from a reward: their loss hovers around zero and says nothing."""


@dataclass(slots=True)
class Watch:
    """What is remembered of a run; a point costs the same however long the run is.

    A new attempt reports some steps again, so within an attempt only points beyond a series' last step count; of
    the points that an earlier attempt had reported (they are older than its beginning), those that nobody has seen.
    """

    stage: str
    attempt: int = 0
    began: float = 0.0
    steps: dict[str, int] = field(default_factory=dict)
    seen_before: dict[str, int] = field(default_factory=dict)
    last_at: float | None = None
    gaps: Sample = field(default_factory=Sample)
    not_finite: NotFinite = field(default_factory=NotFinite)
    loss: LossSpike = field(default_factory=LossSpike)
    slow: Slow = field(default_factory=Slow)
    evaluations: Evaluations = field(default_factory=Evaluations)
    hacking: Hacking = field(default_factory=Hacking)

    def take(self, attempt: int, points: Iterable[Point], began: float = 0.0) -> list[Finding]:
        """What a batch of points says, in their order, of the attempt that ``began`` then (Unix seconds)."""
        if attempt != self.attempt:
            self._begin(attempt, began)
        found: list[Finding] = []
        for point in points:
            if self._is_new(point):
                self._time(point)
                found += filter(None, (rule.take(point) for rule in self._rules()))
        return found

    def silence(self, now: float) -> Finding | None:
        """Whether a run that is at work has reported nothing for too long, at ``now`` in Unix seconds.

        Too long is ten minutes, or ten times its usual time between points where that is more. Before its first
        point of an attempt a run prepares: that may take any time.
        """
        if self.last_at is None:
            return None
        usual = self.gaps.median if self.gaps.values else 0.0
        quiet = now - self.last_at
        if quiet < max(QUIET_SECONDS, TIMES_USUAL * usual):
            return None
        step = max(self.steps.values(), default=0)
        message = f"Nothing was reported for {quiet / 60:.0f} minutes, since step {step:,}."
        return Finding(SILENT, "", step, message)

    def to_json(self) -> dict[str, Any]:
        """Everything as a JSON object."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, stage: str, data: dict[str, Any]) -> "Watch":
        """The watch as it was kept; a new one where nothing was, or where it was kept by other rules."""
        if data.get("version") != VERSION:
            return cls(stage)
        kept = {name: value for name, value in data.items() if name not in ("version", "stage")}
        for name, make in _PARTS.items():
            kept[name] = make(**kept[name])
        return cls(stage, **kept)

    def _rules(self) -> list[Any]:
        if self.stage in REWARDED:
            return [self.not_finite, self.slow, self.hacking, self.evaluations]
        return [self.not_finite, self.loss, self.slow, self.evaluations]

    def _begin(self, attempt: int, began: float) -> None:
        self.seen_before, self.steps = {**self.seen_before, **self.steps}, {}
        self.attempt, self.began, self.last_at = attempt, began, None
        for rule in self._rules():
            rule.begin_again()

    def _is_new(self, point: Point) -> bool:
        if self._is_of_before(point) and point.step <= self.seen_before.get(point.name, -1):
            return False
        known = self.steps.get(point.name)
        if known is None:
            if len(self.steps) >= MOST_SERIES:
                return False
            self.evaluations.forget_from(point.name, point.step)
        elif point.step <= known:
            return False
        self.steps[point.name] = point.step
        return True

    def _is_of_before(self, point: Point) -> bool:
        return point.at is not None and point.at < self.began

    def _time(self, point: Point) -> None:
        if point.at is None or self._is_of_before(point):
            return
        if self.last_at is not None and point.at > self.last_at + 0.001:
            self.gaps.absorb(point.at - self.last_at)
        self.last_at = max(point.at, self.last_at or point.at)


_PARTS: dict[str, Any] = {
    "gaps": Sample,
    "not_finite": NotFinite,
    "loss": LossSpike,
    "slow": Slow,
    "evaluations": Evaluations,
    "hacking": Hacking,
}
