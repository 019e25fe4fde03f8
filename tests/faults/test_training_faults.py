"""Real trainings among real workers: devices lent to one run at a time, and kills that leave no mark on a curve."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.jobs_fleet import Fleet, fleet, process_is_running, wait_for
from tests.training.launching import ACTOR, launched, pretraining
from tilth.jobs import waiting
from tilth.jobs.models import DeviceLease
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage
from training.actions import runs
from training.llm.cache import Cache
from training.llm.checkpoints import States, checkpoint_folder, read
from training.llm.program import Workspace
from training.llm.spec import Spec
from training.models.runs import Run
from training.series import overlay, points

__all__ = ["fleet"]
pytestmark = pytest.mark.django_db(transaction=True)
EXACT = ("loss", "grad_norm", "learning_rate", "tokens", "bits_per_byte", "validation_loss")
STEPS, UNDISTURBED = 600, 999_999
PATIENT = {"TILTH_JOBS_GRACE": "60"}
"""Time to save on a machine that is busy with other tests."""


def test_runs_share_a_device_by_leases_and_a_cancelled_one_saves_and_makes_room(
    fleet: Fleet, storage: Storage, tmp_path: Path
) -> None:
    fleet.worker("--slots", "4", TILTH_DEVICES="pretend:1", **PATIENT)
    fleet.beat()
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


@pytest.mark.full
def test_killed_trainer_broker_and_worker_leave_no_mark_on_the_curve(
    fleet: Fleet, storage: Storage, tmp_path: Path
) -> None:
    run = pretraining(
        storage, tmp_path / "words", steps=STEPS, save_every=20, log_every=1, validate_every=100
    )
    states = States(storage, run.job.prefix)
    doomed = fleet.worker("--name", "doomed")
    fleet.beat()

    while_it_runs(fleet, run, states.steps, "a first state is saved")
    os.killpg(run.job.attempts.get().pid, signal.SIGKILL)
    saved = states.steps()[-1]
    while_it_runs(fleet, run, lambda: states.steps()[-1] > saved, "the second attempt goes on from there")

    fleet.kill_broker()
    saved = states.steps()[-1]
    while_it_runs(fleet, run, lambda: states.steps()[-1] > saved, "it needs no broker to go on")

    # What it reports while its worker hangs is read by nobody any more: only its state knows of it.
    doomed.send_signal(signal.SIGSTOP)
    saved = states.steps()[-1]
    while_it_runs(fleet, run, lambda: states.steps()[-1] > saved + 20, "it saves while its worker hangs")
    program = run.job.attempts.get(number=2).pid
    doomed.send_signal(signal.SIGKILL)
    wait_for(lambda: not process_is_running(program), "the orphaned trainer ends itself")
    assert states.steps()[-1] < STEPS - 40, "it was killed on its way"
    fleet.start_broker()
    fleet.worker("--name", "heir")
    fleet.reaches(run.job, "succeeded", "failed")
    assert run.job.state == "succeeded", run.job.error
    outcomes = list(run.job.attempts.order_by("number").values_list("state", flat=True))
    assert outcomes == ["failed", "lost", "succeeded"]

    calm = undisturbed(run, storage, tmp_path)
    found = {(name, step): value for name, step, value, *_ in points(run.job) if name in EXACT}
    assert {name for name, _ in found} == set(EXACT)
    assert found == calm
    (drawn,) = overlay([Run.objects.with_objects().get(pk=run.pk)])
    assert drawn["series"]["tokens"]["y"][-1] == STEPS * 8 * 64
    assert weights(storage, run.pk) == weights(storage, UNDISTURBED)


def undisturbed(run: Run, storage: Storage, folder: Path) -> dict[tuple[str, int], float]:
    """The exact points of the same run in this process, where nothing happens to it."""
    from training.llm import pretrain

    spec = replace(Spec.from_json(run.job.params), run=UNDISTURBED)
    seen: list[dict[str, Any]] = []
    (folder / "calm" / "attempt-1").mkdir(parents=True)
    report = Reporter(spec.to_json(), 0, 1, storage, "jobs/undisturbed", folder / "calm", seen.append)
    assert pretrain.run(Workspace(spec, report, Cache(folder / "cache"))) is not None
    told = [event for event in seen if event["type"] == "metric" and event["name"] in EXACT]
    return {(event["name"], event["step"]): event["value"] for event in told}


def weights(storage: Storage, run: int) -> str:
    """The hash of the model that a run has made at its end."""
    made = read(storage, checkpoint_folder(run, STEPS))
    return next(file.sha256 for file in made.files if file.path.endswith("model.safetensors"))


def while_it_runs(fleet: Fleet, run: Run, condition: Callable[[], object], what: str) -> None:
    """Wait for something that a run does on its way."""

    def met() -> object:
        run.job.refresh_from_db()
        assert not run.job.is_ended, "it has ended"
        return condition()

    try:
        wait_for(met, what)
    except AssertionError as error:
        raise AssertionError(f"{error}; it is {run.job.state} {run.job.error}\n{fleet.logs()}") from None


def last_step(run: Run) -> int:
    """The newest step of its curve."""
    return run.job.metrics.filter(name="loss").order_by("-step").values_list("step", flat=True)[0]
