"""The learning rate of each step, as a share of the highest."""

import math


def rate(step: int, steps: int, kind: str, warmup: float, decay: float, final: float) -> float:
    """The share at ``step`` (from 0) of a run of ``steps``.

    It rises linearly over the first ``warmup`` of the steps; then ``cosine`` falls to ``final`` along half
    a wave, ``wsd`` stays and falls linearly over the last ``decay``, ``constant`` stays.
    """
    rising = math.ceil(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    if kind == "cosine":
        share = (step - rising) / max(1, steps - 1 - rising)
        return final + (1 - final) * (1 + math.cos(math.pi * min(1.0, share))) / 2
    falling = math.ceil(decay * steps)
    if kind == "wsd" and step >= steps - falling:
        return 1 - (1 - final) * (step - (steps - falling) + 1) / falling
    return 1.0
