"""The order of windows and the learning rate: properties and known values."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.errors import InvalidInput
from training.llm.order import BLOCK, Order, Portion, mix, permuted
from training.llm.schedule import rate


@settings(max_examples=50)
@given(size=st.integers(1, 3000), seed=st.integers(0, 2**40))
def test_a_shuffle_holds_each_number_once(size: int, seed: int):
    assert sorted(permuted(np.arange(size), size, (seed,))) == list(range(size))


def test_a_shuffle_is_even_and_another_for_each_key():
    places = np.array([permuted(np.arange(10), 10, (seed, 0)) for seed in range(4000)])
    for column in places.T:
        counts = np.bincount(column, minlength=10)
        assert ((counts - 400) ** 2 / 400).sum() < 33.7  # chi-squared, 9 degrees: one in ten thousand


ORDERS = st.builds(
    lambda parts, seed: Order(
        tuple(Portion(n, Fraction(w, sum(w for _, w in parts))) for n, w in parts), seed
    ),
    st.lists(st.tuples(st.integers(1, 5000), st.integers(1, 1000)), min_size=1, max_size=5),
    st.integers(0, 100),
)


@settings(max_examples=25, deadline=None)
@given(order=ORDERS)
def test_each_window_comes_once_an_epoch_and_shares_hold(order: Order):
    places = 3 * BLOCK
    sources, windows = order.at(0, places)
    for number, portion in enumerate(order.portions):
        own = windows[sources == number]
        assert abs(len(own) - places * portion.share) <= len(order.portions)
        assert own.min(initial=0) >= 0 and own.max(initial=0) < portion.windows
        epochs = np.arange(len(own)) // portion.windows
        assert len(np.unique(epochs * portion.windows + own)) == len(own)


@settings(max_examples=25, deadline=None)
@given(order=ORDERS, first=st.integers(0, 3 * BLOCK), count=st.integers(1, BLOCK + 100))
def test_any_place_is_found_without_what_came_before(order: Order, first: int, count: int):
    whole = np.stack(order.at(0, first + count))[:, first:]
    assert np.array_equal(np.stack(order.at(first, count)), whole)
    halves = [order.at(first, 1), order.at(first + 1, count)] if count else []
    assert np.array_equal(np.concatenate([np.stack(h) for h in halves], axis=1)[:, :count], whole)


def test_epochs_and_seeds_give_other_orders():
    one, other = (Order((Portion(500, Fraction(1)),), seed).at(0, 1000)[1] for seed in (1, 2))
    assert not np.array_equal(one[:500], one[500:]) and not np.array_equal(one, other)


def test_epochs_fix_how_often_and_weights_share_the_rest():
    shares, total = mix([100, 1000, 1000], [1, 3, 1], [3, None, None], 1100)
    assert total == 1100 and [share * total for share in shares] == [300, 600, 200]
    assert mix([100, 300], [1, 1], [None, None], None) == ([Fraction(1, 4), Fraction(3, 4)], 400)
    assert mix([100, 300], [1, 1], [2, None], None) == ([Fraction(2, 5), Fraction(3, 5)], 500)
    with pytest.raises(InvalidInput, match="train longer"):
        mix([100, 10], [1, 1], [3, None], 300)
    with pytest.raises(InvalidInput, match="less than one window"):
        mix([100, 0], [1, 1], [None, None], 300)


@pytest.mark.parametrize(
    ("kind", "step", "expected"),
    [
        ("cosine", 0, 0.1),
        ("cosine", 9, 1.0),
        ("cosine", 10, 1.0),
        ("cosine", 54, 0.1 + 0.9 * (1 + np.cos(np.pi * 44 / 89)) / 2),
        ("cosine", 99, 0.1),
        ("wsd", 10, 1.0),
        ("wsd", 79, 1.0),
        ("wsd", 80, 1 - 0.9 / 20),
        ("wsd", 99, 0.1),
        ("constant", 99, 1.0),
    ],
)
def test_the_rate_has_known_values(kind: str, step: int, expected: float):
    assert rate(step, 100, kind, 0.1, 0.2, 0.1) == pytest.approx(expected)
