"""Length and position bias, and the suppression of small groups."""

import pytest

from tilth.stats import bias
from tilth.stats.bias import Comparison
from tilth.stats.intervals import share

ROWS = [
    *[Comparison("a", 0, (200, 100), first=1)] * 30,
    *[Comparison("a", 1, (200, 100), first=0)] * 10,
    *[Comparison("b", 0, (50, 50), first=0)] * 10,
    *[Comparison("c", 1, (10, 90), first=1)] * 3,
]


def test_length_and_position_are_told_apart():
    found = bias.bias(ROWS)
    assert found.longer == share(33, 43), "equal lengths say nothing about length"
    assert found.first == share(13, 53)


def test_each_group_has_its_own_figures():
    found = bias.by_group(ROWS)
    assert list(found) == ["a", "b", "c"]
    assert (found["a"].longer, found["a"].first) == (share(30, 40), share(0, 40))
    assert (found["b"].longer.value, found["b"].first) == (None, share(10, 10))
    assert (found["c"].longer, found["c"].first) == (share(3, 3), share(3, 3))


def test_the_length_baseline_guesses_the_longer_answer():
    assert bias.length_baseline([(9, 1), (1, 9), (1, 9), (5, 5)], [0, 0, 1, 1]) == share(2, 3)
    assert bias.length_baseline([], []).value is None


def test_a_comparison_has_two_answers():
    for winner, first in ((2, 0), (-1, 0), (0, 2)):
        with pytest.raises(ValueError, match="0 or 1"):
            Comparison("a", winner, (1, 2), first)


@pytest.mark.parametrize(
    ("people", "told"),
    [
        ({"physics": 12, "law": 7, "art": 5}, {"physics", "law", "art"}),
        ({"physics": 12, "law": 7, "art": 2}, {"physics"}),
        ({"physics": 12, "law": 7, "art": 2, "music": 3}, {"physics", "law"}),
        ({"physics": 12, "law": 7, "art": 2, "music": 1}, {"physics"}),
        ({"art": 2}, set()),
        ({}, set()),
    ],
    ids=[
        "none",
        "one, so the next too",
        "two that make a group",
        "two too few, so the next too",
        "only",
        "empty",
    ],
)
def test_small_groups_are_left_out_and_cannot_be_worked_out(people, told):
    cells = dict.fromkeys(people, 0.9)
    found = bias.suppress(cells, people.get)
    assert found.keys() == cells.keys()
    assert {group for group, value in found.items() if value is not None} == told


def test_the_smallest_group_can_be_set():
    assert bias.suppress({"law": 1.0}, {"law": 9}.get, 10) == {"law": None}
