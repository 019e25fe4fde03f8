"""Bootstrap intervals: they repeat, and are those of drawing units one by one."""

import numpy as np
import pytest

from tests.tilth.test_stats_agreement import ANXIETY, FOUR_CODERS, psychiatrists
from tilth.stats.agreement import alpha_of, cohen_kappa, cross, fleiss_kappa, krippendorff_alpha
from tilth.stats.bootstrap import Interval, alpha_interval, cohen_interval, fleiss_interval
from tilth.stats.counting import count_lists

PAIRED = [unit for unit in FOUR_CODERS if sum(value is not None for value in unit) > 1]


def by_hand(units, statistic, draws=1000):
    random = np.random.default_rng(7)
    found = [statistic([units[n] for n in random.integers(0, len(units), len(units))]) for _ in range(draws)]
    return np.quantile([value for value in found if value is not None], [0.025, 0.975])


def near(interval, ends, within):
    assert (interval.low, interval.high) == (
        pytest.approx(ends[0], abs=within),
        pytest.approx(ends[1], abs=within),
    )


@pytest.mark.parametrize("times", [3, 30], ids=["units drawn", "patterns drawn"])
@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_alphas_interval_is_that_of_drawing_units_one_by_one(level, times):
    units = PAIRED * times
    ends = by_hand(units, lambda drawn: krippendorff_alpha(drawn, level).value, 400)
    near(alpha_interval(count_lists(units), level, draws=4000), ends, 0.1 / np.sqrt(times))


def test_fleiss_interval_is_that_of_drawing_units_one_by_one():
    units = psychiatrists()
    ends = by_hand(units, lambda drawn: fleiss_kappa(drawn).value)
    near(fleiss_interval(count_lists(units), draws=4000), ends, 0.02)


@pytest.mark.parametrize("weights", ["", "quadratic"])
def test_cohens_interval_is_that_of_drawing_units_one_by_one(weights):
    order, pairs = range(1, 7), list(zip(*ANXIETY, strict=True))
    ends = by_hand(pairs, lambda drawn: cohen_kappa(*zip(*drawn, strict=True), weights, order).value)
    near(cohen_interval(cross(*ANXIETY, order), weights, draws=4000), ends, 0.05)


def test_an_interval_repeats_by_its_seed_and_covers_the_value():
    counted = count_lists(FOUR_CODERS * 4)
    found = alpha_interval(counted, "nominal")
    assert found == alpha_interval(counted, "nominal")
    assert found != alpha_interval(counted, "nominal", seed=2)
    assert found.low < alpha_of(counted, "nominal").value < found.high
    assert cohen_interval(cross(*ANXIETY)) == cohen_interval(cross(*ANXIETY))


def test_an_interval_is_wider_for_fewer_units_and_for_more_confidence():
    few, many = count_lists(FOUR_CODERS), count_lists(FOUR_CODERS * 4)

    def width(interval):
        return interval.high - interval.low

    assert width(alpha_interval(few, "ordinal")) > width(alpha_interval(many, "ordinal"))
    assert width(alpha_interval(few, "ordinal", confidence=0.5)) < width(alpha_interval(few, "ordinal"))


def test_too_little_data_has_no_interval():
    nothing = Interval(None, None)
    assert alpha_interval(count_lists([]), "nominal") == nothing
    assert alpha_interval(count_lists([[1, 2]]), "nominal") == nothing
    assert fleiss_interval(count_lists([[1, 1], [1, 1]])) == nothing
    assert cohen_interval(cross([], [])) == nothing
    assert cohen_interval(cross([1, 1], [1, 1])) == nothing
