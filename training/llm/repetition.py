"""How much of what a model wrote it had just written before: the sign of a reward that loops can earn."""

from collections.abc import Sequence
from functools import wraps
from typing import Any

GRAM = 4
"""Tokens of a phrase."""


def repeated(ids: Sequence[int]) -> float:
    """The share of a completion's phrases of four tokens that it holds already, 0 to 1; 0 for a shorter one."""
    grams = [tuple(ids[n : n + GRAM]) for n in range(len(ids) - GRAM + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def telling(reward: Any) -> Any:
    """The same reward, which also reports the mean share of repeated phrases as the curve ``repetition``."""

    @wraps(reward)
    def told(completion_ids: list[list[int]], **more: Any) -> list[float]:
        shares = [repeated(ids) for ids in completion_ids]
        more["log_metric"]("repetition", sum(shares) / max(1, len(shares)))
        found: list[float] = reward(completion_ids=completion_ids, **more)
        return found

    return told
