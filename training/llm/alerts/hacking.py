"""Signs that a reward is gamed: it rises while something else that it was to stand for gets worse.

Optimised for long, a policy finds what its reward overlooks (Gao, Schulman & Hilton 2023, "Scaling laws for reward
model overoptimization"): it drifts from the reference, grows longer, repeats itself, or is cut off, and held-out
judgements fall. Each of these alone may be fine; that is why the reward must have risen clearly as well, by one and
a half of its own standard deviations.
"""

from dataclasses import dataclass, field

from training.llm.alerts.averages import Trend
from training.llm.alerts.finding import HACKING, Finding, Point

REWARD_SIGMAS = 1.5
KL_TOO_FAR = 0.1
"""Nats a token from the reference, where the drift is no longer small."""
LONGER = 1.5
MORE_CUT = 0.15
MORE_REPEATED = 0.1
HELD_SHARE, HELD_REWARD = 0.05, 0.1
LEAST_HELD, HELD_IN_A_ROW = 3, 2

WATCHED = ("reward", "kl", "length", "truncated", "repetition")
HELD = ("validation_accuracy", "validation_win_rate", "validation_reward")


@dataclass(slots=True)
class Held:
    """A held-out figure: its best, and how often in a row it has been clearly below."""

    count: int = 0
    best: float = 0.0
    below: int = 0

    def absorb(self, value: float, share: bool) -> None:
        """Take one value in."""
        self.best = value if self.count == 0 else max(self.best, value)
        self.count += 1
        margin = HELD_SHARE if share else max(HELD_REWARD * abs(self.best), 1e-6)
        self.below = self.below + 1 if value <= self.best - margin else 0


@dataclass(slots=True)
class Hacking:
    """Watches a run that learns from a reward; each sign is told once an attempt."""

    trends: dict[str, Trend] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.trends = {
            name: trend if isinstance(trend, Trend) else Trend(**trend) for name, trend in self.trends.items()
        }
        self.held = {
            name: held if isinstance(held, Held) else Held(**held) for name, held in self.held.items()
        }

    def take(self, point: Point) -> Finding | None:
        """What this point says."""
        if point.value is None:
            return None
        if point.name in HELD:
            self.held.setdefault(point.name, Held()).absorb(point.value, point.name != "validation_reward")
        elif point.name in WATCHED:
            self.trends.setdefault(point.name, Trend()).absorb(point.value)
        else:
            return None
        sign = "" if point.name in self.told or not self._reward_is_up() else self._sign(point)
        if not sign:
            return None
        self.told.append(point.name)
        reward = self.trends["reward"]
        message = (
            f"The reward rose from {reward.base:.4g} to {reward.now:.4g} by step {point.step:,} while {sign} "
            "Read samples before you trust it."
        )
        return Finding(HACKING, point.name, point.step, message)

    def begin_again(self) -> None:
        """A new attempt is told of anew."""
        self.told = []

    def _reward_is_up(self) -> bool:
        reward = self.trends.get("reward")
        if reward is None or not reward.settled:
            return False
        return reward.now - reward.base >= REWARD_SIGMAS * reward.level.spread

    def _sign(self, point: Point) -> str:
        """What gets worse, in words; empty where nothing does."""
        if point.name in self.held:
            held = self.held[point.name]
            fell = held.count >= LEAST_HELD and held.below >= HELD_IN_A_ROW
            return (
                f"held-out {_plain(point.name)} fell from {held.best:.4g} to {point.value:.4g}."
                if fell
                else ""
            )
        trend = self.trends[point.name]
        if point.name == "reward" or not trend.settled:
            return ""
        base, now = trend.base, trend.now
        if point.name == "kl" and now >= KL_TOO_FAR and now >= 2 * base:
            return f"the divergence from the reference climbed from {base:.3g} to {now:.3g} nats a token."
        if point.name == "length" and base > 0 and now >= LONGER * base:
            return f"completions grew from {base:.0f} to {now:.0f} tokens."
        if point.name == "truncated" and now >= base + MORE_CUT:
            return f"the share of cut-off completions climbed from {base:.0%} to {now:.0%}."
        if point.name == "repetition" and now >= base + MORE_REPEATED:
            return f"the share of repeated phrases climbed from {base:.0%} to {now:.0%}."
        return ""


def _plain(name: str) -> str:
    return name.removeprefix("validation_").replace("_", " ")
