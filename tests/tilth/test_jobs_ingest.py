"""What a program writes is taken in whole, bounded and harmless, and only for the running attempt."""

import json
from pathlib import Path

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from tilth.jobs import ingest
from tilth.jobs.fencing import Superseded
from tilth.jobs.ingest import Intake, LineTail
from tilth.jobs.loglines import LogWriter, Redactor
from tilth.jobs.models import Attempt, Job, JobMetric
from tilth.storage import Storage

pytestmark = pytest.mark.django_db


@pytest.fixture
def intake(tmp_path: Path) -> Intake:
    job = Job.objects.create(kind="demo", state="running", attempt=1)
    attempt = Attempt.objects.create(job=job, number=1, worker_name="w", host="h")
    log = LogWriter(Storage(str(tmp_path / "storage")), job.pk, 1, Redactor.of(["sesame-open"]))
    return Intake(attempt, LineTail(tmp_path / "events.jsonl"), LineTail(tmp_path / "output.log"), log)


def report(intake: Intake, *events: object) -> None:
    with intake.events.path.open("a") as handle:
        for event in events:
            handle.write(event if isinstance(event, str) else json.dumps({"at": 0, **event}) + "\n")


def kept_log(intake: Intake) -> str:
    storage = intake.log.storage
    return "".join(storage.read_bytes(key).decode() for key in storage.list("jobs"))


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    tail = LineTail(tmp_path / "file")
    assert tail.read() == []
    with tail.path.open("a") as handle:
        handle.write("one\ntw")
        handle.flush()
        assert tail.read() == ["one"]
        handle.write("o\nthree")
    assert tail.read() == ["two"]
    assert tail.rest() == ["three"]


def test_a_line_without_end_is_cut_rather_than_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "READ_BYTES", 1000)
    tail = LineTail(tmp_path / "file")
    tail.path.write_text("x" * 3500)
    read = [line for _ in range(5) for line in tail.read()] + tail.rest()
    assert "".join(read) == "x" * 3500
    assert max(map(len, read)) <= 2000


def test_an_output_file_that_grew_large_is_emptied(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "OUTPUT_BYTES", 100)
    with intake.output.path.open("ab", buffering=0) as program:
        program.write(b"a line of output\n" * 10)
        intake.read()
        assert intake.output.path.stat().st_size == 0
        program.write(b"after\n")
    intake.read()
    intake.store()
    assert kept_log(intake).count("a line of output") == 10
    assert "after" in kept_log(intake)


def test_only_the_newest_progress_is_written_and_it_stays_in_bounds(intake: Intake) -> None:
    step = {"type": "progress", "stage": "S\x1b[31m", "message": "sesame-open"}
    report(intake, {**step, "done": 1, "total": 4}, {**step, "done": 9, "total": 4})
    intake.read()
    intake.store()
    job = Job.objects.get()
    assert (job.progress, job.progress_done, job.progress_total) == (1.0, 9, 4)
    assert (job.stage, job.message) == ("S", "[secret]")


def test_metrics_come_in_one_batch_and_once(intake: Intake) -> None:
    points = [{"type": "metric", "name": "loss", "value": 1 / (n + 1), "step": n} for n in range(1200)]
    report(intake, *points, *points[:100])
    intake.read(last=True)
    intake.store()
    assert JobMetric.objects.count() == 1200


def test_artifacts_are_listed(intake: Intake) -> None:
    report(intake, {"type": "artifact", "name": "out", "key": "jobs/1/out", "bytes": 12})
    intake.read()
    intake.store()
    assert Attempt.objects.get().artifacts == [{"name": "out", "key": "jobs/1/out", "bytes": 12}]


@pytest.mark.parametrize(
    "line",
    [
        "not json\n",
        "[]\n",
        '{"type": "unknown"}\n',
        '{"type": "progress", "done": "NaN", "total": 1, "stage": "", "message": ""}\n',
        '{"type": "progress", "done": 1}\n',
        '{"type": "metric", "name": "a", "value": null, "step": 1}\n',
        '{"type": "metric", "name": "a", "value": 1, "step": 1e300}\n',
        '{"type": "log", "text": "x", "level": [], "at": 1}\n',
        '{"type": "log", "text": "x", "level": "info", "at": 1e300}\n',
    ],
)
def test_a_broken_report_is_a_line_in_the_log_and_no_fault(intake: Intake, line: str) -> None:
    report(intake, line)
    intake.read()
    intake.store()
    assert "no report" in kept_log(intake)
    assert not JobMetric.objects.exists()


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_whatever_bytes_a_program_prints(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        log = LogWriter(Storage(folder), 1, 1, Redactor())
        intake = Intake(
            Attempt(job_id=1, number=1), LineTail(Path(folder, "e")), LineTail(Path(folder, "o")), log
        )
        Path(folder, "e").write_bytes(data)
        Path(folder, "o").write_bytes(data)
        intake.read(last=True)
        log.flush()


def test_a_stale_attempt_stores_nothing(intake: Intake) -> None:
    Attempt.objects.update(state="lost", finished_at=timezone.now())
    report(
        intake,
        {"type": "metric", "name": "loss", "value": 1, "step": 1},
        {"type": "progress", "done": 1, "total": 2, "stage": "stale", "message": ""},
    )
    intake.read()
    with pytest.raises(Superseded):
        intake.store()
    assert not JobMetric.objects.exists()
    assert Job.objects.get().stage == ""


def artifact(name: str) -> dict[str, object]:
    return {"type": "artifact", "name": name, "key": f"jobs/1/{name}", "bytes": 3}


def test_the_kind_hears_of_each_artifact_once_it_is_stored(intake: Intake) -> None:
    heard = []
    intake.on_artifact = lambda job, found: heard.append(
        (job.pk, found["name"], len(Attempt.objects.get().artifacts))
    )
    report(intake, artifact("a"), artifact("b"))
    intake.read()
    assert heard == []
    intake.store()
    intake.store()
    assert heard == [(intake.attempt.job_id, "a", 2), (intake.attempt.job_id, "b", 2)]


def test_an_artifact_is_handed_over_again_after_an_outage_and_never_by_an_attempt_that_was_given_up(
    intake: Intake,
) -> None:
    heard, away = [], [OSError("the storage is away")]

    def hook(job: Job, found: dict) -> None:
        if away:
            raise away.pop()
        heard.append(found["name"])

    intake.on_artifact = hook
    report(intake, artifact("a"))
    intake.read()
    with pytest.raises(OSError, match="away"):
        intake.store()
    intake.store()
    assert heard == ["a"]
    Attempt.objects.update(state=Attempt.State.LOST)
    report(intake, artifact("b"))
    intake.read()
    with pytest.raises(Superseded):
        intake.store()
    assert heard == ["a"]


def test_an_artifact_that_its_kind_cannot_take_is_a_warning_in_the_log(intake: Intake) -> None:
    def hook(job: Job, found: dict) -> None:
        if found["name"] == "a":
            raise ValueError("this is no checkpoint")

    intake.on_artifact = hook
    report(intake, artifact("a"), artifact("b"))
    intake.read()
    intake.store()
    intake.store()
    assert kept_log(intake).count("a could not be taken in: this is no checkpoint") == 1


def test_a_metric_knows_when_it_was_reported(intake: Intake) -> None:
    report(intake, {"type": "metric", "name": "loss", "value": 1.0, "step": 1, "at": 1_700_000_000.5})
    report(intake, {"type": "metric", "name": "loss", "value": 1.0, "step": 2, "at": 1e300})
    intake.read()
    intake.store()
    assert [point.at.timestamp() for point in JobMetric.objects.all()] == [1_700_000_000.5]
    assert "no report" in kept_log(intake)
