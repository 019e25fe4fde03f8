"""Curves out of what attempts have reported: which points count, how long ones are thinned, what x axes there are."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.training.launching import launched, metrics
from tilth.jobs.models import Job, JobMetric
from tilth.storage import Storage
from training import series
from training.llm.configs.pretrain import PretrainConfig
from training.llm.sizes import flops_per_token
from training.models.runs import Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(settings: Any, storage: Storage) -> Run:
    settings.STORAGE = storage.url
    return launched(storage)


def points(run: Run, name: str) -> dict[int, float | None]:
    found = {curve.name: curve for curve in series.curves(run.job)}[name]
    return dict(zip(found.steps, found.values, strict=True))


def test_a_new_attempt_counts_from_its_first_step_on(run: Run):
    metrics(run, 1, loss={10: 3.0, 20: 2.0, 30: 9.0, 40: 9.5})
    metrics(run, 2, loss={30: 1.5})
    metrics(run, 3, loss={20: 2.5, 30: 1.0})
    assert points(run, "loss") == {10: 3.0, 20: 2.5, 30: 1.0}
    assert series.newest_values(run.job) == [{"name": "loss", "step": 30, "value": 1.0}]
    rows = [row[1:3] + row[4:] for row in series.points(run.job)]
    assert rows == [(10, 3.0, 1), (20, 2.5, 3), (30, 1.0, 3)]


def test_an_attempt_whose_points_were_all_reported_again_counts_nothing(run: Run):
    metrics(run, 1, loss={10: 9.0})
    metrics(run, 2, loss={5: 2.0, 15: 1.0})
    assert points(run, "loss") == {5: 2.0, 15: 1.0}


def test_what_was_no_finite_number_stays_a_gap(run: Run):
    metrics(run, loss={1: 2.0, 2: None})
    assert points(run, "loss") == {1: 2.0, 2: None}


def test_a_long_curve_is_thinned_to_means_over_spans_and_keeps_its_last_step(
    run: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(series, "MOST_POINTS", 10)
    metrics(run, loss={step: float(step % 10) for step in range(100, 200)})
    found = points(run, "loss")
    assert list(found) == [109 + 10 * n for n in range(10)]
    assert set(found.values()) == {4.5}


def test_the_loss_comes_first(run: Run):
    metrics(run, grad_norm={1: 1.0}, loss={1: 1.0}, learning_rate={1: 1.0})
    assert [curve.name for curve in series.curves(run.job)] == ["loss", "grad_norm", "learning_rate"]
    assert [item["name"] for item in series.newest_values(run.job)] == ["loss", "grad_norm", "learning_rate"]


def test_a_curve_can_be_drawn_by_step_and_time_and_by_tokens_where_they_are_known(run: Run):
    started = timezone.now()
    Job.objects.filter(pk=run.job_id).update(started_at=started)
    JobMetric.objects.create(
        job_id=run.job_id, attempt=1, name="loss", step=4, value=1.0, at=started + timedelta(seconds=90)
    )
    run.refresh_from_db()
    (drawn,) = series.overlay([run])
    assert drawn["series"]["loss"] == {"x": {"step": [4.0], "seconds": [90.0]}, "y": [1.0]}
    metrics(run, tokens={0: 0.0, 8: 800.0})
    (drawn,) = series.overlay([Run.objects.get(pk=run.pk)])
    assert drawn["series"]["loss"]["x"]["tokens"] == [400.0]


def test_settings_tell_tokens_and_flops_where_nothing_was_reported(run: Run):
    config = PretrainConfig(depth=2, context=64, batch=8, micro_batch=8, steps=10)
    Run.objects.filter(pk=run.pk).update(stage="pretrain", config=config.to_json())
    metrics(run, loss={5: 1.0})
    (drawn,) = series.overlay([Run.objects.with_objects().get(pk=run.pk)])
    x = drawn["series"]["loss"]["x"]
    assert x["tokens"] == [5 * 8 * 64]
    assert x["flops"] == [5 * 8 * 64 * flops_per_token(config.shape(32_768))]


def test_the_stamp_changes_with_every_point(run: Run):
    before = series.stamp([run])
    metrics(run, loss={1: 1.0})
    assert before != series.stamp([run]) == series.stamp([run])
