"""Runs under fire: killed workers, killed runs, sources that come back, pages that burn, in bounded memory.

Whatever happens, the published bytes, the funnel and the samples are those of a run that nothing
happened to.
"""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from curation.pipeline.engines.base import Stopped
from tests.curation.pipeline_runs import RECIPE, Bench
from tests.curation.small_warcs import page, paragraphs, write_corpus, write_warc
from tilth.errors import TilthError
from tilth.jobs.reporting import Reporter

ROOT = Path(__file__).resolve().parents[2]


def outcome(bench: Bench, name: str, result) -> tuple[list[bytes], bytes, bytes]:
    """What must not depend on what went wrong."""
    return bench.published(name, result), bench.text(name, "funnel.json"), bench.text(name, "drops.jsonl")


class WorkerKiller(threading.Thread):
    """Kills one worker with SIGKILL as soon as some shards are done, so that it dies at work."""

    def __init__(self, bench: Bench, name: str, after: int) -> None:
        super().__init__(daemon=True)
        self.killed: int | None = None
        self._bench, self._name, self._after = bench, name, after

    def run(self) -> None:
        while len(self._done()) < self._after:
            time.sleep(0.02)
        self.killed = multiprocessing.active_children()[0].pid
        os.kill(self.killed, signal.SIGKILL)

    def _done(self) -> list[str]:
        keys = self._bench.storage.list(f"jobs/{self._name}/shards", "marker.json")
        return [key for key in keys if "/documents-" in key]


def test_100_shards_one_killed_one_failed_one_appended(tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "crawl", 101, pages=3)
    calm = Bench.at(tmp_path / "calm")
    expected = outcome(calm, "all", calm.run("all", files, workers=2))

    bench = Bench.at(tmp_path / "fire")
    first, appended = [*files[:40], *files[41:]], files[40]
    gone = first[7]
    hidden = gone.with_suffix(".away")
    killer = WorkerKiller(bench, "base", 20)
    killer.start()

    def hide_once_planned() -> None:
        while not bench.storage.exists("jobs/base/plan.json"):
            time.sleep(0.005)
        gone.rename(hidden)

    hider = threading.Thread(target=hide_once_planned)
    hider.start()
    with pytest.raises(TilthError, match="1 of 100 shards failed"):
        bench.run("base", first, workers=2)
    hider.join()
    killer.join(timeout=30)
    assert killer.killed
    assert not bench.storage.exists("datasets/base")
    done_before = {
        key: bench.storage.local(key).stat().st_mtime_ns for key in bench.storage.list("jobs/base/shards")
    }
    hidden.rename(gone)
    bench.run("base", first, attempt="2")
    again = {key: bench.storage.local(key).stat().st_mtime_ns for key in done_before}
    assert again == done_before, "only the failed shard is read again"

    child = bench.run("child", [appended], base="jobs/base")
    assert outcome(bench, "child", child) == expected


RUNNER = """
import sys
from pathlib import Path
from tests.curation.pipeline_runs import Bench
if __name__ == "__main__":
    Bench.at(Path(sys.argv[1])).run("run", sys.argv[3:], attempt=sys.argv[2], workers=2)
"""


def start(folder: Path, attempt: int, files: list[Path]) -> subprocess.Popen[bytes]:
    """A run in a process group of its own."""
    script = folder.parent / "runner.py"
    script.write_text(RUNNER)
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"}
    command = [sys.executable, str(script), str(folder), str(attempt), *map(str, files)]
    return subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.PIPE)


def kill_after(process: subprocess.Popen[bytes], folder: Path, files: int, patience: float = 120.0) -> bool:
    """Kill the run's process (its workers die by themselves) when its prefix holds so many files."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and process.poll() is None:
        if sum(path.is_file() for path in (folder / "storage").rglob("*")) >= files:
            process.kill()
            break
        time.sleep(0.003)
    process.wait(timeout=60)
    return process.returncode == -signal.SIGKILL


def survive_kills(tmp_path: Path, shards: int, steps: list[int]) -> None:
    files = write_corpus(tmp_path / "crawl", shards, pages=3)
    calm = Bench.at(tmp_path / "calm")
    expected = outcome(calm, "run", calm.run("run", files))
    folder = tmp_path / "fire"
    kills, attempt = 0, 0
    for step in steps:
        attempt += 1
        have = sum(path.is_file() for path in (folder / "storage").rglob("*"))
        process = start(folder, attempt, files)
        kills += kill_after(process, folder, have + step)
        if process.stderr:
            process.stderr.close()
    assert kills, "at least one run was killed on its way"
    bench = Bench.at(folder)
    assert outcome(bench, "run", bench.run("run", files, attempt=str(attempt + 1))) == expected
    left = [path.name for path in (folder / "storage" / "datasets").rglob("*.part")]
    assert not set(left) & {shard.path for shard in bench.run("run", files, attempt="99").dataset_shards}


def test_a_run_killed_on_its_way_continues_to_the_same_bytes(tmp_path: Path) -> None:
    survive_kills(tmp_path, 8, [9, 40])


@pytest.mark.full
@pytest.mark.parametrize("seed", range(4))
def test_runs_killed_again_and_again_continue_to_the_same_bytes(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    survive_kills(tmp_path, 40, [rng.randrange(1, 60) for _ in range(6)])


def test_killed_within_deduplication_and_publication_it_continues(tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "crawl", 4, pages=3)
    calm = Bench.at(tmp_path / "calm")
    expected = outcome(calm, "run", calm.run("run", files))
    folder = tmp_path / "fire"
    bench = Bench.at(folder)
    bench.run("run", files)
    # The states that a kill can leave behind: each file of the late stages is missing in turn.
    late = [k for k in bench.storage.list("jobs/run") if "/shards/" not in k and not k.endswith("plan.json")]
    late += bench.storage.list("datasets/run")
    assert len(late) > 10
    order = random.Random(1).sample(late, 3)
    for attempt, key in enumerate(order, 2):
        bench.storage.delete(key)
        assert outcome(bench, "run", bench.run("run", files, attempt=str(attempt))) == expected


def test_workers_die_with_their_run(tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "crawl", 30, pages=6)
    folder = tmp_path / "fire"
    process = start(folder, 1, files)
    assert kill_after(process, folder, 12)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and members(process.pid):
        time.sleep(0.1)
    assert members(process.pid) == []
    if process.stderr:
        process.stderr.close()


def members(group: int) -> list[int]:
    """Living processes of a process group (``/proc``; zombies do not count)."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_a_run_that_is_asked_to_stop_stops_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write_corpus(tmp_path / "crawl", 12, pages=3)
    bench = Bench.at(tmp_path / "fire")
    asked = threading.Event()
    monkeypatch.setattr("tilth.jobs.reporting._stop_asked", asked)

    def ask() -> None:
        while len([k for k in bench.storage.list("jobs/run/shards", "marker.json") if "documents-" in k]) < 3:
            time.sleep(0.02)
        asked.set()

    threading.Thread(target=ask, daemon=True).start()
    with pytest.raises(Stopped):
        bench.run("run", files)
    assert multiprocessing.active_children() == []
    assert not bench.storage.exists("datasets/run")
    asked.clear()
    calm = Bench.at(tmp_path / "calm")
    assert outcome(bench, "run", bench.run("run", files)) == outcome(calm, "run", calm.run("run", files))


def test_a_full_disk_is_named_and_publishes_nothing(tmp_path: Path) -> None:
    files = write_corpus(tmp_path / "crawl", 2, pages=3)
    bench = Bench.at(tmp_path / "fire")

    class Full(Reporter):
        """A disk that fills up when the run reports."""

        def progress(self, done: float, total: float, stage: str = "", message: str = "") -> None:
            raise OSError(28, "No space left on device", "live.json")

    calm = Reporter.null(tmp_path / "reporter", quiet=True)
    full = Full(**{name: getattr(calm, name) for name in calm.__dataclass_fields__})
    with pytest.raises(TilthError, match=r"disk is full.*free some space") as caught:
        bench.run("run", files, reporter=full)
    assert caught.value.retryable
    assert not bench.storage.exists("datasets/run")
    assert bench.run("run", files).funnel.kept.documents


def huge_pages() -> dict[str, bytes]:
    """Pages of 20 MB in the shapes that blow up memory."""
    cells = b"<tr><td>x</td></tr>" * 1_000_000
    nested = b"<div>" * 400_000 + b"deep" + b"</div>" * 400_000
    return {
        "cells": b"<html><body><table>" + cells + b"</table></body></html>",
        "node": b"<html><body><p>" + b"word " * 4_000_000 + b"</p></body></html>",
        "attributes": b"<html><body><p " + b"a=b " * 4_000_000 + b">x</p></body></html>",
        "nested": b"<html><body>" + nested + b"</body></html>",
    }


def test_memory_is_bounded_whatever_the_pages(tmp_path: Path) -> None:
    pages = [(f"https://a.example/{n}", page(paragraphs(n))) for n in range(3)]
    calm = Bench.at(tmp_path / "calm")
    calm.run("run", [write_warc(tmp_path / "calm.warc.gz", pages)], workers=1)
    huge = [(f"https://a.example/{name}", html) for name, html in huge_pages().items()]
    bench = Bench.at(tmp_path / "fire")
    result = bench.run("run", [write_warc(tmp_path / "huge.warc.gz", [*huge, *pages])], workers=1)
    assert result.funnel.steps[0].entered.documents == 7
    assert {row["url"] for row in bench.rows("run", result)} == {url for url, _ in pages}
    assert peak(bench) - peak(calm) < 400 << 20


def peak(bench: Bench) -> int:
    """The most memory that a worker of the run held."""
    [marker] = [k for k in bench.storage.list("jobs/run/shards", "marker.json") if "documents-" in k]
    return int(bench.storage.read_json(marker)["peak_memory"])


def test_many_documents_need_no_more_memory_than_few(tmp_path: Path) -> None:
    no_extraction = RECIPE.replace('[[step]]\nuse = "extract"\n', "")
    for name, count in (("few", 300), ("many", 6_000)):
        lines = [
            f'{{"url": "https://a.example/{n}", "text": "{" ".join(paragraphs(n, 8))}"}}'
            for n in range(count)
        ]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
        Bench.at(tmp_path / name).run("run", [tmp_path / f"{name}.jsonl"], no_extraction, workers=1)
    few, many = (peak(Bench.at(tmp_path / name)) for name in ("few", "many"))
    assert many - few < 60 << 20
