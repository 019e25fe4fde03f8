"""Agreement, intervals and consensus against published worked examples and an independent library."""

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.stats import bias, consensus
from tilth.stats.agreement import (
    alpha_of,
    cohen_kappa,
    count_pairs,
    counts,
    fleiss_kappa,
    krippendorff_alpha,
)
from tilth.stats.bootstrap import alpha_interval, mean_interval
from tilth.stats.intervals import difference, share

NAN = None
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C/D/E: 12 units, 4 coders.
FOUR_CODERS = [
    [1, 1, NAN, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [NAN, 5, 5, 5], [NAN, NAN, 1, 1], [NAN, 3, NAN, NAN],
]  # fmt: skip
# The worked example with three coders and missing data of the encyclopedia's article on alpha.
THREE_CODERS = [
    [NAN, 1, NAN], [NAN, NAN, NAN], [NAN, 2, 2], [NAN, 1, 1], [NAN, 3, 3], [3, 3, 4], [4, 4, 4], [1, 3, NAN],
    [2, NAN, 2], [1, NAN, 1], [1, NAN, 1], [3, NAN, 3], [3, NAN, 3], [NAN, NAN, NAN], [3, NAN, 4],
]  # fmt: skip
# Wikipedia's (and Fleiss' kind of) table: 10 subjects, 14 raters, 5 categories; kappa 0.210.
FOURTEEN_RATERS = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip


@pytest.mark.parametrize(
    ("level", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)]
)
def test_alpha_of_four_coders_is_as_published(level, published):
    found = krippendorff_alpha(FOUR_CODERS, level)
    assert found.value == pytest.approx(published, abs=5e-4)
    assert (found.units, found.values) == (11, 40)


@pytest.mark.parametrize(("level", "published"), [("nominal", 0.691), ("interval", 0.811)])
def test_alpha_with_much_missing_data_is_as_published(level, published):
    assert krippendorff_alpha(THREE_CODERS, level).value == pytest.approx(published, abs=5e-4)


def test_a_coefficient_that_is_not_defined_is_none():
    assert krippendorff_alpha([]).value is None
    assert krippendorff_alpha([[1], [2, None]]).value is None
    assert krippendorff_alpha([[1, 1], [1, 1]]).value is None
    assert cohen_kappa([], []).value is None
    assert fleiss_kappa([["a", "a"], ["a", "a"]]).value is None


labels = st.lists(
    st.lists(st.one_of(st.none(), st.integers(1, 5)), min_size=2, max_size=5), min_size=2, max_size=12
)


@settings(max_examples=60, deadline=None)
@given(labels, st.sampled_from(["nominal", "ordinal", "interval", "ratio"]))
def test_alpha_is_what_an_independent_library_computes(units, level):
    width = max(map(len, units))
    table = np.array(
        [[np.nan if v is None else v for v in unit] + [np.nan] * (width - len(unit)) for unit in units]
    )
    found = krippendorff_alpha(units, level).value
    pairable = [u for u in units if sum(v is not None for v in u) >= 2]
    if len({v for u in pairable for v in u if v is not None}) < 2:
        assert found is None
        return
    theirs = krippendorff.alpha(reliability_data=table.T, level_of_measurement=level)
    assert found == pytest.approx(theirs, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(labels, st.integers(1, 9), st.integers(-9, 9))
def test_interval_alpha_does_not_depend_on_the_scale(units, factor, shift):
    moved = [[None if v is None else factor * v + shift for v in unit] for unit in units]
    one, other = krippendorff_alpha(units, "interval").value, krippendorff_alpha(moved, "interval").value
    assert (one is None) == (other is None)
    assert one is None or one == pytest.approx(other, abs=1e-9)


def test_perfect_agreement_is_one_and_order_does_not_matter():
    units = [[1, 1], [2, 2, 2], [5, 5]]
    assert krippendorff_alpha(units, "ordinal").value == pytest.approx(1)
    pairs = [(n, v) for n, unit in enumerate(FOUR_CODERS) for v in unit if v is not None][::-1]
    turned = alpha_of(count_pairs([n for n, _ in pairs], [v for _, v in pairs]), "ordinal")
    assert turned.value == pytest.approx(krippendorff_alpha(FOUR_CODERS, "ordinal").value)


def test_kappas_are_as_published():
    # Cohen (1960)'s kind of table, as worked in every textbook: 20, 5, 10, 15 of 50; kappa 0.40.
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert cohen_kappa(first, second).value == pytest.approx(0.40, abs=1e-9)
    assert cohen_kappa(first, second).observed == pytest.approx(0.70)
    units = [[c for c, n in enumerate(row) for _ in range(n)] for row in FOURTEEN_RATERS]
    assert fleiss_kappa(units).value == pytest.approx(0.210, abs=5e-4)


def test_weighted_kappa_forgives_what_is_near():
    first, near, far = [1, 2, 3, 4] * 5, [2, 3, 4, 4] * 5, [4, 4, 1, 1] * 5
    assert cohen_kappa(first, near, "quadratic").value > cohen_kappa(first, near).value
    assert cohen_kappa(first, far, "quadratic").value < 0
    assert cohen_kappa([0, 1, 0, 1], [0, 1, 1, 1], "linear").value == pytest.approx(
        cohen_kappa([0, 1, 0, 1], [0, 1, 1, 1]).value
    ), "with two categories all weights are the same"


def test_the_bootstrap_repeats_by_its_seed_and_covers_the_value():
    counted = counts(FOUR_CODERS * 4)
    one, other = alpha_interval(counted, "nominal"), alpha_interval(counted, "nominal")
    assert one == other
    assert one.low < alpha_of(counted, "nominal").value < one.high
    wide = alpha_interval(counts(FOUR_CODERS), "nominal")
    assert wide.high - wide.low > one.high - one.low
    assert alpha_interval(counts([[1, 1]]), "nominal").low is None


def test_the_bootstrap_agrees_with_drawing_units_one_by_one():
    units = FOUR_CODERS * 2
    random = np.random.default_rng(7)
    slow = []
    for _ in range(400):
        drawn = krippendorff_alpha(
            [units[i] for i in random.integers(0, len(units), len(units))], "nominal"
        ).value
        if drawn is not None:
            slow.append(drawn)
    quick = alpha_interval(counts(units), "nominal", draws=2000)
    # Units that cannot be paired are drawn in the slow way too, so it is a little wider.
    assert quick.low == pytest.approx(np.quantile(slow, 0.025), abs=0.06)
    assert quick.high == pytest.approx(np.quantile(slow, 0.975), abs=0.06)


def test_wilson_and_newcombe_are_as_published():
    # Newcombe (1998): 15 of 148, and 56 of 70 against 48 of 80.
    found = share(15, 148)
    assert (found.low, found.high) == (pytest.approx(0.0624, abs=5e-4), pytest.approx(0.1605, abs=5e-4))
    gap, low, high = difference(share(56, 70), share(48, 80))
    assert (gap, low, high) == (
        pytest.approx(0.2),
        pytest.approx(0.0524, abs=5e-4),
        pytest.approx(0.3339, abs=5e-4),
    )
    assert share(0, 0).value is None
    assert share(0, 20).low == pytest.approx(0, abs=1e-12)


def test_the_interval_of_a_mean_covers_it():
    found = mean_interval(np.arange(100.0))
    assert found.low < 49.5 < found.high


def test_a_majority_needs_a_winner():
    assert consensus.majority(["a", "a", "b", None]) == "a"
    assert consensus.majority(["a", "b"]) is None
    assert consensus.majority([]) is None


def test_dawid_and_skene_find_the_truth_behind_a_bad_coder():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 300)
    triples = []
    for unit, right in enumerate(truth):
        for coder, skill in enumerate([0.9, 0.85, 0.8, 0.2, 0.2]):
            value = right if random.random() < skill else (right + 1) % 3
            triples.append((unit, coder, int(value)))
    units, coders, values = zip(*triples, strict=True)
    found = consensus.dawid_skene(units, coders, values)
    by_votes = {u: consensus.majority([v for x, _, v in triples if x == u]) for u in range(300)}
    right = sum(found.answers()[u] == t for u, t in enumerate(truth))
    voted = sum(by_votes[u] == t for u, t in enumerate(truth))
    assert right > voted
    assert right / 300 > 0.9
    skill = found.accuracy()
    assert skill[0] == pytest.approx(0.9, abs=0.06)
    assert skill[3] == pytest.approx(0.2, abs=0.08)


def test_length_and_position_bias_are_told_apart():
    rows = [bias.Comparison("a", 0, (200, 100), first=1)] * 30 + [
        bias.Comparison("a", 1, (200, 100), first=0)
    ] * 10
    rows += [bias.Comparison("b", 0, (50, 50), first=0)] * 10
    found = bias.bias(rows)
    assert (found.longer.hits, found.longer.total) == (30, 40), "equal lengths say nothing about length"
    assert found.first.hits == 10
    assert bias.by_group(rows)["b"].longer.value is None
    assert bias.length_baseline([(9, 1), (1, 9), (5, 5)], [0, 0, 1]).value == 0.5


def test_small_groups_are_left_out_and_cannot_be_worked_out():
    cells = {"physics": 0.9, "law": 0.8, "art": 0.7}
    people = {"physics": 12, "law": 7, "art": 2}
    assert bias.suppress(cells, people.get) == {"physics": 0.9, "law": None, "art": None}
    assert bias.suppress({"law": 1.0}, lambda group: 9) == {"law": 1.0}
