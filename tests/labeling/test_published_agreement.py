"""Published examples, loaded as tasks and labels: the campaign's quality figures are the published ones."""

import pytest

from labeling import quality
from labeling.actions import claims
from labeling.protocol.kind import Measure
from tests.labeling.campaigns import campaign, join, labelers, task
from tests.labeling.work import hand_in
from tests.tilth.test_stats_agreement import FOUR_CODERS
from tilth.accounts.actors import Actor

pytestmark = pytest.mark.django_db
PUBLISHED = {"nominal": 0.743, "ordinal": 0.815, "interval": 0.849}
"""Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, part D and E: 4 observers, 12 units."""


@pytest.fixture
def loaded():
    """Every unit a task, every observer a labeler who rates what they rated, by the product's own actions."""
    points = "\n".join(f"{n}: Point {n}" for n in range(1, 6))
    criterion = {"name": "value", "title": "Value", "help": "", "points": points}
    made = campaign("rating", overlap=4, schema={"criteria": [criterion]})
    people = labelers(4)
    join(made, *people)
    tasks = [task(made, payload={"text": f"Unit {n}"}) for n in range(len(FOUR_CODERS))]
    for unit, values in zip(tasks, FOUR_CODERS, strict=True):
        for person, value in zip(people, values, strict=True):
            if value is not None:
                held = claims.claim(Actor(user=person), made, another=True, task=unit)
                assert held.task_id == unit.pk
                hand_in(person, held, {"scores": {"value": value}})
    return made


@pytest.mark.parametrize(("level", "alpha"), PUBLISHED.items())
def test_krippendorffs_example_comes_out_of_the_quality_page(loaded, level, alpha):
    found = quality.agreement(quality.rows(loaded), Measure("value", "Value", level))
    assert found.alpha.value == pytest.approx(alpha, abs=0.0005)
    assert found.interval.low < found.alpha.value < found.interval.high
    assert found.labelers == 4


def test_the_page_says_so(loaded, client_for):
    page = client_for("admin").get(f"/labeling/campaigns/{loaded.pk}/quality/")
    assert b"0.815" in page.content


def test_several_pairs_mean_kappa_has_an_interval(loaded, monkeypatch):
    monkeypatch.setattr(quality, "SHARED_UNITS", 5)
    found = quality.agreement(quality.rows(loaded), Measure("value", "Value", "nominal"))
    assert found.pairs_interval.low < found.pairs < found.pairs_interval.high
