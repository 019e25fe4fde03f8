"""Shards that stand out: a keep rate, or a step's drop rate, far from what the siblings show.

Robust z-score: distance from the median over the spread, where the spread is the larger of 1.4826 times
the median absolute deviation, the sampling error of a shard of that size, and half a percentage point.
So neither a few odd shards nor small ones raise a flag by chance.

Source: Iglewicz & Hoaglin, "How to Detect and Handle Outliers" (1993).
"""

from statistics import median

from curation.pipeline.funnel import Funnel

SIBLINGS = 5
"""With fewer shards nothing is flagged: there is no telling which one is odd."""

LIMIT = 5.0
_LEAST = 0.005

Rates = dict[str, tuple[float, int]]
"""Measure -> (share, documents that it was taken of)."""


def rates(funnel: Funnel) -> Rates:
    """The share of documents that a shard keeps, and that each step drops."""
    entered = funnel.steps[0].entered.documents if funnel.steps else 0
    found: Rates = {"kept": (funnel.kept.documents / entered, entered)} if entered else {}
    for step in funnel.steps:
        if step.entered.documents:
            share = 1 - step.left.documents / step.entered.documents
            found[step.name] = (share, step.entered.documents)
    return found


def flag(shards: dict[int, Rates]) -> dict[int, list[str]]:
    """For each shard that stands out, one sentence per measure that does."""
    flags: dict[int, list[str]] = {}
    for measure in sorted({name for found in shards.values() for name in found}):
        values = {number: found[measure] for number, found in shards.items() if measure in found}
        if len(values) < SIBLINGS:
            continue
        middle = median(share for share, _ in values.values())
        spread = 1.4826 * median(abs(share - middle) for share, _ in values.values())
        for number, (share, documents) in values.items():
            chance = (middle * (1 - middle) / documents) ** 0.5
            score = (share - middle) / max(spread, chance, _LEAST)
            if abs(score) > LIMIT:
                flags.setdefault(number, []).append(_sentence(measure, share, middle))
    return flags


def _sentence(measure: str, share: float, middle: float) -> str:
    what = "keeps" if measure == "kept" else f"{measure} drops"
    return f"{what} {share:.1%}; its siblings {middle:.1%}"
