"""Runs that differ only in the seed as one: which they are, and their band at the steps in common."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.training.launching import ACTOR, launched, metrics
from tilth.storage import Storage
from training.actions import runs
from training.bands import band, bands, seed_groups
from training.launch import Input
from training.series import overlay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


def series(steps: list[float], values: list[float | None], **axes: list[float | None]) -> dict[str, Any]:
    return {"x": {"step": steps, **axes}, "y": values}


def test_a_band_is_mean_least_and_greatest_step_by_step():
    found = band([series([1, 2], [1.0, 4.0]), series([1, 2], [3.0, 0.0]), series([1, 2], [2.0, 2.0])])
    assert found == {"x": {"step": [1, 2]}, "y": [2.0, 2.0], "low": [1.0, 0.0], "high": [3.0, 4.0]}


def test_a_band_goes_as_far_as_all_have_come_and_reads_thinned_ones_between_their_points():
    fine = series([0, 1, 2, 3, 4, 5, 6], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    coarse = series([1, 4, 9], [10.0, 20.0, 90.0], tokens=[10, 40, 90])
    found = band([fine, coarse])
    assert found == {"x": {"step": [1, 4]}, "y": [5.5, 12.0], "low": [1.0, 4.0], "high": [10.0, 20.0]}
    assert band([series([1, 2], [1.0, 1.0]), series([5], [1.0])]) is None
    assert band([series([1], [1.0]), series([], [])]) is None


def test_what_is_no_number_in_one_of_them_is_a_gap():
    found = band([series([1, 2, 3], [1.0, None, 1.0]), series([1, 2, 3], [2.0, 2.0, 2.0])])
    assert found is not None and found["y"] == [1.5, None, 1.5]
    assert (found["low"][1], found["high"][1]) == (None, None)


def test_other_axes_are_means_where_all_have_them():
    one, other = (series([1, 3], [1.0, 1.0], tokens=[4, 12], seconds=[s, 3 * s]) for s in (1, 2))
    found = band([one, other, series([1, 3], [1.0, 1.0], tokens=[4, 12])])
    assert found is not None and found["x"] == {"step": [1, 3], "tokens": [4, 12]}
    both = band([one, other])
    assert both is not None and both["x"]["seconds"] == [1.5, 4.5]


def test_only_runs_that_differ_in_nothing_but_the_seed_are_one(storage: Storage):
    first = launched(storage, name="First")
    others = [runs.clone(ACTOR, first, settings={"seed": seed}, name=f"Seed {seed}") for seed in (1, 2)]
    again = runs.clone(ACTOR, first)
    larger = [runs.clone(ACTOR, first, settings={"seed": seed, "vocabulary": 301}) for seed in (0, 1)]
    weighted = runs.clone(ACTOR, first, inputs=(Input("prose@1", weight=2.0),), settings={"seed": 5})
    found = seed_groups([first, *others, again, *larger, weighted])
    assert found == [[first, *others], larger]


def test_the_page_gets_groups_beside_the_runs(storage: Storage, client_for: Any):
    first = launched(storage, name="Words")
    second = runs.clone(ACTOR, first, settings={"seed": 7})
    asked: Client = client_for("researcher")
    address = reverse("training:series")
    alone = asked.get(address, {"run": first.pk}).json()
    assert alone["groups"] == []
    assert [group["series"] for group in bands([first, second], overlay([first, second]))] == [{}]
    second = launched(storage, name="Words too", settings={"vocabulary": 300, "seed": 7})
    metrics(first, loss={1: 3.0, 2: 2.0}, extra={1: 1.0})
    metrics(second, loss={1: 1.0, 2: 1.0})
    both = asked.get(address, {"run": [first.pk, second.pk]}).json()
    assert [run["run"] for run in both["runs"]] == [first.pk, second.pk]
    (group,) = both["groups"]
    assert group["runs"] == [first.pk, second.pk] and group["name"] == "Words · mean of 2 seeds (0, 7)"
    assert list(group["series"]) == ["loss"]
    assert (group["series"]["loss"]["y"], group["series"]["loss"]["high"]) == ([2.0, 1.5], [3.0, 2.0])
