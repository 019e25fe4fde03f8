"""The mean of pairs' kappas: that of the single kappas, and its interval that of drawing units one by one."""

import numpy as np
import pytest

from tests.tilth.test_stats_agreement import ANXIETY
from tests.tilth.test_stats_bootstrap import by_hand, near
from tilth.stats.agreement import cohen_kappa, cross
from tilth.stats.bootstrap import Interval, cohen_interval
from tilth.stats.pairs import mean_cohen, mean_cohen_interval, pair_up

CODERS = 4


def labels(units=60, missing=0.2):
    """Four coders who mostly agree, each with gaps: a list of values by coder for each unit."""
    random = np.random.default_rng(3)
    found = []
    for _ in range(units):
        truth = random.integers(0, 3)
        said = [truth if random.random() < 0.7 else random.integers(0, 3) for _ in range(CODERS)]
        found.append([None if random.random() < missing else int(value) for value in said])
    return found


def said(units):
    return [
        (n, coder, str(value))
        for n, unit in enumerate(units)
        for coder, value in enumerate(unit)
        if value is not None
    ]


def mean_by_hand(units):
    kappas = []
    for one in range(CODERS):
        for other in range(one):
            kappas.append(cohen_kappa([u[one] for u in units], [u[other] for u in units]).value)
    kept = [kappa for kappa in kappas if kappa is not None]
    return sum(kept) / len(kept) if kept else None


def test_the_mean_is_that_of_every_pairs_kappa():
    units = labels()
    assert mean_cohen(pair_up(said(units), 1)) == pytest.approx(mean_by_hand(units))


def test_the_interval_is_that_of_drawing_units_one_by_one():
    units = labels()
    near(mean_cohen_interval(pair_up(said(units), 1), draws=4000), by_hand(units, mean_by_hand), 0.03)


def test_one_pair_has_the_interval_of_its_kappa():
    one_pair = pair_up(said(list(zip(*ANXIETY, strict=True))), 10)
    assert mean_cohen(one_pair) == pytest.approx(cohen_kappa(*ANXIETY).value)
    expected = cohen_interval(cross(*ANXIETY), draws=4000)
    near(mean_cohen_interval(one_pair, draws=4000), (expected.low, expected.high), 0.02)
    assert mean_cohen_interval(one_pair) == mean_cohen_interval(one_pair)


def test_pairs_that_share_too_little_say_nothing():
    nothing = Interval(None, None)
    units = [[1, 1], [2, 1], [2, 2]]
    assert pair_up(said(units), 4).count == 0
    for few in (pair_up([], 1), pair_up(said(units), 4), pair_up(said([[1, 1], [1, 1]]), 1)):
        assert mean_cohen(few) is None
        assert mean_cohen_interval(few) == nothing


def test_a_pair_that_always_says_the_same_word_is_left_out_of_the_mean():
    units = [[1, 1, n % 2, n % 3 % 2] for n in range(30)]
    pairs = pair_up(said(units), 10)
    assert pairs.count == 6
    assert mean_cohen(pairs) == pytest.approx(mean_by_hand(units))
