"""Agreement against published worked examples, an independent library, and what must hold for any labels."""

import random
from itertools import permutations

import krippendorff
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tilth.stats.agreement import (
    CONSTANT,
    NOTHING,
    alpha_of,
    cohen_kappa,
    fleiss_kappa,
    krippendorff_alpha,
    observed_agreement,
)
from tilth.stats.counting import count_lists, count_pairs, count_triples

LEVELS = ["nominal", "ordinal", "interval", "ratio"]
NAN = None
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": A, B, and the data of C, D and E.
MEG, OWEN = "0100000010", "1110010000"
BEN, GERRY = "aabbdcccedda", "babbbccceddd"
FOUR_CODERS = [
    [1, 1, NAN, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NAN, 5, 5, 5], [NAN, NAN, 1, 1], [NAN, 3, NAN, NAN],
]  # fmt: skip
# The worked example with three coders and missing data of the encyclopedia's article on alpha.
THREE_CODERS = [
    [NAN, 1, NAN], [NAN, NAN, NAN], [NAN, 2, 2], [NAN, 1, 1], [NAN, 3, 3], [3, 3, 4], [4, 4, 4], [1, 3, NAN],
    [2, NAN, 2], [1, NAN, 1], [1, NAN, 1], [3, NAN, 3], [3, NAN, 3], [NAN, NAN, NAN], [3, NAN, 4],
]  # fmt: skip
# Fleiss (1971), table 1: 30 patients, 6 psychiatrists each; categories are counted per patient.
PSYCHIATRISTS = """
    00060 03003 01401 00006 03030 20400 00402 20310 20040 00006 10050 11040 03300 10050 02031
    00501 30012 51000 02040 10203 00006 01050 02013 20040 10041 05010 40002 02040 10500 00006
"""
# The table of the encyclopedia's article on Fleiss' kappa: 10 subjects, 14 raters, 5 categories.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
# Anxiety of 20 people as two raters saw it; kappas as R's package irr (kappa2) prints them.
ANXIETY = [3, 6, 4, 6, 2, 4, 2, 4, 3, 3, 2, 3, 3, 3, 2, 2, 1, 3, 3, 4], [
    2, 1, 4, 4, 3, 2, 1, 6, 1, 1, 1, 2, 3, 3, 1, 1, 3, 3, 2, 2,
]  # fmt: skip


@pytest.mark.parametrize(("level", "published"), [*zip(LEVELS, [0.743, 0.815, 0.849, 0.797], strict=True)])
def test_alpha_of_four_coders_is_as_published(level, published):
    found = krippendorff_alpha(FOUR_CODERS, level)
    assert found.value == pytest.approx(published, abs=5e-4)
    assert (found.units, found.values, found.coders) == (11, 40, 4)
    assert (found.units_left_out, found.values_left_out) == (1, 1), "one unit has one value only"


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.691), ("interval", 0.811)])
def test_alpha_with_much_missing_data_is_as_published(level, published):
    found = krippendorff_alpha(THREE_CODERS, level)
    assert found.value == pytest.approx(published, abs=5e-4)
    assert (found.units, found.values, found.units_left_out, found.values_left_out) == (12, 26, 3, 1)


def test_alpha_of_two_coders_is_as_published():
    assert krippendorff_alpha(zip(MEG, OWEN, strict=True)).value == pytest.approx(0.095, abs=5e-4)
    assert krippendorff_alpha(zip(BEN, GERRY, strict=True)).value == pytest.approx(0.692, abs=5e-4)


def test_a_coefficient_that_is_not_defined_is_none_and_says_why():
    for nothing in ([], [[1], [2, None]], [[None, None]], [[float("nan"), 1]]):
        assert krippendorff_alpha(nothing, "interval").value is None
        assert krippendorff_alpha(nothing).undefined == NOTHING
        assert fleiss_kappa(nothing).undefined == NOTHING
        assert observed_agreement(count_lists(nothing)).undefined == NOTHING
    for level in LEVELS:
        found = krippendorff_alpha([[1, 1], [1, 1], [2]], level)
        assert (found.value, found.observed, found.undefined) == (None, 0, CONSTANT)
    found = fleiss_kappa([["a", "a"], ["a", "a"]])
    assert (found.value, found.observed, found.undefined) == (None, 1, CONSTANT)
    assert cohen_kappa([], []).undefined == NOTHING
    assert cohen_kappa(["a", "a"], ["a", "a"]).undefined == CONSTANT
    assert cohen_kappa(["a", "a"], ["b", "b"]).value == 0


def test_data_that_a_level_cannot_mean_are_refused():
    with pytest.raises(ValueError, match="ordinal data must be finite numbers"):
        krippendorff_alpha([["low", "high"], ["high", "high"]], "ordinal")
    with pytest.raises(ValueError, match="finite"):
        krippendorff_alpha([[1, float("inf")], [1, 2]], "interval")
    with pytest.raises(ValueError, match="negative"):
        krippendorff_alpha([[-1, 1], [1, 2]], "ratio")
    with pytest.raises(ValueError, match="equally long"):
        count_triples([1, 1], ["a", "b"], [1])
    with pytest.raises(ValueError, match="in their order"):
        cohen_kappa(["low"], ["high"], "linear")
    with pytest.raises(ValueError, match="'mid' is not among"):
        cohen_kappa(["low"], ["mid"], "linear", ["low", "high"])


def test_great_numbers_do_not_overflow():
    found = krippendorff_alpha([[1e308, 1e308], [-1e308, -1e308], [1e308, 0.0]], "interval")
    assert found.value == pytest.approx(krippendorff_alpha([[2, 2], [0, 0], [2, 1]], "interval").value)


labels = st.lists(st.lists(st.one_of(st.none(), st.integers(0, 5)), max_size=6), min_size=1, max_size=14)
levels = st.sampled_from(LEVELS)


def alpha(units, level):
    return krippendorff_alpha(units, level).value


@settings(max_examples=150, deadline=None)
@given(labels, levels)
def test_alpha_is_what_an_independent_library_computes(units, level):
    width = max(2, *map(len, units), 2)
    table = np.array(
        [[np.nan if v is None else v for v in unit] + [np.nan] * (width - len(unit)) for unit in units]
    )
    found = alpha(units, level)
    pairable = [u for u in units if sum(v is not None for v in u) >= 2]
    if len({v for u in pairable for v in u if v is not None}) < 2:
        assert found is None
        return
    theirs = krippendorff.alpha(reliability_data=table.T, level_of_measurement=level)
    assert found == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(labels, levels, st.integers(0, 99))
def test_alpha_depends_neither_on_the_order_of_units_nor_on_who_is_which_coder(units, level, seed):
    shuffle = random.Random(seed).shuffle
    turned = [list(unit) for unit in units]
    shuffle(turned)
    for unit in turned:
        shuffle(unit)
    assert alpha(turned, level) == pytest.approx(alpha(units, level), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(2, 5)), min_size=2), levels)
def test_perfect_agreement_is_one(units, level):
    assume(len({value for value, _ in units}) > 1)
    assert alpha([[value] * times for value, times in units], level) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(labels, st.integers(1, 9), st.integers(-9, 9))
def test_each_level_ignores_what_it_does_not_measure(units, factor, shift):
    def moved(function):
        return [[None if v is None else function(v) for v in unit] for unit in units]

    def same(changed, level):
        assert alpha(changed, level) == pytest.approx(alpha(units, level), abs=1e-9)

    same(moved(lambda v: factor * v + shift), "interval")
    same(moved(lambda v: factor * v), "ratio")
    same(moved(lambda v: v**3 + factor), "ordinal")
    same(moved(lambda v: "fbdaec"[v]), "nominal")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=2, max_size=12))
def test_alpha_and_fleiss_kappa_differ_by_the_small_sample_only(units):
    kappa, found = fleiss_kappa(units).value, alpha(units, "nominal")
    size = 4 * len(units)
    assert found == (None if kappa is None else pytest.approx(1 - (size - 1) / size * (1 - kappa)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.integers(0, 3)), max_size=40), levels)
def test_triples_give_what_lists_give_and_the_last_label_of_a_coder_stands(triples, level):
    lists = [[None] * 5 for _ in range(6)]
    for unit, coder, value in triples:
        lists[unit][coder] = value
    units, coders, values = zip(*triples, strict=True) if triples else ((), (), ())
    found = alpha_of(count_triples([("unit", n) for n in units], [f"c{n}" for n in coders], values), level)
    expected = krippendorff_alpha(lists, level)
    assert (found.value, found.values, found.coders) == (
        pytest.approx(expected.value),
        expected.values,
        expected.coders,
    )


def test_pairs_count_alike_whatever_their_order_and_type():
    pairs = [(n, v) for n, unit in enumerate(FOUR_CODERS) for v in unit if v is not None][::-1]
    units, values = (np.array(column) for column in zip(*pairs, strict=True))
    found = alpha_of(count_pairs(units, values), "ordinal")
    assert (found.value, found.coders) == (pytest.approx(0.815, abs=5e-4), 0)
    mixed = krippendorff_alpha([["1", 1], ["1", "1"], [1, 1.0], [True, False]])
    assert mixed.observed == pytest.approx(4 / 8), "text and numbers are never the same category"


def test_many_distinct_values_take_memory_for_each_value_not_for_each_two():
    values = np.random.default_rng(5).random(200_000)
    units = np.arange(200_000) // 2
    found = alpha_of(count_pairs(units, values), "interval")
    one, other = values[::2], values[1::2]
    apart = np.mean((one - other) ** 2)
    assert found.value == pytest.approx(1 - apart / (2 * np.var(values, ddof=1)), abs=1e-9)


def test_raw_agreement_is_the_mean_over_units():
    found = observed_agreement(count_lists([[1, 1], [1, 2], [1, 1, 2], [3]]))
    assert (found.value, found.units, found.units_left_out) == (pytest.approx((1 + 0 + 1 / 3) / 3), 3, 1)


def test_fleiss_kappa_is_as_published():
    assert fleiss_kappa(psychiatrists()).value == pytest.approx(0.430, abs=5e-4)
    assert fleiss_kappa(psychiatrists()).observed == pytest.approx(0.556, abs=5e-4)
    units = [[c for c, n in enumerate(row) for _ in range(n)] for row in FOURTEEN_RATERS]
    assert fleiss_kappa(units).value == pytest.approx(0.210, abs=5e-4)


def psychiatrists():
    return [[c for c, n in enumerate(map(int, row)) for _ in range(n)] for row in PSYCHIATRISTS.split()]


def test_fleiss_kappa_takes_unequal_numbers_of_raters():
    found = fleiss_kappa([["a", "a", "a"], ["a", "b"], ["b", "b", None], ["b"]])
    # Agreement 1, 0 and 1; seven values, four of them "a".
    chance = (4 / 7) ** 2 + (3 / 7) ** 2
    assert found.value == pytest.approx((2 / 3 - chance) / (1 - chance))
    assert (found.units, found.values, found.units_left_out) == (3, 7, 1)


@pytest.mark.parametrize(
    ("weights", "printed"), [("", -0.006289308), ("linear", 0.1459075), ("quadratic", 0.2520325)]
)
def test_cohens_kappas_are_as_r_prints_them(weights, printed):
    assert cohen_kappa(*ANXIETY, weights).value == pytest.approx(printed, abs=5e-8)


@pytest.mark.parametrize(
    ("cells", "plain", "weighted"),
    [
        # The textbook's 20, 5, 10, 15 of 50 grants; with two categories all weights are the same.
        ([[20, 5], [10, 15]], 0.4, 0.4),
        # SAS's manual, PROC FREQ.
        ([[0, 4, 1], [0, 8, 0], [0, 1, 5]], 0.4842, 0.4701),
        # Agresti, "Categorical Data Analysis": 91 couples, as R's package vcd prints it.
        ([[7, 7, 2, 3], [2, 8, 3, 7], [1, 5, 4, 9], [2, 8, 9, 14]], 0.129, 0.237),
    ],
)
def test_cohens_kappas_of_tables_are_as_published(cells, plain, weighted):
    first = [a for a, row in enumerate(cells) for n in row for _ in range(n)]
    second = [b for row in cells for b, n in enumerate(row) for _ in range(n)]
    assert cohen_kappa(first, second).value == pytest.approx(plain, abs=5e-4)
    assert cohen_kappa(first, second, "linear").value == pytest.approx(weighted, abs=5e-4)
    assert cohen_kappa(first, second).observed == sum(cells[n][n] for n in range(len(cells))) / len(first)


def test_weighted_kappa_goes_by_the_given_order_of_words():
    first, second = ["low", "high", "mid", "low"], ["mid", "high", "high", "low"]
    place = {"low": 0, "mid": 1, "high": 2}
    numbers = [[place[word] for word in words] for words in (first, second)]
    for order in permutations(place):
        found = cohen_kappa(first, second, "quadratic", order).value
        right = cohen_kappa(*numbers, "quadratic").value
        assert (found == pytest.approx(right)) == (order in (("low", "mid", "high"), ("high", "mid", "low")))


def test_units_that_one_coder_missed_are_counted_as_left_out():
    found = cohen_kappa([1, 2, None, 1, None], [1, 2, 3, None, None])
    assert (found.value, found.units, found.values, found.coders) == (1, 2, 4, 2)
    assert (found.units_left_out, found.values_left_out) == (3, 2)
    with pytest.raises(ValueError, match="same units"):
        cohen_kappa([1], [1, 2])
