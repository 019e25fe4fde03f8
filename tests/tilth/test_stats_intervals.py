"""Intervals of shares, of their differences and of means, against published figures."""

import pytest

from tilth.stats.intervals import Mean, Share, difference, mean, share, student


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_as_newcombe_printed_it(hits, total, low, high):
    found = share(hits, total)
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    mirrored = share(total - hits, total)
    assert (mirrored.low, mirrored.high) == (pytest.approx(1 - found.high), pytest.approx(1 - found.low))


def test_the_interval_of_a_difference_is_as_newcombe_printed_it():
    found = difference(share(56, 70), share(48, 80))
    assert found == (
        pytest.approx(0.2),
        pytest.approx(0.0524, abs=5e-5),
        pytest.approx(0.3339, abs=5e-5),
    )
    assert difference(share(56, 70), share(0, 0)) is None


def test_intervals_of_any_two_estimates_are_squared_and_added():
    found = difference(Mean(9, 1.0, 0.7, 1.4), Mean(9, 0.5, 0.1, 0.8))
    assert found == pytest.approx((0.5, 0.5 - (0.3**2 + 0.3**2) ** 0.5, 0.5 + (0.4**2 + 0.4**2) ** 0.5))
    assert difference(Mean(1, 1.0, None, None), Mean(9, 0.5, 0.1, 0.8)) is None


def test_a_share_of_nothing_has_no_value_and_more_than_all_is_refused():
    assert share(0, 0) == Share(0, 0, None, None, None)
    for hits in (-1, 3):
        with pytest.raises(ValueError, match=f"{hits} of 2"):
            share(hits, 2)


@pytest.mark.parametrize(
    ("freedom", "t"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (10, 2.228), (30, 2.042), (120, 1.980), (10**6, 1.960)],
)
def test_students_t_is_that_of_the_tables(freedom, t):
    assert student(freedom) == pytest.approx(t, abs=5e-4)


def test_students_t_has_no_step_where_the_expansion_takes_over():
    assert student(199, 0.99) > student(200, 0.99) > student(201, 0.99)
    assert student(199, 0.99) - student(200, 0.99) == pytest.approx(
        student(200, 0.99) - student(201, 0.99), rel=0.02
    )


def test_the_interval_of_a_mean_is_that_of_students_sleep_data():
    found = mean([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])
    assert (found.value, found.low, found.high) == (
        pytest.approx(1.58),
        pytest.approx(0.7001142),
        pytest.approx(2.4598858),
    )
    assert mean([]) == Mean(0, None, None, None)
    assert mean([3.0]) == Mean(1, 3.0, None, None)
