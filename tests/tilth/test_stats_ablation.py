"""Statistics of ablations against values worked out by hand and from tables of Student's distribution."""

import math

import pytest

from tilth.stats.ablation import band, confidence, excludes_zero, over_seeds, paired, trend, verdict

A = [1.0, 2.0, 3.0]
B = [1.5, 2.4, 3.6]


def test_differences_are_paired_by_seed():
    """By hand: differences 0.5, 0.4, 0.6 have mean 0.5 and deviation 0.1; t(2) = 4.303 in the tables."""
    found = paired(B, A)
    assert found.value == pytest.approx(0.5)
    assert found.high - found.value == pytest.approx(4.302653 * 0.1 / math.sqrt(3), rel=1e-5)
    assert excludes_zero(found) and not excludes_zero(over_seeds([-1.0, 1.5, 0.0]))
    wide = over_seeds(A)
    assert wide.high - wide.value == pytest.approx(4.302653 * 1 / math.sqrt(3), rel=1e-5)
    assert wide.high > over_seeds(B).value, "unpaired, the same arms overlap"


def test_a_seed_that_lacks_one_of_both_is_left_out_of_the_pairs():
    found = paired([1.0, None, 3.0, 4.0], [0.5, 1.0, None, 3.3])
    assert (found.count, found.value) == (2, pytest.approx(0.6))
    assert paired([1.0], [0.5]).low is None and not excludes_zero(paired([1.0], [0.5]))


def test_many_comparisons_share_one_chance_of_error():
    assert confidence(2, 1) == pytest.approx(0.95)
    assert confidence(3, 2) == pytest.approx(1 - 0.05 / 6)


def test_the_best_is_ahead_only_of_arms_that_can_be_told_from_it():
    noisy = [1.6, 1.8, 3.9]
    clear = verdict([B, A], lower_is_better=True, level=0.95)
    assert (clear.best, clear.level_with, clear.missing, clear.winner) == (1, (), 0, 1)
    assert verdict([B, A], lower_is_better=False, level=0.95).winner == 0
    close = verdict([A, B, noisy], lower_is_better=True, level=0.95)
    assert (close.best, close.level_with, close.winner) == (0, (2,), None)
    assert verdict([A, A], lower_is_better=True, level=0.95).winner is None


def test_nobody_wins_where_a_value_is_missing():
    found = verdict([[*A, None], [*B, 4.4]], lower_is_better=True, level=0.95)
    assert (found.best, found.level_with, found.missing, found.winner) == (0, (), 1, None)
    empty = verdict([[None], [None]], lower_is_better=True, level=0.95)
    assert (empty.best, empty.missing, empty.winner) == (None, 2, None)


def test_the_trend_is_the_slope_of_the_difference_seed_by_seed():
    """By hand: seed 0's gaps 1, 2, 3 at 0, 1, 2 have slope 1; seed 1's gaps 0, 0, 3 have slope 1.5."""
    values, other = [[1.0, 0.0], [2.0, 0.0], [3.0, 3.0]], [[0.0, 0.0]] * 3
    found = trend([0, 1, 2], values, other)
    assert (found.count, found.value) == (2, pytest.approx(1.25))
    assert found.high - found.value == pytest.approx(12.7062 * 0.25, rel=1e-4)  # t(1), deviation 0.25·√2
    assert trend([0, 1, 2], [[1.0, 0.0], [2.0, None], [3.0, 3.0]], other).value == pytest.approx(1.0)


def test_a_band_stands_at_the_steps_that_all_seeds_share():
    found = band([{10: 1.0, 20: 2.0, 30: 9.0}, {10: 3.0, 20: 2.0, 25: 1.0}, {}])
    assert [(step, value.count, value.value) for step, value in found] == [(10, 2, 2.0), (20, 2, 2.0)]
    assert found[0][1].high == pytest.approx(2 + 12.7062, rel=1e-4) and found[1][1].high == 2.0
    assert band([{10: None}, {10: 1.0}]) == [] and band([]) == []
