"""What a run will take: computed sizes by hand, times by what earlier runs took, nothing where nothing is known."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.training.launching import checkpoint, launched, prose, wanted, with_state
from tilth.jobs.models import Attempt
from tilth.storage import Storage
from training.estimates import estimate, measured_rates
from training.launch import Input, Plan, check
from training.llm import sizes
from training.llm.configs.pretrain import PretrainConfig
from training.llm.configs.sft import SftConfig
from training.llm.presets import preset
from training.llm.stages import STAGES
from training.models.runs import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


def took(run: Run, seconds: float) -> Run:
    """The run, done in so many seconds."""
    now = timezone.now()
    Attempt.objects.create(
        job=run.job,
        number=1,
        worker_name="w",
        host="h",
        state=Attempt.State.SUCCEEDED,
        started_at=now - timedelta(seconds=seconds),
        finished_at=now,
    )
    return with_state(run, "succeeded")


def pretraining(storage: Storage, gpus: int = 0, **settings: Any) -> Plan:
    """A plan of the stage, whether or not its program is there."""
    version = prose(storage, f"text-{gpus}-{len(settings)}")
    plan = check(wanted(inputs=(Input(version.reference),)))
    config = PretrainConfig.from_json(
        {"depth": 2, "context": 64, "batch": 8, "micro_batch": 4, "steps": 10, **settings}
    )
    values = {name: getattr(plan, name) for name in Plan.__slots__}
    chosen = preset("pretrain", "smoke")
    return Plan(**{**values, "stage": STAGES["pretrain"], "preset": chosen, "config": config, "gpus": gpus})


def test_without_history_no_time_is_told(storage: Storage):
    version = prose(storage)
    found = estimate(check(wanted()))
    assert (found.seconds, found.cost, found.measured) == (None, None, 0)
    assert found.tokens == version.tokens > 0


def test_time_is_the_work_at_the_median_rate_of_earlier_runs(storage: Storage):
    for seconds in (10, 20, 50):
        took(launched(storage), seconds)
    launched(storage)
    failed = launched(storage)
    took(failed, 1)
    with_state(failed, "failed")
    plan = check(wanted())
    found = estimate(plan)
    assert found.measured == 3 and found.unit == "bytes"
    assert found.seconds == pytest.approx(20, rel=0.01)
    assert measured_rates("tokenizer", 1) == []
    # What is learned from is bounded, and so is the time.
    half = int(found.work / 2)
    bounded = estimate(check(wanted(settings={"vocabulary": 300, "sample_bytes": half})))
    assert bounded.seconds == pytest.approx(10, rel=0.01)


def test_a_model_is_sized_before_it_exists(storage: Storage):
    found = estimate(pretraining(storage))
    shape = PretrainConfig(depth=2, context=64, batch=8, micro_batch=4).shape(32_768)
    assert found.parameters == shape.parameters
    assert found.tokens == 10 * 8 * 64
    assert found.flops == found.tokens * sizes.flops_per_token(shape)
    assert found.memory == sizes.training_memory(shape, 4, 64, element=4).total
    assert "32,768" in found.assumed
    assert estimate(pretraining(storage, gpus=1)).memory < found.memory


def test_tokens_come_from_the_settings_or_from_the_data(storage: Storage):
    assert estimate(pretraining(storage, steps=None, tokens=5000)).tokens == 5000
    plan = pretraining(storage, steps=None)
    assert estimate(plan).tokens == plan.versions[0].tokens


def test_exported_checkpoints_take_disk_as_far_as_they_are_kept(storage: Storage):
    one = estimate(pretraining(storage)).disk
    shape = PretrainConfig(depth=2, context=64, batch=8, micro_batch=4).shape(32_768)
    every = estimate(pretraining(storage, checkpoint_every=2)).disk
    kept = estimate(pretraining(storage, checkpoint_every=2, keep=1)).disk
    assert every - one == 5 * sizes.checkpoint_bytes(shape)
    assert kept - one == sizes.checkpoint_bytes(shape)


def test_gpus_cost_what_the_operator_says(storage: Storage, settings: Any):
    settings.GPU_HOUR_PRICE = 3.0
    took(launched(storage, gpus=1), 3600)
    found = estimate(check(wanted(gpus=1)))
    assert found.cost == pytest.approx(3.0, rel=0.01)


def test_a_stage_that_goes_on_with_a_model_is_sized_by_it(storage: Storage):
    plan = pretraining(storage)
    model = checkpoint(launched(storage), 5, "model", parameters=1000)
    values = {name: getattr(plan, name) for name in Plan.__slots__} | {"stage": STAGES["sft"], "base": model}
    full = estimate(Plan(**{**values, "config": SftConfig(epochs=2.0)}))
    assert full.tokens == 2 * plan.versions[0].tokens and full.flops == 6 * 1000 * full.tokens
    lora = estimate(Plan(**{**values, "config": SftConfig(lora=True)}))
    assert (full.memory, lora.memory) == (16_000, 4_000)
    assert lora.disk < full.disk
