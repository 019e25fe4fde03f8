"""The reporter as a child program sees it: files only, a lock, and a pipe that must not close."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tilth.errors import TilthError
from tilth.jobs import reporting
from tilth.jobs.reporting import STOPPED, Reporter, run_program
from tilth.storage import Storage

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import os, sys, time
from tilth.jobs.reporting import Reporter
reporter = Reporter.from_job_dir(sys.argv[1])
if os.fork() == 0:
    print("child", os.getpid(), flush=True)
    time.sleep(600)
print("ready", os.getpid(), flush=True)
time.sleep(600)
"""


@pytest.fixture
def job_dir(tmp_path: Path) -> Path:
    config = {
        "job": 91,
        "attempt": 2,
        "kind": "demo",
        "params_version": 1,
        "params": {"a": 1},
        "storage": str(tmp_path / "storage"),
        "prefix": "jobs/91",
    }
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def start(code: str, job_dir: Path, **more: object) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}", **more.pop("env", {})}
    return subprocess.Popen(
        [sys.executable, "-c", code, str(job_dir)],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
        **more,
    )


def run(body: str, job_dir: Path) -> int:
    code = f"import sys\nfrom tilth.jobs.reporting import *\nfrom tilth.errors import *\n{body}"
    process = start(code, job_dir)
    process.communicate(timeout=60)
    return process.returncode


def events(job_dir: Path) -> list[dict]:
    return [json.loads(line) for line in (job_dir / "attempt-2" / "events.jsonl").read_text().splitlines()]


def test_reports_are_lines_of_json(job_dir: Path) -> None:
    body = """
r = Reporter.from_job_dir(sys.argv[1])
assert (r.job, r.attempt, r.params, r.prefix) == (91, 2, {"a": 1}, "jobs/91")
r.progress(3, 10, "Counting", "three")
r.metric("loss", 0.5, 7)
r.log("two\\nlines", "warning")
r.artifact("out", "jobs/91/out", 12)
r.result({"rows": 3})
"""
    assert run(body, job_dir) == 0
    kinds = [event["type"] for event in events(job_dir)]
    assert kinds == ["progress", "metric", "log", "artifact"]
    assert events(job_dir)[0]["done"] == 3
    assert json.loads((job_dir / "attempt-2" / "result.json").read_text()) == {"rows": 3}


def test_a_tilth_error_becomes_the_error_of_the_job(job_dir: Path) -> None:
    body = """
def work(r): raise TilthError("No such crawl; choose another.", "no_crawl", retryable=True)
run_program(work, sys.argv[1])
"""
    assert run(body, job_dir) == 1
    told = json.loads((job_dir / "attempt-2" / "error.json").read_text())
    assert told == {"message": "No such crawl; choose another.", "code": "no_crawl", "retryable": True}
    assert not (job_dir / "attempt-2" / "result.json").exists()


def test_a_program_asked_to_stop_says_so(job_dir: Path) -> None:
    body = """
import os, signal
def work(r):
    assert not r.stopping
    os.kill(os.getpid(), signal.SIGTERM)
    assert r.stopping
run_program(work, sys.argv[1])
"""
    assert run(body, job_dir) == STOPPED


def test_control_is_read_anew_each_time(job_dir: Path) -> None:
    body = """
import json, pathlib
r = Reporter.from_job_dir(sys.argv[1])
assert r.control() == {}
(r.job_dir / "control.json").write_text(json.dumps({"workers": 2}))
assert r.control() == {"workers": 2}
"""
    assert run(body, job_dir) == 0


def test_a_second_program_in_the_same_folder_is_refused(job_dir: Path) -> None:
    first = start(PROGRAM, job_dir)
    first.stdout.readline()
    try:
        assert run("Reporter.from_job_dir(sys.argv[1])", job_dir) == 1
    finally:
        os.killpg(first.pid, 9)
        first.communicate()
    assert run("Reporter.from_job_dir(sys.argv[1])", job_dir) == 0


def test_when_the_pipe_closes_the_program_and_its_forks_die(job_dir: Path) -> None:
    reading, writing = os.pipe()
    process = start(PROGRAM, job_dir, pass_fds=[reading], env={"TILTH_JOB_PIPE": str(reading)})
    os.close(reading)
    said = dict(process.stdout.readline().split() for _ in range(2))
    assert set(said) == {"ready", "child"}
    os.close(writing)
    # The stream ends only when the last process that holds it is gone: the fork too.
    process.communicate(timeout=60)
    assert process.returncode == -9


def test_without_a_job_the_same_code_prints_on_stderr(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = Reporter.null(tmp_path, {"a": 1})
    reporter.progress(1, 4, "Reading", "first shard")
    reporter.log("slow disk", "warning")
    reporter.metric("loss", 1.0, 1)
    reporter.result({"rows": 1})
    assert reporter.params == {"a": 1}
    assert capsys.readouterr().err == " 25.0 %  Reading  first shard\nwarning: slow disk\n"
    assert json.loads((reporter.work_dir / "result.json").read_text()) == {"rows": 1}
    quiet = Reporter.null(tmp_path, quiet=True)
    quiet.progress(1, 4)
    assert capsys.readouterr().err == ""


def test_run_program_needs_a_job_folder(tmp_path: Path) -> None:
    with pytest.raises((FileNotFoundError, TilthError)):
        run_program(lambda reporter: {}, tmp_path / "nothing")


def test_what_two_threads_leave_at_once_stands_whole(job_dir: Path):
    reporter, both = Reporter.from_job_dir(job_dir), threading.Barrier(2)
    left = reporter.work_dir / "result.json"
    troubles: list[Exception] = []

    def leave(name: str) -> None:
        try:
            for _ in range(100):
                both.wait(30)
                reporter.result({"name": name, "text": name * 5000})
        except Exception as trouble:
            troubles.append(trouble)
            both.abort()

    threads = [threading.Thread(target=leave, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if left.exists():
            found = json.loads(left.read_text())
            assert found["text"] == found["name"] * 5000
    assert troubles == []
    assert [file.name for file in reporter.work_dir.iterdir() if ".part" in file.name] == []


def test_what_may_not_have_been_read_is_reported_again_as_of_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict] = []

    def reporter() -> Reporter:
        return Reporter({}, 1, 1, Storage(str(tmp_path)), "jobs/1", tmp_path, told.append)

    first, second, now = reporter(), reporter(), [1000.0]
    monkeypatch.setattr(reporting.time, "time", lambda: now[0])
    first.metric("loss", 3.0, 1)
    now[0] = 1000.0 + reporting.RECENT_SECONDS + 1
    first.metric("loss", 2.0, 2)
    kept = first.recent_points()
    assert [step for _, _, step, _ in kept] == [2], "what is old was read long ago"
    before = told[-1]
    now[0] += 500
    second.report_again(kept)
    second.metric("loss", 1.0, 3)
    assert told[-2] == before and [step for _, _, step, _ in second.recent_points()] == [2, 3]
