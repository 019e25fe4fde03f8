"""The command line as a person meets it: files in a folder, plain messages, and nothing half-done."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from curation.pipeline.__main__ import main
from tests.curation.pipeline_runs import RECIPE
from tests.curation.small_warcs import write_corpus
from tilth.datasets.manifest import Manifest
from tilth.storage import Storage

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(RECIPE)
    return path


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    write_corpus(tmp_path / "crawl", 2, pages=3)
    return tmp_path / "crawl"


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    return subprocess.run(
        [sys.executable, "-m", "curation.pipeline", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_a_run_leaves_parquet_manifest_and_funnel(tmp_path: Path, recipe: Path, crawl: Path) -> None:
    out = tmp_path / "out"
    done = command("run", "--recipe", recipe, "--out", out, "--workers", 1, "--json", crawl)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    files = sorted(out.rglob("*.parquet"))
    rows = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert len(rows) == answer["rows"] == 5
    assert all(row["url"] and row["text"] for row in rows)
    manifest = Manifest.from_json((out / "manifest.json").read_text())
    assert [out / shard.path for shard in manifest.shards] == files
    assert manifest.recipe and manifest.recipe["name"] == "quick"
    sources = manifest.statistics["sources"]
    assert sources["count"] == 2 and sources["read"] == sum(file["read"] for file in sources["files"])
    assert [crawl / file["name"] for file in sources["files"]] == sorted(crawl.iterdir())
    assert str(tmp_path) not in manifest.to_json()
    assert json.loads((out / "funnel.json").read_text()) == answer["funnel"]
    assert sorted(path.name for path in out.iterdir()) == [
        "data",
        "drops.jsonl",
        "funnel.json",
        "manifest.json",
    ]


def test_a_finished_folder_is_not_overwritten(
    tmp_path: Path, recipe: Path, crawl: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    arguments = ["run", "--recipe", str(recipe), "--out", str(out), "--workers", "1", str(crawl)]
    assert main(arguments) == 0
    assert "kept 5 documents" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "choose another folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "nothing"], "there is no recipe 'nothing'; built in are"),
        (["--set", "minhash.bandz=3"], "no setting 'bandz'"),
        (["--set", "minhash.bands=0"], "minhash.bands must lie between 1 and 256"),
        (["--workers", "0"], "--workers must be 1 or more"),
        (["--limit", "-1"], "limit"),
    ],
)
def test_faults_are_said_on_stderr_and_leave_nothing(
    tmp_path: Path,
    recipe: Path,
    crawl: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    start = ["run", "--recipe", str(recipe), "--out", str(out)]
    assert main([*start, *arguments, str(crawl)]) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_missing_file_and_a_file_that_is_no_warc(
    tmp_path: Path, recipe: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = ["run", "--recipe", str(recipe), "--out", str(tmp_path / "out"), "--workers", "1"]
    assert main([*start, str(tmp_path / "nowhere.warc.gz")]) == 1
    assert "nowhere.warc.gz" in capsys.readouterr().err
    letter = tmp_path / "letter.warc.gz"
    letter.write_text("Dear reader, " * 50)
    assert main([*start, str(letter)]) == 1
    assert "not a WARC file" in capsys.readouterr().err
    assert not (tmp_path / "out" / "manifest.json").exists()
    assert list(tmp_path.rglob("*.parquet")) == []


def test_a_setting_from_the_command_line_counts(tmp_path: Path, recipe: Path, crawl: Path) -> None:
    out = tmp_path / "out"
    start = ["run", "--recipe", str(recipe), "--out", str(out), "--workers", "1"]
    assert main([*start, "--set", "gopher_quality.minimum_words=99999", str(crawl)]) == 0
    manifest = Manifest.from_json((out / "manifest.json").read_text())
    assert manifest.rows == 0
    step = next(s for s in manifest.recipe["steps"] if s["use"] == "gopher_quality")  # type: ignore[index]
    assert step["minimum_words"] == 99999


def test_steps_are_listed_with_their_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["steps", "--json"]) == 0
    steps = {step["name"]: step for step in json.loads(capsys.readouterr().out)}
    assert {"url", "extract", "language", "c4", "exact", "minhash"} <= set(steps)
    bands = next(s for s in steps["minhash"]["settings"] if s["name"] == "bands")
    assert (bands["default"], bands["minimum"], bands["maximum"]) == (14, 1, 256)
    assert main(["steps"]) == 0
    assert "bands = 14" in capsys.readouterr().out


def job_folder(tmp_path: Path, params: dict) -> tuple[Path, Storage]:
    folder = tmp_path / "job"
    folder.mkdir()
    storage = tmp_path / "storage"
    config = {"job": 7, "attempt": 2, "kind": "curate", "params_version": 1, "params": params}
    (folder / "config.json").write_text(json.dumps({**config, "storage": str(storage), "prefix": "jobs/7"}))
    return folder, Storage(str(storage))


def test_a_job_leaves_its_result_and_manifest(tmp_path: Path, crawl: Path) -> None:
    params = {
        "sources": [str(crawl)],
        "recipe": RECIPE,
        "target": "datasets/mine/3",
        "workers": 1,
        "guarded": False,
    }
    folder, storage = job_folder(tmp_path, params)
    done = command("job", folder)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "attempt-2" / "result.json").read_text())
    manifest = Manifest.from_json(result["manifest"])
    assert (manifest.dataset, manifest.number, manifest.rows) == ("mine", 3, 5)
    assert [file["id"] for file in manifest.statistics["sources"]["files"]] == [
        f"file:{path.name}" for path in sorted(crawl.iterdir())
    ]
    assert all(shard.path.startswith("2/") for shard in manifest.shards)
    assert all(storage.exists(f"datasets/mine/3/{shard.path}") for shard in manifest.shards)
    assert not storage.exists("datasets/mine/3/manifest.json")
    assert storage.read_json("jobs/7/live.json")["stage"] == "done"
    assert result["funnel"]["steps"][-1]["out"]["documents"] == 5
    events = [json.loads(line) for line in (folder / "attempt-2" / "events.jsonl").read_text().splitlines()]
    logged = [event["text"] for event in events if event["type"] == "log"]
    assert any(text.startswith(f"file:{path.name}: ") for path in crawl.iterdir() for text in logged)
    assert "stage: publishing" in logged
    assert {"documents", "deduplication", "publishing"} <= {
        e["stage"] for e in events if e["type"] == "progress"
    }


def test_a_guarded_job_reads_only_under_its_roots(tmp_path: Path, crawl: Path) -> None:
    params = {"sources": [str(crawl)], "recipe": RECIPE, "target": "datasets/mine/3", "guarded": True}
    folder, _ = job_folder(tmp_path, {**params, "source_roots": [str(tmp_path / "inbox")]})
    done = command("job", folder)
    assert done.returncode == 1
    assert str(crawl) in json.loads((folder / "attempt-2" / "error.json").read_text())["message"]


def test_a_probe_estimates_without_writing(tmp_path: Path, crawl: Path) -> None:
    folder, storage = job_folder(
        tmp_path, {"sources": [str(crawl)], "recipe": RECIPE, "workers": 2, "guarded": False}
    )
    done = command("probe", folder)
    assert done.returncode == 0, done.stderr
    result = json.loads((folder / "attempt-2" / "result.json").read_text())
    assert (result["shards"], result["workers"], result["requests"]) == (2, 2, 0)
    assert abs(result["documents_in"] - 6) <= 1
    assert result["seconds"] > 0 and result["disk_bytes"] > 0
    assert "first 3 documents of file:part-000.warc.gz" in result["sample"]
    assert storage.list("jobs") == []
