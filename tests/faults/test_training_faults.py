"""Real trainings among real workers: devices lent to one run at a time, and kills that leave no mark on a curve."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.jobs_fleet import Fleet, fleet, wait_for
from tests.training.launching import ACTOR, launched, pretraining
from tilth.jobs import waiting
from tilth.jobs.models import DeviceLease
from tilth.storage import Storage
from training.actions import runs
from training.llm.checkpoints import States
from training.models.runs import Run

__all__ = ["fleet"]
pytestmark = pytest.mark.django_db(transaction=True)
PATIENT = {"TILTH_JOBS_GRACE": "60"}
"""Time to save on a machine that is busy with other tests."""


def test_runs_share_a_device_by_leases_and_a_cancelled_one_saves_and_makes_room(
    fleet: Fleet, storage: Storage, tmp_path: Path
) -> None:
    fleet.worker("--slots", "4", TILTH_DEVICES="pretend:1", **PATIENT)
    # Nothing but the end saves its state: it would train for hours.
    first = pretraining(
        storage, tmp_path / "words", gpus=1, steps=10**6, checkpoint_every=20, save_every=10**6, log_every=5
    )
    others = [launched(storage, name=name, gpus=1) for name in ("Second", "Third")]
    while_it_runs(fleet, first, first.checkpoints.exists, "its first checkpoint is there")
    for other in others:
        other.job.refresh_from_db()
        assert other.job.state == "queued" and f"in use by {first.job.reference}" in waiting.explain(
            other.job
        )
    runs.cancel(ACTOR, first)
    fleet.reaches(first.job, "cancelled")
    for other in others:
        fleet.reaches(other.job, "succeeded", "failed")
        assert other.job.state == "succeeded", other.job.error

    attempt = first.job.attempts.get()
    assert (attempt.state, attempt.reason) == ("cancelled", ""), "it ended by itself and was not killed"
    (saved,) = States(storage, first.job.prefix).steps()
    assert saved >= last_step(first) >= 20
    for checkpoint in Run.objects.get(pk=first.pk).checkpoints.all():
        assert checkpoint.state == "kept" and storage.exists(f"{checkpoint.path}/checkpoint.json")
    leases = list(
        DeviceLease.objects.order_by("taken_at").values_list("job", "device", "taken_at", "freed_at")
    )
    assert [lease[0] for lease in leases] == [first.job_id, *(other.job_id for other in others)]
    assert len({lease[1] for lease in leases}) == 1
    for before, after in zip(leases, leases[1:], strict=False):
        assert before[3] <= after[2], "one device, one run"
    assert leases[-1][3] is not None


def while_it_runs(fleet: Fleet, run: Run, condition: Callable[[], object], what: str) -> None:
    """Wait for something that a run does on its way."""

    def met() -> object:
        run.job.refresh_from_db()
        assert not run.job.is_ended, f"{run.job.state} {run.job.error}\n{fleet.logs()}"
        return condition()

    wait_for(met, what)


def last_step(run: Run) -> int:
    """The newest step of its curve."""
    return run.job.metrics.filter(name="loss").order_by("-step").values_list("step", flat=True)[0]
