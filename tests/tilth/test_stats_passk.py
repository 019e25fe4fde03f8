"""pass@k and all@k against counting every subset, against the paper's product form, and known values."""

from itertools import combinations
from math import prod

import pytest

from tilth.stats.passk import all_at, mean_all_at, mean_pass_at, pass_at


@pytest.mark.parametrize("samples", range(1, 8))
def test_both_are_the_share_of_subsets(samples: int):
    for right in range(samples + 1):
        marks = [True] * right + [False] * (samples - right)
        for k in range(1, samples + 1):
            subsets = list(combinations(marks, k))
            assert pass_at(samples, right, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))
            assert all_at(samples, right, k) == pytest.approx(sum(map(all, subsets)) / len(subsets))


def test_the_papers_product_form_gives_the_same_for_many_samples():
    for right, k in ((1, 1), (20, 10), (57, 100), (150, 100)):
        product = 1 - prod(1 - k / n for n in range(200 - right + 1, 201))
        assert pass_at(200, right, k) == pytest.approx(product)


def test_known_values():
    assert pass_at(5, 2, 2) == pytest.approx(0.7)
    assert all_at(5, 2, 2) == pytest.approx(0.1)
    assert pass_at(200, 0, 100) == 0
    assert pass_at(200, 101, 100) == 1
    assert all_at(200, 99, 100) == 0


def test_problems_are_averaged_with_an_interval():
    found = mean_pass_at([(10, 0), (10, 10), (10, 5)], 1)
    assert (found.count, found.value) == (3, pytest.approx(0.5))
    assert found.low < 0.5 < found.high
    assert mean_all_at([(4, 4), (4, 2)], 2).value == pytest.approx((1 + 1 / 6) / 2)


@pytest.mark.parametrize("case", [(5, 2, 6), (5, 6, 1), (5, -1, 1), (5, 2, 0), (0, 0, 1)])
def test_impossible_counts_are_refused(case):
    with pytest.raises(ValueError, match="says nothing"):
        pass_at(*case)
