"""Which checkpoints stay: known answers of the rules, what refers to them, previews, pruning by hand and by itself."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models.tasks import Candidate
from tests.labeling.campaigns import campaign, task
from tests.tilth.published import publish
from tests.training.launching import ACTOR, checkpoint, launched, with_state
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, User
from tilth.datasets.models import Lineage
from tilth.errors import Conflict, InvalidInput, PermissionDenied
from tilth.jobs.models import Job, JobState
from tilth.jobs.reporting import Reporter
from tilth.jobs.runner import run_inline
from tilth.storage import Storage
from training.actions import checkpoints, retention, runs
from training.jobs import take_in
from training.launch import Input, Wanted
from training.llm import prune as program
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.checkpoints import Checkpoint
from training.models.retention import Retention
from training.models.runs import Run
from training.retention import Policy, reasons
from training.retention import Stored as Known
from training.uses import uses_of

pytestmark = pytest.mark.django_db
STEPS = range(100, 1100, 100)


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path / "scratch"
    settings.JOBS_POLL_SECONDS = 0.05


def staying(policy: Policy, stored: list[Known]) -> list[int]:
    return [step for step, why in sorted(reasons(policy, stored).items()) if why]


def ten(**changes: Any) -> list[Known]:
    """Ten checkpoints at 100, 200, …, whose loss is lowest at 600."""
    return [Known(step, {"loss": abs(step - 600) / 100}, **changes) for step in STEPS]


@pytest.mark.parametrize(
    ("policy", "stay"),
    [
        (Policy(), [*STEPS]),
        (Policy(last=1), [1000]),
        (Policy(last=3), [800, 900, 1000]),
        (Policy(last=99), [*STEPS]),
        (Policy(every=4), [400, 800, 1000]),
        (Policy(every=1), [*STEPS]),
        (Policy(metric="loss"), [600, 1000]),
        (Policy(metric="loss", lowest=False), [100, 1000]),
        (Policy(metric="accuracy"), [1000]),
        (Policy(every=5, last=2, metric="loss"), [500, 600, 900, 1000]),
    ],
)
def test_known_answers(policy: Policy, stay: list[int]) -> None:
    assert staying(policy, ten()) == stay
    assert staying(policy, ten()[::-1]) == stay, "the order in which they are named does not matter"


def test_what_is_used_stays_and_every_reason_is_named() -> None:
    stored = [*ten()[:2], Known(300, {}, used=["used by run:7"]), *ten()[3:]]
    why = reasons(Policy(every=10, last=1, metric="loss"), stored)
    assert why[300] == ["used by run:7"] and why[1000] == ["the newest", "one in 10"]
    assert why[600] == ["best loss"] and why[100] == []


def test_the_same_ones_stay_however_often_it_is_asked() -> None:
    policy, stored = Policy(every=3, last=2), ten()
    for _ in range(3):
        stay = staying(policy, stored)
        assert stay == [300, 600, 900, 1000]
        stored = [Known(one.step, one.metrics, one.step in stay) for one in stored]
    assert staying(policy, []) == []


def stored(storage: Storage, run: Run, folder: Path, *steps: int, attempt: int = 1) -> list[Checkpoint]:
    """Checkpoints with files and rows."""
    for step in steps:
        made = folder / f"made-{attempt}-{step}"
        (made / "deep").mkdir(parents=True)
        (made / "model.safetensors").write_text(f"weights of {step}")
        (made / "deep" / "config.json").write_text("{}")
        what = Stored(run=run.pk, step=step, stage=run.stage, holds="model", metrics={"loss": 1000.0 - step})
        store(storage, made, what, attempt)
    return checkpoints.reconcile(ACTOR, run)


def states(run: Run) -> dict[int, str]:
    return dict(run.checkpoints.order_by("step").values_list("step", "state"))


def removal() -> Job:
    return Job.objects.get(kind="checkpoint_prune", state=JobState.QUEUED)


def test_pruning_is_looked_at_first_and_leaves_row_hash_and_lineage(storage: Storage, tmp_path: Path) -> None:
    run = launched(storage)
    stored(storage, run, tmp_path, 1, 2, 3, 4)
    before = dict(run.checkpoints.values_list("step", "manifest_sha256"))
    retention.set_policy(ACTOR, run, Policy(last=2))
    lines = {line.checkpoint.step: line.reasons for line in retention.preview(run)}
    assert lines == {4: ["the newest"], 3: ["among the last 2"], 2: [], 1: []}
    assert set(states(run).values()) == {"kept"} and not Job.objects.filter(kind="checkpoint_prune").exists()
    retention.prune(ACTOR, run, [1, 2])
    assert states(run) == {1: "pruned", 2: "pruned", 3: "kept", 4: "kept"}
    assert run_inline(removal()).state == "succeeded"
    assert {key.split("/")[2] for key in storage.list(f"checkpoints/{run.pk}")} == {"3", "4"}
    assert dict(run.checkpoints.values_list("step", "manifest_sha256")) == before
    assert Lineage.objects.filter(child=f"checkpoint:{run.pk}/1", parent=run.reference).exists()
    entry = AuditEntry.objects.get(verb="checkpoint.prune", target=f"checkpoint:{run.pk}/1")
    assert entry.data["sha256"] == before[1] and entry.data["bytes"] > 0
    checkpoints.reconcile(ACTOR, run)
    assert states(run) == {1: "pruned", 2: "pruned", 3: "kept", 4: "kept"}


def test_only_what_may_go_goes_and_then_all_of_it_or_nothing(
    storage: Storage, people: dict[str, User]
) -> None:
    run = launched(storage)
    for step in (1, 2, 3):
        checkpoint(run, step, "model")
    with pytest.raises(Conflict, match=f"checkpoint:{run.pk}/1"):
        retention.prune(ACTOR, run, [1])
    retention.set_policy(ACTOR, run, Policy(last=1))
    for steps in ([1, 3], [1, 99]):
        with pytest.raises(Conflict, match="Look at the list again"):
            retention.prune(ACTOR, run, steps)
    with pytest.raises(InvalidInput):
        retention.prune(ACTOR, run, [])
    for role in ("labeler", "reviewer", "lead"):
        for act in (
            lambda actor: retention.prune(actor, run, [1]),
            lambda actor: retention.set_policy(actor, run, Policy(last=1)),
        ):
            with pytest.raises(PermissionDenied):
                act(Actor(user=people[role]))
    assert set(states(run).values()) == {"kept"}
    assert [one.step for one in retention.prune(Actor(user=people["researcher"]), run, [1, 2])] == [1, 2]


@pytest.mark.parametrize("policy", [Policy(last=0), Policy(every=10**9), Policy(every=-1)])
def test_rules_have_their_bounds(storage: Storage, policy: Policy) -> None:
    with pytest.raises(InvalidInput):
        retention.set_policy(ACTOR, launched(storage), policy)
    with pytest.raises(InvalidInput, match="Say first"):
        retention.set_policy(ACTOR, launched(storage), Policy(), automatic=True)


def test_whatever_something_refers_to_is_never_pruned(storage: Storage, tmp_path: Path) -> None:
    run = launched(storage)
    first, _, third, fourth, *_ = stored(storage, run, tmp_path, 1, 2, 3, 4, 5)
    launched(
        storage,
        stage="sample",
        preset="",
        inputs=(Input("asked@1"),) if _asked(storage) else (),
        settings={},
        base=first.reference,
        output="answers",
    )
    checkpoints.record_download(ACTOR, third)
    Candidate.objects.create(task=task(campaign()), position=9, messages=[], checkpoint=fourth.reference)
    retention.set_policy(ACTOR, run, Policy(last=1))
    why = {line.checkpoint.step: line.reasons for line in retention.preview(run)}
    assert why[1] and why[1][0].startswith("used by run:")
    assert (why[2], why[3], why[4]) == ([], ["exported"], ["labeled"])
    with pytest.raises(Conflict):
        retention.prune(ACTOR, run, [1, 2, 3, 4])
    assert uses_of(["checkpoint:0/0"]) == {}


def _asked(storage: Storage) -> bool:
    message = {"role": "user", "content": "Hello?", "name": None, "tool_call_id": None, "tool_calls": None}
    publish(storage, "asked", "prompts", [{"id": "0" * 32, "messages": [message], "topic": "", "source": ""}])
    return True


def test_a_launch_from_a_checkpoint_that_was_just_pruned_is_refused(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launched(storage)
    model = checkpoint(run, 1, "tokenizer")
    checked = runs.check

    def slowly(wanted: Wanted) -> Any:
        plan = checked(wanted)
        Checkpoint.objects.filter(pk=model.pk).update(state="pruned")
        return plan

    monkeypatch.setattr(runs, "check", slowly)
    wanted = Wanted(stage="pretrain", preset="smoke", inputs=(Input("prose@1"),), tokenizer=model.reference)
    with pytest.raises(Conflict, match="just been pruned"):
        runs.launch(ACTOR, wanted)
    assert Run.objects.count() == 1


def test_a_run_prunes_by_itself_only_where_its_settings_say_so(storage: Storage, tmp_path: Path) -> None:
    tokenizer = checkpoint(launched(storage), 0)
    wanted = {
        "stage": "pretrain",
        "preset": "smoke",
        "inputs": (Input("prose@1"),),
        "tokenizer": tokenizer.reference,
    }
    plain = launched(storage, **wanted, settings={})
    assert not Retention.objects.exists() and retention.prune_automatically(plain) == []
    run = launched(storage, **wanted, settings={"keep": 1, "checkpoint_every": 5})
    kept = Retention.objects.get()
    assert (kept.run, kept.last, kept.automatic) == (run, 2, True)
    assert run.preflight is not None and run.job is not None and run.job.params["prunes"] is False
    for step in (1, 2, 3):
        stored(storage, run, tmp_path, step)
        take_in(run.job, {"name": f"checkpoint:{run.pk}/{step}"})
    assert states(run) == {1: "pruned", 2: "kept", 3: "kept"}
    assert AuditEntry.objects.get(verb="checkpoint.prune").system == "retention"
    take_in(run.job, {"name": f"checkpoint:{run.pk}/3"})
    assert states(run)[1] == "pruned", "its files are there until the job has removed them"
    retention.set_policy(ACTOR, run, Policy(last=1), automatic=False)
    take_in(run.job, {"name": f"checkpoint:{run.pk}/3"})
    assert states(run) == {1: "pruned", 2: "kept", 3: "kept"}


def test_the_program_goes_on_where_it_was_killed_and_leaves_what_was_stored_anew(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = launched(storage)
    (row,) = stored(storage, run, tmp_path, 1)
    folder, sha256 = row.folder, row.manifest_sha256
    deletes, delete = [], Storage.delete

    def killed(self: Storage, key: str) -> None:
        deletes.append(key)
        if len(deletes) == 2:
            raise KeyboardInterrupt
        delete(self, key)

    monkeypatch.setattr(Storage, "delete", killed)
    with pytest.raises(KeyboardInterrupt):
        program.remove(storage, folder, sha256)
    monkeypatch.undo()
    assert deletes[0] == f"{folder}/checkpoint.json", "what is half gone is no checkpoint"
    params = {"checkpoints": [{"step": 1, "folder": folder, "manifest_sha256": sha256}]}
    report = Reporter(params, 0, 0, storage, "work", tmp_path / "work", lambda event: None)
    assert program.run(report) == {"removed": [1]} and not storage.list(folder)
    assert program.run(report) == {"removed": []}
    with_state(run, "running")
    Checkpoint.objects.update(state="pruned")
    stored(storage, run, tmp_path, 1, attempt=2)
    assert program.run(report) == {"removed": []} and storage.exists(f"{folder}/attempt-2/model.safetensors")
    assert states(run) == {1: "kept"}


def page(client: Client, run: Run) -> str:
    return html.unescape(client.get(reverse("training:run", args=[run.pk])).content.decode())


def test_rules_preview_and_button_stand_on_the_runs_page(
    storage: Storage, client_for: Callable[..., Client]
) -> None:
    client, run = client_for("researcher"), launched(storage)
    assert "Checkpoints that stay" not in page(client, run)
    for step in (1, 2, 3):
        checkpoint(run, step, "model", bytes=1000, metrics={"loss": 4.0 - step, "note": "<b>"})
    shown = page(client, run)
    assert "no rule takes it away" in shown and "may go<" not in shown and "freeing" not in shown
    assert '<option value="loss">' in shown and '<option value="note">' not in shown
    rules = {"every": "", "last": "", "metric": "loss", "lowest": "", "automatic": ""}
    address = reverse("training:retention", args=[run.pk])
    assert client.post(address, rules).status_code == 302
    shown = page(client, run)
    assert "best loss" in shown and "the newest" in shown and "Prune 1, freeing" in shown
    assert set(states(run).values()) == {"kept"}
    for wrong in (
        {**rules, "last": "0"},
        {**rules, "metric": "beauty"},
        {**rules, "metric": "", "automatic": "on"},
    ):
        assert client.post(address, wrong).status_code == 400
    prune = reverse("training:prune", args=[run.pk])
    assert client.post(prune, {"step": ["1"]}).status_code == 409
    assert client.post(prune, {"step": ["x"]}).status_code == 400
    assert client.post(prune, {"step": ["2"]}).status_code == 302
    assert states(run) == {1: "kept", 2: "pruned", 3: "kept"}
    assert "checkpoint.prune" in set(AuditEntry.objects.values_list("verb", flat=True))
