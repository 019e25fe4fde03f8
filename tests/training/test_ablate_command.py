"""``manage.py ablate --wait``: every run is carried out, and the command ends with a fault where one gave no value."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.training.ablating import prepare
from tests.training.launching import prose, tokenizer
from tests.training.measuring import quiz
from tilth.jobs.models import Job
from tilth.storage import Storage
from training import extra
from training.management.commands import ablate
from training.models.ablations import Ablation, AblationEvaluation
from training.models.runs import Run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path / "scratch"
    settings.JOBS_POLL_SECONDS = 0.05


def words(reference: str, *more: str) -> list[str]:
    """Two arms of a tiny pretraining with two seeds, waited for."""
    data = ["--arm", "A=prose@1", "--arm", "B=other@1:2,prose@1", "--validation", "held@1"]
    how = ["--tokenizer", reference, "--preset", "smoke", "--seeds", "2", "--set", "steps=4"]
    return ["pretrain", "--name", "Typed", *data, *how, "--wait", *more]


def test_runs_that_fail_are_missing_the_others_go_on_and_the_end_is_a_fault(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    given = words(prepare(storage).reference, "--json")
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    out = StringIO()
    with pytest.raises(CommandError, match="4 of 4 runs gave no value") as caught:
        call_command("ablate", *given, stdout=out)
    said = json.loads(out.getvalue())
    assert said["pending"] == 0 and len(said["missing"]) == 4
    assert all(run.reference in str(caught.value) for run in Run.objects.filter(stage="pretrain"))
    checks = Job.objects.filter(checked_run__stage="pretrain")
    assert [job.state for job in checks] == ["failed"] * 4


def test_ctrl_c_leaves_the_other_runs_as_they_are(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    given = words(prepare(storage).reference)

    def interrupted(job: Job, tell: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ablate, "run_or_follow", interrupted)
    out, err = StringIO(), StringIO()
    with pytest.raises(KeyboardInterrupt):
        call_command("ablate", *given, stdout=out, stderr=err)
    assert f"{Ablation.objects.get().reference} was left" in err.getvalue() and not out.getvalue()
    assert {run.state for run in Run.objects.filter(stage="pretrain")} == {"checking"}


@pytest.mark.full
def test_an_ablation_is_carried_out_to_its_table(storage: Storage, tmp_path: Path):
    for name, start, count in (("prose", 0, 200), ("other", 300, 200), ("held", 600, 20)):
        prose(storage, name, count, start)
    quiz(storage)
    reference = tokenizer(storage, tmp_path / "words").reference
    out = StringIO()
    measured = ("--eval", "quiz@1", "--metric", "quiz@1/accuracy", "--higher", "--json")
    call_command("ablate", *words(reference, "--size", "depth=1 width=32 heads=2", *measured), stdout=out)
    said = json.loads(out.getvalue())
    made = Ablation.objects.get()
    assert (said["ablation"], said["pending"], said["missing"]) == (made.reference, 0, [])
    (size,) = said["sizes"]
    for arm in size["arms"]:
        assert len(arm["values"]) == 2 and all(0 <= value <= 1 for value in arm["values"])
    assert size["verdict"] and AblationEvaluation.objects.count() == 4
    runs = Run.objects.with_objects().filter(stage="pretrain")
    assert {(run.state, run.checkpoints.count()) for run in runs} == {("succeeded", 1)}
