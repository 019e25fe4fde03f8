"""Alerts of runs: found while points are stored, written once, seen, pausing, shown to whom they concern."""

import html
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.tilth.published import publish
from tests.training.launching import ACTOR, alert, checkpoint, launched, with_state
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, User
from tilth.errors import InvalidInput, PermissionDenied
from tilth.jobs import ingest, reaper, registry
from tilth.jobs.ingest import Intake, LineTail
from tilth.jobs.loglines import LogWriter, Redactor
from tilth.jobs.models import Attempt, Job, JobMetric
from tilth.storage import Storage
from training.actions import alerts
from training.jobs import TRAINING, finish, give_up
from training.launch import Input
from training.llm.alerts.finding import Finding
from training.models.alerts import Alert, RunWatch
from training.models.runs import Run

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


class Reports:
    """A run at work, and what its program reports as its supervisor takes it in."""

    def __init__(self, storage: Storage, folder: Path, **changes: Any) -> None:
        self.run = with_state(launched(storage, **changes), "running", attempt=1)
        self.attempt = Attempt.objects.create(job=self.run.job, number=1, worker_name="w", host="h")
        log = LogWriter(storage, self.run.job_id, 1, Redactor.of([]))
        files = (LineTail(folder / "events.jsonl"), LineTail(folder / "output.log"))
        self.intake = Intake(self.attempt, *files, log, on_metrics=TRAINING.on_metrics)

    def metric(self, name: str, values: list[float | None], first: int = 1, at: float = 0.0) -> None:
        with self.intake.events.path.open("a") as handle:
            for step, value in enumerate(values, first):
                shown = float("nan") if value is None else value
                event = {"type": "metric", "name": name, "value": shown, "step": step, "at": at + step}
                handle.write(json.dumps(event) + "\n")
        self.intake.read()
        self.intake.store()

    @property
    def state(self) -> str:
        return Job.objects.get(pk=self.run.job_id).state


@pytest.fixture
def reports(storage: Storage, tmp_path: Path) -> Reports:
    return Reports(storage, tmp_path)


def found(run: Run) -> list[tuple[str, int]]:
    return list(run.alerts.order_by("pk").values_list("rule", "step"))


def test_points_are_watched_batch_by_batch_as_they_are_stored(reports: Reports) -> None:
    for first in range(1, 100, 10):
        reports.metric("loss", [2.0 + 0.01 * (n % 3) for n in range(10)], first)
    assert not found(reports.run)
    reports.metric("loss", [9.0, 9.0], 101)
    assert found(reports.run) == [("loss_spike", 101)]
    assert reports.state == "running", "only a rule that is told to pauses"
    entry = AuditEntry.objects.get(verb="alert.raise")
    assert (entry.target, entry.system) == (reports.run.reference, "alerts")


def test_a_loss_that_is_no_number_pauses_the_run(reports: Reports) -> None:
    reports.metric("loss", [2.0, 2.0, None, None])
    assert found(reports.run) == [("not_finite", 3)]
    assert reports.state == "pausing" and Alert.objects.get().paused


def test_which_rules_pause_is_the_runs_own_setting(reports: Reports, people: dict[str, User]) -> None:
    researcher = Actor(user=people["researcher"])
    alerts.set_pauses(researcher, reports.run, ["loss_spike"])
    reports.metric("grad_norm", [None])
    assert found(reports.run) == [("not_finite", 1)] and reports.state == "running"
    reports.metric("loss", [2.0 + 0.01 * (n % 3) for n in range(50)])
    reports.metric("loss", [9.0], 51)
    assert reports.state == "pausing"
    with pytest.raises(InvalidInput, match="no rule"):
        alerts.set_pauses(researcher, reports.run, ["explode"])
    assert RunWatch.objects.get().pauses == ["loss_spike"]


def test_a_run_that_cannot_pause_any_more_is_alerted_all_the_same(reports: Reports) -> None:
    with_state(reports.run, "cancelling")
    reports.metric("loss", [None])
    assert reports.state == "cancelling" and not Alert.objects.get().paused


def test_what_the_rules_do_wrong_costs_no_point(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> None:
        Alert.objects.create(run=reports.run, attempt=1, rule="half", message="written before the fault")
        raise RuntimeError("boom")

    reports.intake.on_metrics = broken
    reports.metric("loss", [2.0, 1.9])
    assert JobMetric.objects.count() == 2 and not Alert.objects.exists()


def test_points_and_what_is_made_of_them_stand_or_fall_together(
    reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> None:
        raise ingest.OperationalError("the database went away")

    hook, reports.intake.on_metrics = reports.intake.on_metrics, away
    with pytest.raises(ingest.OperationalError):
        reports.metric("loss", [None])
    assert not JobMetric.objects.exists()
    reports.intake.on_metrics = hook
    reports.intake.store()
    assert JobMetric.objects.count() == 1 and found(reports.run) == [("not_finite", 1)]


def test_a_batch_costs_the_same_however_long_the_run_is(
    reports: Reports, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    reports.metric("loss", [2.0 + 0.01 * (n % 3) for n in range(2000)])
    with django_assert_max_num_queries(30):
        reports.metric("loss", [2.0 + 0.01 * (n % 3) for n in range(500)], 2001)
    assert len(json.dumps(RunWatch.objects.get().memory)) < 10_000


def test_a_run_that_ended_because_its_loss_is_no_number_is_alerted(storage: Storage) -> None:
    error = {"message": "The loss is no number any more at step 40.", "code": "diverged", "retryable": False}
    run = with_state(launched(storage), "failed", attempt=1, error=error)
    give_up(run.job)
    give_up(run.job)
    assert found(run) == [("not_finite", 0)]
    other = with_state(launched(storage), "failed", attempt=1, error={**error, "code": "disk_full"})
    give_up(other.job)
    assert not found(other)


def test_a_run_that_reports_nothing_is_found_by_the_clock(reports: Reports) -> None:
    now = timezone.now().timestamp()
    reports.metric("loss", [2.0, 2.0], at=now - 2)
    alerts.watch_silence()
    assert not found(reports.run)
    memory = RunWatch.objects.get().memory
    RunWatch.objects.update(memory={**memory, "last_at": now - 3600})
    reaper.reap()
    reaper.reap()
    assert found(reports.run) == [("silent", 2)] and "60 minutes" in Alert.objects.get().message
    with_state(reports.run, "running", attempt=2)
    Alert.objects.all().delete()
    alerts.watch_silence()
    assert not found(reports.run), "a new attempt prepares before it reports"


def test_a_worker_that_fell_silent_is_told_once(reports: Reports) -> None:
    old = timezone.now() - timedelta(hours=1)
    Attempt.objects.filter(pk=reports.attempt.pk).update(heartbeat_at=old)
    reaper.reap()
    reaper.reap()
    told = Alert.objects.get()
    assert (told.rule, told.series, told.attempt) == ("silent", "worker", 1)
    assert "Its worker fell silent. Attempt 1 on w." in told.message


def test_a_round_that_fails_keeps_no_other_from_being_made(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def broken() -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(registry, "_rounds", {"first": broken, "second": lambda: made.append(1)})
    reaper.reap()
    assert made == [1]


def evaluation(storage: Storage, model: Any, accuracy: float, finished: bool = True) -> Run:
    """A run that has measured a checkpoint, give or take 0.05."""
    run = launched(
        storage,
        stage="evaluate",
        preset="",
        inputs=(Input("quiz@1", "eval"),),
        settings={},
        base=model.reference,
    )
    figure = {"value": accuracy, "low": accuracy - 0.05, "high": accuracy + 0.05, "count": 400}
    result = {"figures": {"quiz@1": {"accuracy": figure}}}
    run = with_state(run, "succeeded" if finished else "publishing", attempt=1, result=result)
    finish(run.job, result)
    return run


def test_an_evaluation_is_set_beside_those_of_earlier_checkpoints(storage: Storage) -> None:
    publish(
        storage, "quiz", "choices", [{"id": "0" * 32, "question": "?", "options": ["a", "b"], "answer": 0}]
    )
    trained = launched(storage)
    models = [checkpoint(trained, step, "model") for step in (100, 200, 300, 400)]
    for model, accuracy in zip(models[:3], (0.25, 0.5, 0.47), strict=True):
        assert not found(evaluation(storage, model, accuracy))
    worse = evaluation(storage, models[3], 0.3)
    assert found(worse) == [("eval_drop", 400)]
    assert worse.alerts.get().message.startswith(f"{models[3].reference}: quiz@1/accuracy is 0.3 at step 400")


def test_an_alert_is_seen_once_by_who_came_first(storage: Storage, people: dict[str, User]) -> None:
    known = alert(launched(storage))
    for role in ("labeler", "reviewer", "lead"):
        with pytest.raises(PermissionDenied):
            alerts.see(Actor(user=people[role]), known)
        with pytest.raises(PermissionDenied):
            alerts.set_pauses(Actor(user=people[role]), known.run, [])
    for role in ("researcher", "admin"):
        alerts.see(Actor(user=people[role]), known)
    assert known.seen_by == people["researcher"] and known.seen_at is not None
    assert AuditEntry.objects.filter(verb="alert.see").count() == 1


def test_the_same_finding_is_one_row(storage: Storage) -> None:
    run, finding = launched(storage), Finding("slow", "tokens_per_second", 5, "Slow.")
    assert alerts.raise_alert(ACTOR, run, 1, finding) is not None
    assert alerts.raise_alert(ACTOR, run, 1, finding) is None
    assert alerts.raise_alert(ACTOR, run, 2, finding) is not None


def text(client: Client, address: str) -> str:
    response = client.get(address)
    assert response.status_code == 200 and HOSTILE not in response.content.decode()
    return html.unescape(response.content.decode())


def test_alerts_stand_on_every_page_that_concerns_them(
    storage: Storage, client_for: Callable[..., Client]
) -> None:
    client = client_for("researcher")
    run = launched(storage, name="Bread")
    known = alert(run, f"The loss is {HOSTILE}")
    pages = [reverse("training:run", args=[run.pk]), reverse("training:alerts"), "/"]
    for address in pages:
        page = text(client, address)
        assert "Loss far over its moving average" in page and f"The loss is {HOSTILE}" in page, address
    assert "1 alert" in text(client, reverse("training:runs"))
    assert client_for("lead").get("/").status_code == 200 and "Alerts of runs" not in text(
        client_for("lead"), "/"
    )
    seen = reverse("training:see_alert", args=[known.pk])
    assert client.post(seen, {"next": "//evil.example/"}).url == pages[0]
    assert client.post(seen, {"next": reverse("training:alerts")}).url == reverse("training:alerts")
    assert "seen by Some Researcher" in text(client, pages[0])
    assert "No open alert" in text(client, pages[1]) and "Alerts of runs" not in text(client, "/")
    assert "Some Researcher" in text(client, pages[1] + "?all=1")
    assert "1 alert" not in text(client, reverse("training:runs"))


def test_the_rules_that_pause_are_chosen_on_the_runs_page(
    storage: Storage, client_for: Callable[..., Client]
) -> None:
    client, run = client_for("researcher"), launched(storage)
    address = reverse("training:run", args=[run.pk])
    assert 'value="not_finite" checked' in text(client, address)
    posted = client.post(reverse("training:pauses", args=[run.pk]), {"rule": ["slow", "silent"]})
    assert posted.url == address and RunWatch.objects.get(run=run).pauses == ["silent", "slow"]
    page = text(client, address)
    assert 'value="slow" checked' in page and 'value="not_finite" checked' not in page
    assert client.post(reverse("training:pauses", args=[run.pk]), {"rule": "explode"}).status_code == 400
