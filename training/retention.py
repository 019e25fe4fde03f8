"""Which checkpoints of a run stay and why: every Nth, the newest, the best, and whatever something refers to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What is to stay. Where nothing is asked for, everything stays.

    ``every`` counts all checkpoints that the run has stored, in the order of their steps, also those that are gone:
    so the same ones stay whenever it is asked.
    """

    every: int | None = None
    last: int | None = None
    metric: str = ""
    lowest: bool = True

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.every or self.last or self.metric)


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint that the run has stored: whether it is ``there`` still, and what refers to it, in words."""

    step: int
    metrics: Mapping[str, float]
    there: bool = True
    used: Sequence[str] = ()


def reasons(policy: Policy, stored: Sequence[Stored]) -> dict[int, list[str]]:
    """By step, why each checkpoint that is there stays; one without a reason may go. The newest always stays."""
    in_order = sorted(stored, key=lambda one: one.step)
    there = [one for one in in_order if one.there]
    found = {one.step: list(one.used) for one in there}
    if not there:
        return found
    if not policy.asks:
        return {step: [*why, "no rule takes it away"] for step, why in found.items()}
    found[there[-1].step].append("the newest")
    for one in there[:-1][-(policy.last - 1) :] if policy.last and policy.last > 1 else []:
        found[one.step].append(f"among the last {policy.last}")
    if policy.every:
        for one in in_order[policy.every - 1 :: policy.every]:
            if one.there:
                found[one.step].append(f"one in {policy.every}")
    best = _best(policy, there)
    if best is not None:
        found[best.step].append(f"best {policy.metric}")
    return found


def _best(policy: Policy, there: Sequence[Stored]) -> Stored | None:
    measured = [one for one in there if policy.metric in one.metrics]
    if not measured:
        return None
    return (min if policy.lowest else max)(measured, key=lambda one: one.metrics[policy.metric])
