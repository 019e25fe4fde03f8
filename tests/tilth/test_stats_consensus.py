"""Consensus: votes, medians, and Dawid and Skene's model on their own data."""

from collections import defaultdict

import numpy as np
import pytest

from tilth.stats import consensus
from tilth.stats.consensus import Verdict

# Dawid and Skene (1979), table 1: 45 patients, 5 anaesthetists, the first of whom saw each patient thrice.
ANAESTHETISTS = """
    111-1111 333-4334 112-2122 222-3121 222-3222 222-3322 122-2111 333-3433 222-2223 232-2223 444-4444
    222-3343 111-1111 222-3212 121-1111 111-2111 111-1111 111-1111 222-2221 222-1322 222-2222 222-2221
    222-3222 221-2222 111-1111 111-1111 232-2222 111-1111 111-1111 112-1121 111-1111 333-3233 111-1111
    222-2222 222-3232 433-4343 221-2232 232-3233 333-3432 111-1111 111-1111 121-2111 232-2222 121-1111
    222-2222
"""


def triples():
    for patient, row in enumerate(ANAESTHETISTS.split(), start=1):
        thrice, once = row.split("-")
        coders = [1, 1, 1, 2, 3, 4, 5]
        yield from ((patient, coder, int(given)) for coder, given in zip(coders, thrice + once, strict=True))


def plainly(rows, steps):
    """The paper's equations, one at a time: 3.1, then 2.3, 2.4 and 2.5."""
    classes = sorted({given for _, _, given in rows})
    by_patient = defaultdict(list)
    for patient, coder, given in rows:
        by_patient[patient].append((coder, given))
    belief = {
        p: {j: sum(g == j for _, g in said) / len(said) for j in classes} for p, said in by_patient.items()
    }
    for _ in range(steps):
        prior = {j: sum(b[j] for b in belief.values()) / len(belief) for j in classes}
        rate = defaultdict(float)
        for patient, coder, given in rows:
            for j in classes:
                rate[coder, j, given] += belief[patient][j]
                rate[coder, j] += belief[patient][j]
        for p, said in by_patient.items():
            chance = dict(prior)
            for coder, given in said:
                for j in classes:
                    chance[j] *= rate[coder, j, given] / rate[coder, j]
            belief[p] = {j: chance[j] / sum(chance.values()) for j in classes}
    return belief


def test_dawid_and_skene_find_what_they_published():
    found = consensus.dawid_skene(*zip(*triples(), strict=True))
    assert found.settled
    assert found.prior == pytest.approx([0.40, 0.42, 0.11, 0.07], abs=5e-3)
    assert found.confusion.sum(axis=2) == pytest.approx(1)
    belief = plainly(list(triples()), found.steps)
    mine = dict(zip(found.units, found.posterior, strict=True))
    assert all(mine[p] == pytest.approx(list(b.values()), abs=1e-6) for p, b in belief.items())
    assert found.answers()[2] == 4, "against five votes of seven for 3"


def test_the_model_finds_the_truth_behind_bad_coders_where_votes_do_not():
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 300)
    rows = []
    for unit, right in enumerate(truth):
        for coder, skill in enumerate([0.9, 0.85, 0.8, 0.2, 0.2]):
            rows.append((unit, coder, int(right if random.random() < skill else (right + 1) % 3)))
    found = consensus.dawid_skene(*zip(*rows, strict=True))
    votes = [consensus.majority([v for x, _, v in rows if x == u]).value for u in range(300)]
    right = sum(found.answers()[u] == t for u, t in enumerate(truth))
    assert right > sum(vote == t for vote, t in zip(votes, truth, strict=True))
    assert right / 300 > 0.9
    assert found.accuracy()[0] == pytest.approx(0.9, abs=0.06)
    assert found.accuracy()[3] == pytest.approx(0.2, abs=0.08)


def test_the_model_leaves_out_missing_values_and_takes_words():
    found = consensus.dawid_skene(
        [(1, "x"), (1, "x"), (2, "y"), 3], ["ann", "bob", "ann", "bob"], ["y", "y", "n", None]
    )
    assert found.answers() == {(1, "x"): "y", (2, "y"): "n"}
    assert consensus.dawid_skene([], [], []).answers() == {}
    with pytest.raises(ValueError, match="equally long"):
        consensus.dawid_skene([1], [1, 2], [1])


def test_hundreds_of_coders_on_one_unit_do_not_underflow():
    coders = list(range(3000))
    rows = [(unit, coder, unit if coder % 5 else 1 - unit) for unit in (0, 1) for coder in coders]
    with np.errstate(divide="raise", invalid="raise"):
        found = consensus.dawid_skene(*zip(*rows, strict=True))
    assert np.isfinite(found.posterior).all()
    assert found.answers() == {0: 0, 1: 1}


def test_a_majority_needs_a_winner_and_a_tie_is_told_from_no_vote():
    assert consensus.majority(["a", "a", "b", None]) == Verdict("a", 2, 3)
    assert consensus.majority(["b", "a", "b", "a", "c"]) == Verdict(None, 2, 5, ("a", "b"))
    assert consensus.majority([None, float("nan")]) == Verdict(None, 0, 0)
    assert consensus.majority([1, "1"]).tied == (1, "1")


def test_a_median_names_both_points_where_it_falls_between():
    assert consensus.median([3, 1, None, 2]) == (2, 2)
    assert consensus.median([1, 2, 4, 5]) == (2, 4)
    assert consensus.median([None]) is None
    assert consensus.mean([1, None, 2]) == 1.5
    assert consensus.mean([]) is None
