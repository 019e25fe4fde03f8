"""Runs from launch to their end: jobs, checkpoints, lineage, cost, steering, cloning, and the command."""

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from tests.tilth.published import publish
from tests.training.harness_tasks import CLOZE, QUIZ, task_folder
from tests.training.launching import (
    ACTOR,
    checkpoint,
    launched,
    let_through,
    metrics,
    prose,
    wanted,
    with_state,
)
from tests.training.posttraining import conversations, make_model, make_tokenizer, put
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, User
from tilth.datasets.lineage import ancestors, descendants
from tilth.datasets.models import DatasetVersion, Lineage
from tilth.datasets.schemas import row_id
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied, TilthError
from tilth.jobs.models import Attempt, DeviceLease, Job
from tilth.jobs.registry import get
from tilth.jobs.runner import run_inline
from tilth.storage import Storage
from training import extra
from training.actions import checkpoints, runs
from training.estimates import estimate
from training.jobs import close, give_up, take_in
from training.launch import Input, Wanted, check, wanted_of
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.checkpoints import Checkpoint
from training.models.runs import Run
from training.series import overlay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path / "scratch"
    settings.JOBS_POLL_SECONDS = 0.05
    settings.JOBS_RETRY_SECONDS = 0


def stored(storage: Storage, run: Run, step: int, tmp_path: Path, **fields: Any) -> Stored:
    """A checkpoint in the storage, as a program leaves it."""
    made = tmp_path / f"made-{step}"
    made.mkdir(exist_ok=True)
    (made / "model.safetensors").write_text(f"weights of {step}")
    given = {"stage": run.stage, "holds": "model", **fields}
    return store(storage, made, Stored(run=run.pk, step=step, **given), attempt=1)


def test_a_launch_writes_down_what_was_asked_and_queues_a_job_after_its_preflight(
    storage: Storage, people: dict[str, User]
):
    prose(storage)
    run = runs.launch(Actor(user=people["researcher"]), wanted(priority=2))
    assert run.job is None and run.state == "checking"
    run = let_through(run)
    assert run.job is not None and run.state == "queued"
    assert (run.job.kind, run.job.queue, run.job.priority, run.job.gpus) == ("training", "gpu", 2, 0)
    assert (run.job.params["run"], run.job.params["stage"]) == (run.pk, "tokenizer")
    assert (run.created_by, run.preset, run.config["vocabulary"]) == (people["researcher"], "smoke", 300)
    assert ancestors(run.reference)[0].parent == "prose@1"
    entry = AuditEntry.objects.get(verb="run.launch")
    assert entry.target == run.reference and entry.data["inputs"] == ["prose@1"]


@pytest.mark.parametrize("role", ["labeler", "reviewer", "lead"])
def test_only_who_may_train_launches_and_steers(storage: Storage, people: dict[str, User], role: str):
    run, actor = launched(storage), Actor(user=people[role])
    for act in (
        lambda: runs.launch(actor, wanted()),
        lambda: runs.cancel(actor, run),
        lambda: runs.clone(actor, run),
        lambda: checkpoints.register(actor, run, 0),
        lambda: checkpoints.reconcile(actor, run),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert Run.objects.count() == 1


def test_a_fault_leaves_nothing_behind(storage: Storage):
    with pytest.raises(NotFound):
        runs.launch(ACTOR, wanted())
    assert not Run.objects.exists() and not Job.objects.exists() and not Lineage.objects.exists()


def test_a_run_is_cancelled_retried_paused_and_resumed(storage: Storage):
    run = launched(storage)
    for act, state in (
        (runs.cancel, "cancelled"),
        (runs.retry, "queued"),
        (runs.pause, "paused"),
        (runs.resume, "queued"),
    ):
        act(ACTOR, run)
        run.refresh_from_db()
        assert run.state == state
    with pytest.raises(Conflict, match="cannot be resumed"):
        runs.resume(ACTOR, run)
    verbs = AuditEntry.objects.filter(target=run.reference).order_by("id").values_list("verb", flat=True)
    assert list(verbs) == ["run.launch", "run.cancel", "run.retry", "run.pause", "run.resume"]


def test_a_clone_changes_what_is_named_and_knows_where_it_comes_from(storage: Storage):
    run = launched(storage, settings={"vocabulary": 300, "seed": 4}, name="First")
    prose(storage, "other")
    child = runs.clone(
        ACTOR, run, name="Second", settings={"vocabulary": 310}, inputs=(Input("other@1"),), priority=5
    )
    assert (child.parent, child.name, child.priority) == (run, "Second", 5)
    assert {**child.config, "vocabulary": 300} == run.config and child.seed == 4
    assert {(edge.parent, edge.relation) for edge in ancestors(child.reference, 1)} == {
        ("other@1", "trained_on"),
        (run.reference, "cloned_from"),
    }
    with pytest.raises(InvalidInput):
        runs.clone(ACTOR, run, settings={"vocabulary": 1})


def test_a_checkpoint_is_taken_in_once_with_what_is_known_of_it(storage: Storage, tmp_path: Path):
    run = launched(storage)
    made = stored(storage, run, 400, tmp_path, tokens=99, parameters=5, metrics={"loss": float("nan")})
    artifact = {"name": made.reference, "key": f"{made.folder}/checkpoint.json", "bytes": made.bytes}
    take_in(run.job, artifact)
    take_in(run.job, artifact)
    row = run.checkpoints.get()
    assert (row.reference, row.tokens, row.parameters, row.holds) == (made.reference, 99, 5, "model")
    assert (row.path, row.bytes, row.metrics) == (made.folder, made.bytes, {"loss": None})
    assert len(row.manifest_sha256) == 64 and row.is_kept
    assert [edge.child for edge in descendants("prose@1")] == [run.reference, row.reference]
    assert AuditEntry.objects.filter(verb="checkpoint.register").count() == 1


@pytest.mark.parametrize("name", ["samples", "checkpoint:999999/3", "checkpoint:{run}/3"])
def test_other_artifacts_are_no_checkpoints(storage: Storage, name: str):
    run = launched(storage)
    take_in(run.job, {"name": name.format(run=run.pk), "key": "k", "bytes": 1})
    assert not Checkpoint.objects.exists()


def test_what_is_stored_must_be_what_was_announced(storage: Storage):
    run = launched(storage)
    with pytest.raises(NotFound):
        checkpoints.register(ACTOR, run, 5)
    other = Stored(run=run.pk, step=6, stage="sft", holds="model")
    storage.write_json(f"checkpoints/{run.pk}/5/checkpoint.json", other.to_json())
    with pytest.raises(InvalidInput, match="says that it is"):
        checkpoints.register(ACTOR, run, 5)
    assert not Checkpoint.objects.exists()


def test_the_end_of_a_run_finds_checkpoints_that_nobody_announced_and_those_that_were_pruned(
    storage: Storage, tmp_path: Path
):
    run = launched(storage)
    for step in (10, 20):
        stored(storage, run, step, tmp_path)
    storage.write_bytes(f"checkpoints/{run.pk}/30/attempt-1/model.safetensors", b"half")
    close(run.job)
    assert [row.step for row in run.checkpoints.all()] == [10, 20]
    storage.delete(f"checkpoints/{run.pk}/10")
    close(run.job)
    assert [(row.step, row.state) for row in run.checkpoints.all()] == [(10, "pruned"), (20, "kept")]
    stored(storage, run, 10, tmp_path, tokens=7)
    close(run.job)
    assert [(row.state, row.tokens) for row in run.checkpoints.all()] == [("kept", 7), ("kept", 0)]
    assert Lineage.objects.filter(child=f"checkpoint:{run.pk}/10").count() == 1


def test_a_run_costs_what_its_devices_were_lent_for(storage: Storage, settings: Any):
    settings.GPU_HOUR_PRICE = 2.0
    run, now = launched(storage), timezone.now()
    settings.GPU_HOUR_PRICE = 9.0
    for n, hours in enumerate((1, 3), 1):
        attempt = Attempt.objects.create(
            job=run.job, number=n, worker_name="w", host="h", state=Attempt.State.LOST
        )
        DeviceLease.objects.create(
            device="gpu-0",
            host="h",
            job=run.job,
            attempt=attempt,
            taken_at=now - timedelta(hours=hours),
            freed_at=now,
        )
    close(run.job)
    run.refresh_from_db()
    assert run.cost == pytest.approx(8.0)


def test_a_machine_without_the_training_extra_says_how_to_get_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    run = launched(storage)
    with pytest.raises(Exception, match="make up TRAINING=1"):
        get("training").command(run.job)


def test_runs_are_found_by_words_and_by_number(storage: Storage):
    run = launched(storage, name="Brown bread")
    for words in ("bread", "tokenizer", str(run.pk), run.reference):
        assert list(Run.objects.search(words)) == [run]
    assert not Run.objects.search("cake").exists()
    assert list(Run.objects.under_way()) == [run]


@pytest.mark.django_db(transaction=True)
def test_the_tokenizer_stage_runs_to_its_end_and_its_checkpoint_is_there_before(storage: Storage):
    run = launched(storage)
    seen: list[tuple[str, int]] = []

    def watch(job: Job) -> None:
        seen.append((job.state, run.checkpoints.count()))

    job = run_inline(run.job, watch)
    assert job.state == "succeeded", job.error
    row = run.checkpoints.get()
    assert (row.reference, row.holds, row.bytes > 0) == (f"checkpoint:{run.pk}/0", "tokenizer", True)
    assert job.result["checkpoint"] == row.reference
    assert row.metrics["bytes_per_token/tokenizer"] > 1 and row.record["packages"]["tokenizers"]
    assert storage.exists(f"{row.path}/checkpoint.json")
    run.refresh_from_db()
    assert run.cost == 0


@pytest.mark.django_db(transaction=True)
def test_a_model_is_fine_tuned_from_a_checkpoint_with_curves_and_lineage(storage: Storage, tmp_path: Path):
    first = launched(storage)
    make_tokenizer(tmp_path / "base")
    make_model(tmp_path / "base")
    put(storage, tmp_path / "base", first.pk)
    base = checkpoints.register(ACTOR, first, 0)
    chats = [{"id": row_id("chats", n), **row} for n, row in enumerate(conversations(40))]
    publish(storage, "chats", "conversations", chats)
    given = {"steps": 4, "checkpoint_every": 2}
    run = runs.launch(
        ACTOR,
        Wanted(stage="sft", preset="smoke", inputs=(Input("chats@1"),), base=base.reference, settings=given),
    )
    run = let_through(run)
    job = run_inline(run.job)
    assert job.state == "succeeded", job.error
    assert [row.step for row in run.checkpoints.all()] == [2, 4]
    (drawn,) = overlay([Run.objects.with_objects().get(pk=run.pk)])
    loss = drawn["series"]["loss"]
    assert loss["x"]["step"] == [1, 2, 3, 4] and set(loss["x"]) == {"step", "seconds", "tokens"}
    parents = {(edge.parent, edge.relation) for edge in ancestors(run.reference, 1)}
    assert parents == {("chats@1", "trained_on"), (base.reference, "started_from")}
    assert run.checkpoints.last().reference in {edge.child for edge in descendants("prose@1")}


@pytest.mark.django_db(transaction=True)
def test_a_tokenizer_and_then_a_model_are_made_by_two_commands(storage: Storage, client_for: Any):
    prose(storage, count=400)
    learn = ("tokenizer", "--dataset", "prose@1", "--preset", "smoke", "--set", "vocabulary=320")
    learned = json.loads(command(*learn, "--wait", "--json"))
    tokenizer = learned["checkpoints"][0]
    settings = ("steps=6", "checkpoint_every=3", "keep=0", "save_every=3", "validate_every=3")
    said = json.loads(
        command(
            *("pretrain", "--dataset", "prose@1", "--tokenizer", tokenizer, "--preset", "smoke"),
            *(part for text in settings for part in ("--set", text)),
            *("--wait", "--json"),
        )
    )
    run = Run.objects.with_objects().get(stage="pretrain")
    assert said["state"] == "succeeded" and run.tokenizer.reference == tokenizer
    assert [(row.step, row.state) for row in run.checkpoints.all()] == [(3, "pruned"), (6, "kept")]
    (drawn,) = overlay([run])
    loss = drawn["series"]["loss"]
    assert list(drawn["series"])[:3] == ["loss", "validation_loss", "bits_per_byte"]
    assert loss["x"]["tokens"] == [step * 8 * 64 for step in loss["x"]["step"]]
    assert set(loss["x"]) == {"step", "seconds", "tokens", "flops"}
    last = run.checkpoints.last()
    planned = estimate(check(wanted_of(run)))
    assert last.parameters == planned.parameters and planned.measured == 1
    page = client_for("researcher").get(reverse("training:samples", args=[run.pk])).content.decode()
    assert "Step 6" in page


def a_model(storage: Storage, tmp_path: Path) -> Checkpoint:
    """A tiny model that a run has made."""
    first = launched(storage)
    make_tokenizer(tmp_path / "base")
    make_model(tmp_path / "base")
    put(storage, tmp_path / "base", first.pk)
    return checkpoints.register(ACTOR, first, 0)


def asked(storage: Storage) -> None:
    """Three prompts as ``asked@1``."""
    rows = [
        {"id": row_id("asked", n), "messages": [{"role": "user", "content": f"Say {n}."}]} for n in range(3)
    ]
    publish(storage, "asked", "prompts", rows)


def sampling(base: Checkpoint, **changes: Any) -> Wanted:
    given = {"settings": {"max_tokens": 4}, "output": "answers", "inputs": (Input("asked@1"),)}
    return Wanted(**{"stage": "sample", "base": base.reference, **given, **changes})


@pytest.mark.django_db(transaction=True)
def test_answers_become_a_version_that_knows_its_model(storage: Storage, tmp_path: Path):
    base = a_model(storage, tmp_path)
    asked(storage)
    run = runs.launch(ACTOR, sampling(base))
    assert (run.version.reference, run.version.state) == ("answers@1", "building")
    job = run_inline(let_through(run).job)
    assert job.state == "succeeded", job.error
    version = DatasetVersion.objects.get(pk=run.version_id)
    assert (version.state, version.rows, version.dataset.kind) == ("published", 3, "completions")
    assert version.dataset.licence == "CC0-1.0" and version.job == job
    assert {edge.parent for edge in ancestors("answers@1", 1)} == {
        "asked@1",
        base.reference,
        run.reference,
        job.reference,
    }
    assert runs.clone(ACTOR, Run.objects.with_objects().get(pk=run.pk)).version.reference == "answers@2"


def test_a_version_comes_to_nothing_with_its_run_and_is_taken_up_again(storage: Storage, tmp_path: Path):
    base = a_model(storage, tmp_path)
    asked(storage)
    run = with_state(
        let_through(runs.launch(ACTOR, sampling(base))), "failed", error={"message": "No memory."}
    )
    give_up(run.job)
    run.version.refresh_from_db()
    assert (run.version.state, run.version.note) == ("failed", "No memory.")
    runs.retry(ACTOR, run)
    run.version.refresh_from_db()
    assert run.version.state == "building"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"output": ""}, "makes a dataset: name it"),
        ({"output": "Not a name"}, "is not a name"),
        ({"output": "asked"}, "in use for prompts"),
    ],
)
def test_rows_need_a_dataset_of_their_kind(storage: Storage, tmp_path: Path, changes: dict, says: str):
    base = a_model(storage, tmp_path)
    asked(storage)
    with pytest.raises(TilthError, match=says) as caught:
        runs.launch(ACTOR, sampling(base, **changes))
    assert caught.value.field == "output" and Run.objects.count() == 1
    with pytest.raises(TilthError, match="makes checkpoints and no dataset"):
        runs.launch(ACTOR, wanted(output="answers"))


@pytest.mark.django_db(transaction=True)
def test_an_evaluation_has_figures_on_its_page_and_its_checkpoints(
    storage: Storage, tmp_path: Path, client_for: Any, monkeypatch: pytest.MonkeyPatch
):
    base = a_model(storage, tmp_path)
    prose(storage, "held", 5, 900)
    task_folder(tmp_path / "exam", QUIZ, CLOZE)
    monkeypatch.chdir(tmp_path)
    arguments = ["--dataset", "held@1", "--base", base.reference, "--set", "tasks=exam", "--set"]
    said = json.loads(command("evaluate", *arguments, "task_names=quiz", "--wait", "--json"))
    assert said["version"] is None and list(said["result"]["figures"]) == ["held@1", "quiz"]
    run = Run.objects.get(stage="evaluate")
    assert {(edge.parent, edge.relation) for edge in ancestors(run.reference, 1)} == {
        ("held@1", "evaluated_on"),
        (base.reference, "started_from"),
    }
    client = client_for("researcher")
    for address in (
        reverse("training:run", args=[run.pk]),
        reverse("training:checkpoint", args=[base.run_id, base.step]),
    ):
        page = client.get(address).content.decode()
        assert "held@1" in page and "bits_per_byte" in page and "95 % interval" in page
        assert "quiz" in page and "acc_norm" in page and "Standard error" in page


def command(*arguments: str) -> str:
    out = StringIO()
    call_command("train", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_runs_a_stage_and_prints_one_object(storage: Storage):
    prose(storage)
    arguments = ["tokenizer", "--dataset", "prose@1:2", "--preset", "smoke", "--set", "vocabulary=300"]
    said = json.loads(command(*arguments, "--wait", "--json", "--name", "By hand"))
    run = Run.objects.get()
    assert said["run"] == run.reference and said["state"] == "succeeded"
    assert said["checkpoints"] == [f"checkpoint:{run.pk}/0"]
    assert said["result"]["bytes_per_token"]["tokenizer"] > 1
    assert (run.name, run.config["vocabulary"], run.inputs[0]["weight"]) == ("By hand", 300, 2.0)
    assert run.created_by is None


@pytest.mark.django_db(transaction=True)
def test_a_model_is_imported_from_a_folder_at_the_shell(
    storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_tokenizer(tmp_path / "tiny")
    make_model(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    said = json.loads(command("import", "--set", "source=tiny", "--set", "licence=MIT", "--wait", "--json"))
    row = Run.objects.get().checkpoints.get()
    assert said["checkpoints"] == [row.reference] and said["result"]["licence"] == "MIT"
    assert (row.holds, row.architecture, row.scores) == ("model", "LlamaForCausalLM", False)


def test_the_browser_imports_only_from_the_folders_that_the_operator_names(
    storage: Storage, people: dict[str, User], settings: Any, tmp_path: Path
):
    settings.SOURCE_ROOTS = [tmp_path / "inbox"]
    asked = Wanted(stage="import", settings={"source": "/etc"})
    by_web = runs.launch(Actor(user=people["researcher"]), asked)
    assert by_web.preflight.params["source_roots"] == [str(tmp_path / "inbox")]
    cloned = runs.clone(Actor(user=people["researcher"]), runs.launch(ACTOR, asked))
    assert cloned.preflight.params["source_roots"] == [str(tmp_path / "inbox")]
    assert "source_roots" not in cloned.config and launched(storage).job.params["source_roots"] == []
    with pytest.raises(InvalidInput, match="Name a folder"):
        runs.launch(ACTOR, Wanted(stage="import"))


@pytest.mark.django_db(transaction=True)
def test_the_command_says_what_went_wrong_in_a_run(storage: Storage):
    prose(storage, count=1)
    with pytest.raises(CommandError, match="give only"):
        command("tokenizer", "--dataset", "prose@1", "--set", "vocabulary=30000", "--wait")


def test_the_command_queues_and_says_why_it_waits(storage: Storage):
    prose(storage)
    out, err = StringIO(), StringIO()
    call_command("train", "tokenizer", "--dataset", "prose@1", stdout=out, stderr=err)
    run = Run.objects.get()
    assert f"{run.reference} is checking as {run.preflight.reference}" in out.getvalue()
    assert "No worker is running" in err.getvalue()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["teach"], "no stage 'teach'"),
        (["tokenizer"], "needs a dataset"),
        (["tokenizer", "--dataset", "prose@1:much"], "is no input"),
        (["tokenizer", "--dataset", "prose@1", "--set", "vocabulary"], "write key=value"),
        (["tokenizer", "--dataset", "prose@1", "--set", "vocabulary=many"], "whole number"),
        (["tokenizer", "--dataset", "prose@1", "--preset", "huge"], "no preset"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(storage: Storage, arguments: list[str], says: str):
    prose(storage)
    with pytest.raises(CommandError, match=says):
        command(*arguments)
    assert not Run.objects.exists()


def test_rows_of_runs_are_read_in_few_queries(storage: Storage, django_assert_num_queries: Any):
    first = launched(storage)
    checkpoint(first)
    metrics(first, loss={1: 2.0})
    launched(storage)
    with django_assert_num_queries(1):
        assert [(run.state, run.created_by, run.base) for run in Run.objects.with_objects()]
