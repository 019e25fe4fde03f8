"""Jobs run in the foreground through the whole protocol: every way to end, and what is written of it."""

import sys
import threading
from pathlib import Path

import pytest

from tests.testapp.jobs import SECRET
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.errors import Conflict
from tilth.jobs import actions, child, fencing, logview, runner
from tilth.jobs.logview import Position
from tilth.jobs.models import DeviceLease, Job, Worker
from tilth.storage import Storage

pytestmark = pytest.mark.django_db(transaction=True)
SYSTEM = Actor.system("test")


@pytest.fixture(autouse=True)
def quick(settings: object, storage: Storage, tmp_path: Path) -> None:
    settings.JOBS_POLL_SECONDS = 0.03
    settings.JOBS_RETRY_SECONDS = 0
    settings.JOBS_GRACE_SECONDS = 2
    settings.SCRATCH = tmp_path / "scratch"


def run(kind: str = "demo", **params: object) -> Job:
    return runner.run_inline(actions.submit(SYSTEM, kind, params))


def verbs(job: Job) -> list[str]:
    return list(AuditEntry.objects.filter(target=job.reference, system="demo").values_list("verb", flat=True))


def text(job: Job, storage: Storage) -> str:
    return "".join(logview.as_text(job, storage))


def test_success_is_published_once_and_nothing_is_left(storage: Storage) -> None:
    job = run(steps=3)
    assert (job.state, job.progress, job.error, job.result["steps"]) == ("succeeded", 1, None, 3)
    assert sorted(verbs(job)) == ["demo.published", "demo.publishing"]
    assert job.finished_at >= job.started_at
    assert not Worker.objects.exists()
    assert not child.job_dir(job).exists()
    assert job.attempts.get().worker_name.endswith(f"-{job.pk}")


@pytest.mark.parametrize(
    ("end", "attempts", "state", "message"),
    [
        ("fail", 1, "failed", "The file is not there; choose another one."),
        ("fail_once", 2, "succeeded", None),
        ("fail_always", 3, "failed", "The server said no."),
        ("raise", 1, "failed", "The program ended with status 1: ValueError: seven is not a colour"),
        ("killed_once", 2, "succeeded", None),
        ("no_result", 1, "failed", "The program ended without leaving a result."),
    ],
)
def test_ways_to_end(end: str, attempts: int, state: str, message: str | None) -> None:
    job = run(end=end)
    assert (job.state, job.attempts.count()) == (state, attempts)
    if message:
        assert job.error["message"] == message
        assert job.attempts.first().reason == message
        assert verbs(job) == ["demo.ended"]
        assert job.settled


def test_a_refused_publication_fails_the_job_and_a_retry_does_the_work_again() -> None:
    job = run(refuse=True)
    assert (job.state, job.error["message"]) == ("failed", "The name is taken; choose another one.")
    assert job.result is None
    Job.objects.filter(pk=job.pk).update(params={})
    job = runner.run_inline(actions.retry(SYSTEM, job))
    assert (job.state, job.result["made_by"]) == ("succeeded", 2)


def test_a_program_that_does_not_exist_is_named() -> None:
    job = run(no_program=True)
    assert job.state == "failed"
    assert "/nowhere/no-such-program could not be started" in job.error["message"]


def test_metrics_are_kept_once_per_step_and_what_is_no_number_is_null() -> None:
    points = [[0.5, 1], [0.25, 2], ["nan", 3], [99.0, 1]]
    job = run(metrics=points)
    assert list(job.metrics.values_list("step", "value")) == [(1, 0.5), (2, 0.25), (3, None)]


def test_a_result_that_no_database_keeps_as_it_is_does_not_fail_the_job() -> None:
    job = run(end="odd_result")
    assert (job.state, job.result) == ("succeeded", {"loss": None, "text": "ab?"})


def test_secrets_stay_out_of_the_log_and_of_the_files(storage: Storage) -> None:
    job = run(print_secret=True)
    assert "the password is [secret]" in text(job, storage)
    assert "again: [secret]" in text(job, storage)
    assert all(SECRET.encode() not in storage.read_bytes(key) for key in storage.list(job.prefix))


def test_the_program_is_not_told_what_it_need_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"SECRET_KEY", "TILTH_ENCRYPTION_KEYS", "DATABASE_URL", "REDIS_URL"} <= set(child.WITHHELD)
    for name in child.WITHHELD:
        monkeypatch.setenv(name, "not for programs")
    job = actions.submit(SYSTEM, "demo", {})
    worker = Worker.objects.create(name="w", host="h")
    Job.objects.filter(pk=job.pk).update(placed_on=worker)
    attempt = fencing.take(job.pk, worker)
    environment = child._environment(job, attempt, {"A": "b"}, 3, 4)
    assert not set(child.WITHHELD) & set(environment)
    assert environment["A"] == "b"


def test_the_log_can_be_read_by_pieces_from_any_place(storage: Storage) -> None:
    job = run(steps=30, end="fail_once")
    whole = text(job, storage).splitlines()
    assert len(whole) >= 30
    pieces, position = [], Position()
    while True:
        page = logview.read_after(job, storage, position, limit=7)
        pieces += [f"{line.at} {line.attempt} {line.level} {line.text}" for line in page.lines]
        position = Position.parse(str(page.position))
        if not page.more:
            break
    assert pieces == whole
    last = logview.tail(job, storage, 5)
    assert [line.text for line in last.lines] == [line.split(" ", 3)[3] for line in whole[-5:]]
    assert logview.read_after(job, storage, last.position).lines == []


def test_knobs_reach_the_program() -> None:
    job = actions.submit(SYSTEM, "demo", {"steps": 1})
    job = runner.run_inline(actions.set_control(SYSTEM, job, workers=2))
    assert job.result["knobs"] == {"workers": 2}


def test_a_device_is_lent_and_given_back(monkeypatch: pytest.MonkeyPatch, storage: Storage) -> None:
    monkeypatch.setenv("TILTH_DEVICES", "pretend:1")
    job = run("demo-gpu")
    assert job.state == "succeeded"
    assert storage.read_json(f"{job.prefix}/devices-1") == "0"
    assert DeviceLease.objects.get().freed_at is not None


def test_without_a_free_device_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILTH_DEVICES", "none")
    with pytest.raises(Conflict, match="needs 1 free GPUs; this machine has 0"):
        run("demo-gpu")
    assert Job.objects.get().state == "queued"


def test_a_job_that_another_worker_runs_is_followed_and_not_run_twice() -> None:
    worker = Worker.objects.create(name="w", host="h")
    job = actions.submit(SYSTEM, "demo", {})
    Job.objects.filter(pk=job.pk).update(state="running", placed_on=worker)
    seen = []

    def watch(now: Job) -> None:
        seen.append(now.state)
        Job.objects.filter(pk=job.pk).update(state="publishing" if now.state == "running" else "succeeded")

    assert runner.run_inline(job, watch).state == "succeeded"
    assert seen == ["running", "publishing", "succeeded"]
    assert job.attempts.count() == 0


def test_cancel_from_elsewhere_ends_it() -> None:
    job = actions.submit(SYSTEM, "demo", {"steps": 1000, "seconds": 0.05})
    asked = threading.Event()

    def watch(now: Job) -> None:
        if now.progress > 0 and not asked.is_set():
            asked.set()
            actions.cancel(SYSTEM, now)

    job = runner.run_inline(job, watch)
    assert job.state == "cancelled"
    assert verbs(job) == ["demo.ended"]


def test_interrupt_on_the_command_line_cancels() -> None:
    job = actions.submit(SYSTEM, "demo", {"steps": 1000, "seconds": 0.05})

    def watch(now: Job) -> None:
        if now.progress > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        runner.run_inline(job, watch)
    job.refresh_from_db()
    assert (job.state, job.attempts.get().state) == ("cancelled", "cancelled")
    assert not Worker.objects.exists()


def test_it_follows_where_a_worker_serves_the_queue_and_runs_it_itself_where_none_does() -> None:
    job = actions.submit(SYSTEM, "demo", {})
    Job.objects.filter(pk=job.pk).update(state="succeeded")
    Worker.objects.create(name="w", host="h", queues=["default"])
    assert runner.run_or_follow(job).state == "succeeded"
    assert job.attempts.count() == 0
    Worker.objects.all().delete()
    assert runner.run_or_follow(actions.submit(SYSTEM, "demo", {})).attempts.count() == 1


def test_progress_is_printed_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    runner.run_inline(actions.submit(SYSTEM, "demo", {"steps": 2}), runner.print_progress)
    assert "succeeded  100.0%" in capsys.readouterr().err
    assert sys.stderr is not None
