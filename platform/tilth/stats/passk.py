"""Solved in one of k tries, and in all of k: unbiased estimates from n samples of a problem. Pure.

``pass@k`` is the estimator of Chen et al. (2021), "Evaluating Large Language Models Trained on Code": the share of
k-subsets of the n samples that hold a right one. ``all@k`` counts the subsets that hold only right ones.
"""

from collections.abc import Iterable
from math import comb

from tilth.stats.intervals import Mean, mean


def pass_at(samples: int, right: int, k: int) -> float:
    """Probability that at least one of ``k`` samples is right; ``ValueError`` unless 1 ≤ k ≤ samples ≥ right ≥ 0."""
    _check(samples, right, k)
    return 1.0 - comb(samples - right, k) / comb(samples, k)


def all_at(samples: int, right: int, k: int) -> float:
    """Probability that all of ``k`` samples are right; ``ValueError`` as for :func:`pass_at`."""
    _check(samples, right, k)
    return comb(right, k) / comb(samples, k)


def mean_pass_at(problems: Iterable[tuple[int, int]], k: int, confidence: float = 0.95) -> Mean:
    """Mean of pass@k over problems given as (samples, right), with Student's interval over problems."""
    return mean((pass_at(samples, right, k) for samples, right in problems), confidence)


def mean_all_at(problems: Iterable[tuple[int, int]], k: int, confidence: float = 0.95) -> Mean:
    """Mean of all@k over problems given as (samples, right), with Student's interval over problems."""
    return mean((all_at(samples, right, k) for samples, right in problems), confidence)


def _check(samples: int, right: int, k: int) -> None:
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"{right} right of {samples} samples says nothing about {k} tries")
