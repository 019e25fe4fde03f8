"""What goes in and what comes out: points of a run's curves, and findings that somebody should look at."""

from dataclasses import dataclass

NOT_FINITE = "not_finite"
LOSS_SPIKE = "loss_spike"
SLOW = "slow"
SILENT = "silent"
EVAL_DROP = "eval_drop"
EVAL_JUMP = "eval_jump"
HACKING = "reward_hacking"

RULES = {
    NOT_FINITE: "A value is no number",
    LOSS_SPIKE: "Loss far over its moving average",
    SLOW: "Throughput down by a fifth",
    SILENT: "No heartbeat",
    EVAL_DROP: "An evaluation got worse",
    EVAL_JUMP: "A capability jumped",
    HACKING: "Signs of reward hacking",
}
"""Every rule with what it is called on pages."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve; ``value`` is ``None`` where no finite number was reported, ``at`` in Unix seconds."""

    name: str
    step: int
    value: float | None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a rule has found: in which series, at which step, in words."""

    rule: str
    series: str
    step: int
    message: str
