"""The preflight of runs: it stands before the training, its checklist is shown, and a stopped run has ways on."""

import html
import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tests.tilth.published import publish
from tests.training.launching import ACTOR, checked, launched, let_through, prose, wanted
from tests.training.posttraining import conversations, make_model, make_tokenizer, put
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, User
from tilth.datasets.schemas import row_id
from tilth.errors import Conflict, PermissionDenied
from tilth.jobs.models import Job
from tilth.jobs.registry import get
from tilth.jobs.runner import run_inline
from tilth.storage import Storage
from training import extra
from training.actions import checkpoints, preflight, runs
from training.launch import Input, Wanted
from training.models.checkpoints import Checkpoint
from training.models.runs import STOPPED, Run
from training.preflight import checklist, why

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"
FAILED: dict[str, Any] = {
    "passed": False,
    "checks": [
        {
            "name": "trained",
            "state": "failed",
            "words": f"1 row teaches {HOSTILE}.",
            "figures": {f"rows {HOSTILE}": 3},
            "rows": [
                {
                    "source": "prose@1",
                    "number": 1234,
                    "id": "ab",
                    "why": f"rows like it {HOSTILE}",
                    "excerpt": [["Before ", ""], [f"within {HOSTILE}", "mark"], [" after", "cut"]],
                }
            ],
            "more": 7,
            "samples": [
                {"source": "prose@1", "number": 2, "id": "cd", "why": "", "excerpt": [["Yes.", "trained"]]}
            ],
            "bins": [[8, 4], [16, 2]],
        }
    ],
}


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage, tmp_path: Path) -> None:
    settings.STORAGE = storage.url
    settings.SCRATCH = tmp_path / "scratch"
    settings.JOBS_POLL_SECONDS = 0.05
    settings.JOBS_RETRY_SECONDS = 0


def fresh(run: Run) -> Run:
    return Run.objects.with_objects().get(pk=run.pk)


def test_a_run_is_checked_on_ordinary_workers_before_it_has_a_job(storage: Storage):
    run = checked(storage, gpus=1, priority=3)
    assert (run.job, run.state, run.is_moving) == (None, "checking", True)
    job = run.preflight
    assert (job.kind, job.queue, job.gpus, job.priority) == ("training_preflight", "default", 0, 3)
    assert job.target_url == reverse("training:run", args=[run.pk])
    assert get(job.kind).command(job)[1:] == ["-m", "training.llm.preflight"]
    run = let_through(run)
    assert (run.job.kind, run.job.queue, run.job.gpus, run.job.priority) == ("training", "gpu", 1, 3)
    assert run.job.params == job.params and run.state == "queued"


def test_a_passed_preflight_starts_one_training_however_often_it_is_told(
    storage: Storage, people: dict[str, User]
):
    prose(storage)
    run = let_through(runs.launch(Actor(user=people["researcher"]), wanted()))
    preflight.settle(run.preflight, {"passed": True, "checks": []})
    assert Job.objects.filter(kind="training").count() == 1
    assert fresh(run).job == run.job and run.job.created_by == people["researcher"]


def test_who_may_no_longer_train_starts_nothing(storage: Storage, people: dict[str, User]):
    prose(storage)
    run = runs.launch(Actor(user=people["researcher"]), wanted())
    User.objects.filter(pk=people["researcher"].pk).update(role="labeler")
    with pytest.raises(PermissionDenied):
        let_through(run)
    assert not Job.objects.filter(kind="training").exists()


def test_a_failed_preflight_stops_a_run_and_it_is_checked_again_once(storage: Storage):
    run = let_through(checked(storage), FAILED)
    assert (run.state, run.job, run.is_moving) == (STOPPED, None, False)
    first = run.preflight
    preflight.again(ACTOR, run)
    run = fresh(run)
    assert run.state == "checking" and run.preflight != first and run.preflight.params == first.params
    with pytest.raises(Conflict, match="only a run that its preflight stopped"):
        preflight.again(ACTOR, run)
    # The word of a preflight that is no longer the newest counts nothing.
    preflight.settle(first, {"passed": True, "checks": []})
    assert fresh(run).job is None
    assert let_through(run).state == "queued"
    assert AuditEntry.objects.filter(target=run.reference, verb="run.check").count() == 1


def test_two_who_press_at_once_begin_one_preflight(storage: Storage):
    run = let_through(checked(storage), FAILED)
    one, two = fresh(run), fresh(run)
    preflight.again(ACTOR, one)
    preflight.again(ACTOR, two)
    assert one.preflight == two.preflight and Job.objects.filter(kind=preflight.KIND).count() == 2


def test_a_preflight_that_cannot_be_made_stops_the_run_too(storage: Storage, client_for: Any):
    run = checked(storage)
    error = {"message": "No memory.", "code": "killed", "retryable": True}
    Job.objects.filter(pk=run.preflight_id).update(state="failed", error=error)
    run = fresh(run)
    assert (run.state, why(run)) == (STOPPED, "No memory.")
    page = client_for("researcher").get(reverse("training:run", args=[run.pk])).content.decode()
    assert "could not be checked: No memory." in page and "Check again" in page


def test_a_run_is_steered_while_it_is_checked(storage: Storage):
    run = checked(storage)
    for act, state in (
        (runs.pause, "paused"),
        (runs.resume, "checking"),
        (runs.cancel, "cancelled"),
        (runs.retry, "checking"),
    ):
        act(ACTOR, run)
        run = fresh(run)
        assert (run.state, run.job) == (state, None)


def test_what_a_stopped_run_would_make_does_not_come_to_be(storage: Storage, tmp_path: Path):
    base = a_model(storage, tmp_path)
    rows = [{"id": row_id("asked", 1), "messages": [{"role": "user", "content": "Say."}]}]
    publish(storage, "asked", "prompts", rows)
    asked = Wanted(stage="sample", base=base.reference, output="answers", inputs=(Input("asked@1"),))
    run = let_through(runs.launch(ACTOR, asked), FAILED)
    assert (run.version.state, run.version.note) == ("failed", "its preflight found faults")
    preflight.again(ACTOR, run)
    run = fresh(run)
    assert run.version.state == "building"
    get(preflight.KIND).on_end(run.preflight)
    assert fresh(run).version.state == "failed"
    Job.objects.filter(pk=run.preflight_id).update(state="failed", error={"message": "x"})
    preflight.again(ACTOR, fresh(run))
    run = let_through(fresh(run))
    assert run.version.job == run.job


def test_runs_are_found_by_the_states_of_their_preflights(storage: Storage, client_for: Any):
    waits, stopped = checked(storage, name="Waits"), let_through(checked(storage, name="Halted"), FAILED)
    runs.cancel(ACTOR, gone := checked(storage, name="Gone"))
    queued = launched(storage, name="Queued")
    client = client_for("researcher")
    for state, found in (
        ("checking", [waits]),
        (STOPPED, [stopped]),
        ("cancelled", [gone]),
        ("queued", [queued]),
        ("active", [queued, waits]),
        ("succeeded", []),
    ):
        answer = client.get(reverse("training:runs"), {"state": state})
        assert list(answer.context["page"]) == found, state


@pytest.mark.parametrize("role", ["labeler", "reviewer", "lead"])
def test_only_who_may_train_checks(storage: Storage, people: dict[str, User], role: str):
    run = let_through(checked(storage), FAILED)
    with pytest.raises(PermissionDenied):
        preflight.again(Actor(user=people[role]), run)


def test_the_page_shows_the_checklist_with_rows_at_fault_and_no_markup_of_theirs(
    storage: Storage, client_for: Callable[..., Client]
):
    run = let_through(checked(storage), FAILED)
    client = client_for("researcher")
    answer = client.get(reverse("training:run", args=[run.pk]))
    raw, page = answer.content.decode(), html.unescape(answer.content.decode())
    assert HOSTILE not in raw and raw.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 4
    assert "Trained tokens in every row" in page and "row 1,234" in page and "And 7 more." in page
    assert f"<mark>within {HOSTILE}</mark>" in page and "<mark>Yes.</mark>" in page
    assert "Change and launch again" in page and f"?from={run.pk}" in page and "Check again" in page
    checked_again = client.post(reverse("training:steer", args=[run.pk, "check"]))
    assert checked_again.status_code == 302 and fresh(run).state == "checking"
    page = client.get(reverse("training:live", args=[run.pk])).content.decode()
    assert "are checked on the CPU" in page and "every 2s" in page


def test_the_log_follows_from_the_preflight_to_the_training(storage: Storage, client_for: Any):
    run, client = checked(storage), client_for("researcher")
    address = reverse("training:live", args=[run.pk])
    first = client.get(address, {"job": run.preflight.pk}).content.decode()
    assert "hx-swap-oob" not in first and f"?job={run.preflight.pk}" in first
    run = let_through(run)
    second = client.get(address, {"job": run.preflight.pk}).content.decode()
    assert "hx-swap-oob" in second and reverse("jobs:log", args=[run.job.pk]) in second
    assert "hx-swap-oob" not in client.get(address, {"job": run.job.pk}).content.decode()


def test_the_api_tells_the_checklist_and_checks_again(storage: Storage, client_for: Any):
    run, api = let_through(checked(storage), FAILED), client_for("researcher")
    address = f"/api/v1/training/runs/{run.pk}"
    read = api.get(address).json()
    assert (read["state"], read["preflight"], read["job"]) == (STOPPED, run.preflight.reference, None)
    assert [(check["name"], check["state"]) for check in read["checks"]] == [("trained", "failed")]
    whole = api.get(f"{address}/preflight").json()
    assert whole["passed"] is False and whole["checks"][0]["rows"][0]["number"] == 1234
    assert [r["id"] for r in api.get("/api/v1/training/runs", {"state": STOPPED}).json()] == [run.pk]
    assert api.post(f"{address}/check").json()["state"] == "checking"
    assert api.get(f"{address}/preflight").json()["passed"] is None
    assert api.post(f"{address}/check").status_code == 409


def test_a_machine_without_the_training_extra_says_so_in_the_preflight(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    run = checked(storage)
    with pytest.raises(Exception, match="make up TRAINING=1"):
        get(preflight.KIND).command(run.preflight)


# Whole paths


def a_model(storage: Storage, tmp_path: Path) -> Checkpoint:
    first = launched(storage)
    make_tokenizer(tmp_path / "base")
    make_model(tmp_path / "base")
    put(storage, tmp_path / "base", first.pk)
    return checkpoints.register(ACTOR, first, 0)


def chats(storage: Storage, name: str, rows: list[dict[str, Any]]) -> None:
    publish(storage, name, "conversations", [{"id": row_id(name, n), **row} for n, row in enumerate(rows)])


@pytest.mark.django_db(transaction=True)
def test_a_silent_row_stops_a_fine_tuning_and_the_corrected_data_pass(storage: Storage, tmp_path: Path):
    base, good = a_model(storage, tmp_path), conversations(30)
    silent = {"messages": [{"role": "user", "content": "Nobody answers this one."}]}
    chats(storage, "odd", [*good, silent])
    chats(storage, "good", good)
    asked = Wanted(
        stage="sft",
        preset="smoke",
        inputs=(Input("odd@1"),),
        base=base.reference,
        settings={"steps": 2},
    )
    run = runs.launch(ACTOR, asked)
    assert run_inline(run.preflight).state == "succeeded"
    run = fresh(run)
    assert (run.state, run.job) == (STOPPED, None)
    lines = {line.name: line for line in checklist(run)}
    assert [name for name, line in lines.items() if line.state == "failed"] == ["trained"]
    (row,) = lines["trained"].rows
    assert (row["source"], row["number"]) == ("odd@1", 31)
    assert "Nobody answers" in row["excerpt"][0][0] and "odd@1 row 31" in why(run)
    again = runs.clone(ACTOR, run, inputs=(Input("good@1"),))
    assert run_inline(again.preflight).state == "succeeded"
    again = fresh(again)
    assert again.state == "queued", why(again)
    assert {line.state for line in checklist(again)} == {"passed"}
    job = run_inline(again.job)
    assert job.state == "succeeded", job.error
    assert again.checkpoints.get().step == 2


@pytest.mark.django_db(transaction=True)
def test_the_command_stops_where_the_preflight_does_and_tells_the_rows(storage: Storage):
    rows = [
        {"id": row_id("blank", n), "text": text, "source": "blank", "record_offset": n}
        for n, text in enumerate(["Words.", "  "])
    ]
    publish(storage, "blank", "documents", rows)
    out = StringIO()
    with pytest.raises(CommandError, match="blank@1 row 2: the text is empty"):
        call_command(
            "train", "tokenizer", "--dataset", "blank@1", "--wait", "--json", stdout=out, stderr=StringIO()
        )
    said = json.loads(out.getvalue())
    assert (said["state"], said["job"], said["preflight"]["passed"]) == (STOPPED, None, False)
    assert not Job.objects.filter(kind="training").exists()
