"""Evaluations that get worse, and capabilities that jump; both on the log scale.

On the log scale a loss that falls by a tenth counts alike at 4 and at 2, and a share of right answers that doubles
counts alike at 1 % and at 20 %: a capability that seems to come out of nothing has mostly been growing there. What
jumps there too is worth a look: a leak of the test, another format, or a real discovery.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from training.llm.alerts.finding import EVAL_DROP, EVAL_JUMP, Finding, Point

SMALLEST_SHARE = 1e-3
TIMES_USUAL = 4.0
KEPT = 6
MOST_SERIES = 64


@dataclass(frozen=True, slots=True)
class Kind:
    """How a figure is read: its sign, what counts as a drop and as a jump (differences of logarithms)."""

    better: int
    drop: float
    jump: float


LOSS = Kind(-1, math.log(1.05), math.log(1.25))
SHARE = Kind(+1, math.log(1 / 0.9), math.log(2))
PERPLEXITY = Kind(-1, math.log(1.25), math.log(2))
_LOSSES = ("validation_loss", "bits_per_byte")
_SHARES = ("accuracy", "token_accuracy", "accuracy_by_byte", "accuracy_by_token", "win_rate")
_SHARES_OF_TASKS = ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match", "f1")
_PERPLEXITIES = ("perplexity", "word_perplexity", "byte_perplexity")
"""As lm-evaluation-harness names them; a filter's name may follow after a comma."""


@dataclass(frozen=True, slots=True)
class Value:
    """A figure at a step, with its interval where it has one."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None


def kind_of(name: str) -> Kind | None:
    """How a figure of this name is read; ``None`` for one that has no direction. ``VERSION/`` may stand before."""
    if name in _LOSSES or name.startswith("bits_per_byte/"):
        return LOSS
    plain = name.rpartition("/")[2].removeprefix("validation_").partition(",")[0]
    if plain in ("bits_per_byte", "bits_per_byte_of_a_text"):
        return LOSS
    if plain in _PERPLEXITIES:
        return PERPLEXITY
    is_share = plain in (*_SHARES, *_SHARES_OF_TASKS) or plain.startswith(("pass@", "all@"))
    return SHARE if is_share else None


def judge(name: str, earlier: Sequence[Value], now: Value) -> Finding | None:
    """What a new figure says beside the earlier ones, in the order of their steps."""
    kind = kind_of(name)
    if kind is None or not earlier:
        return None
    return _drop(name, kind, earlier, now) or _jump(name, kind, earlier, now)


def _height(kind: Kind, value: float) -> float:
    """How good a figure is, on the log scale."""
    return kind.better * math.log(max(value, SMALLEST_SHARE))


def _drop(name: str, kind: Kind, earlier: Sequence[Value], now: Value) -> Finding | None:
    best = max(earlier, key=lambda known: _height(kind, known.value))
    fallen = _height(kind, best.value) - _height(kind, now.value)
    if fallen < kind.drop or _overlap(best, now):
        return None
    message = (
        f"{name} is {now.value:.4g} at step {now.step:,} and was {best.value:.4g} at step {best.step:,}: it got worse "
        f"by {math.expm1(fallen):.0%} on the log scale."
    )
    return Finding(EVAL_DROP, name, now.step, message)


def _jump(name: str, kind: Kind, earlier: Sequence[Value], now: Value) -> Finding | None:
    heights = [_height(kind, known.value) for known in earlier[-KEPT:]]
    changes = [abs(b - a) for a, b in pairwise(heights)]
    risen = _height(kind, now.value) - heights[-1]
    # Intervals say how far chance reaches; without them it takes more earlier changes to know.
    least = 2 if now.low is not None else 4
    if len(changes) < least or risen < max(kind.jump, TIMES_USUAL * max(changes)):
        return None
    if _overlap(earlier[-1], now):
        return None
    largest = max(changes)
    beside = f"{risen / largest:.0f} times the largest change" if largest > 0.01 else "it had stood still"
    message = (
        f"{name} went from {earlier[-1].value:.4g} at step {earlier[-1].step:,} to {now.value:.4g} at step "
        f"{now.step:,}; on the log scale {beside} before."
    )
    return Finding(EVAL_JUMP, name, now.step, message)


def _overlap(a: Value, b: Value) -> bool:
    """Whether two figures have intervals that overlap."""
    if a.low is None or a.high is None or b.low is None or b.high is None:
        return False
    return a.low <= b.high and b.low <= a.high


@dataclass(slots=True)
class Evaluations:
    """The same along a run: its best figure and its last few, by series; the drop is told once."""

    series: dict[str, list[Value]] = field(default_factory=dict)
    dropped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.series = {
            name: [value if isinstance(value, Value) else Value(**value) for value in values]
            for name, values in self.series.items()
        }

    def take(self, point: Point) -> Finding | None:
        """What this point says."""
        kind = kind_of(point.name)
        known = self.series.get(point.name, [])
        if kind is None or point.value is None or (not known and len(self.series) >= MOST_SERIES):
            return None
        now = Value(point.step, point.value)
        found = judge(point.name, known, now)
        self.series[point.name] = _kept(kind, [*known, now])
        if found is None or found.rule != EVAL_DROP:
            if point.name in self.dropped and found is None:
                self.dropped.remove(point.name)
            return found
        if point.name in self.dropped:
            return None
        self.dropped.append(point.name)
        return found

    def begin_again(self) -> None:
        """A new attempt measures some steps again: from its first one on, its figures count."""
        self.dropped = []

    def forget_from(self, name: str, step: int) -> None:
        """Let go of what was measured from a step on."""
        if name in self.series:
            self.series[name] = [known for known in self.series[name] if known.step < step]


def _kept(kind: Kind, values: list[Value]) -> list[Value]:
    """The best and the last few, in order."""
    best = max(values, key=lambda known: _height(kind, known.value))
    tail = values[-KEPT - 1 :]
    return tail if best in tail else [best, *tail]
