"""The local engine: results whatever happens to workers, faults by item, and a stop that stops."""

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from curation.pipeline.engines.base import Control, Stopped
from curation.pipeline.engines.choose import choose_engine
from curation.pipeline.engines.local import LocalEngine
from tests.curation import engine_tasks as tasks
from tilth.errors import TilthError


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    made = LocalEngine(Control(workers=lambda: 2), cpu_limit=0.5, retry_delay=0.05)
    yield made
    made.close()


def test_results_come_by_position_and_the_engine_is_used_again(engine: LocalEngine) -> None:
    seen: dict[int, int] = {}
    outcome = engine.map(tasks.square, [3, 1, 2], on_done=seen.__setitem__)
    assert seen == {0: 9, 1: 1, 2: 4}
    assert outcome.results == {}
    pids = {worker.process.pid for worker in engine._workers}
    assert engine.map(tasks.square, [5, 6]).results == {0: 25, 1: 36}
    assert pids & {worker.process.pid for worker in engine._workers}
    assert engine.map(tasks.square, []).results == {}


def test_a_killed_worker_loses_nothing(engine: LocalEngine, tmp_path: Path) -> None:
    outcome = engine.map(tasks.die_once, [(str(tmp_path), n) for n in range(8)])
    assert sorted(outcome.results.values()) == list(range(8))
    assert outcome.failed == {}


def test_an_item_that_always_kills_its_worker_is_listed(engine: LocalEngine) -> None:
    outcome = engine.map(tasks.die_always, [0, 1, 2])
    assert outcome.results == {0: 0, 2: 2}
    failure = outcome.failed[1]
    assert failure.code == "worker_died"
    assert failure.attempts == 3
    assert "SIGKILL" in failure.reason


def test_a_passing_fault_is_tried_again(engine: LocalEngine, tmp_path: Path) -> None:
    assert engine.map(tasks.fail_first, [str(tmp_path / "mark")]).results == {0: "ok"}


def test_a_lasting_fault_is_not_tried_again(engine: LocalEngine) -> None:
    outcome = engine.map(tasks.fail_for_good, [1, 2, 3])
    assert outcome.results == {0: 1, 2: 3}
    assert outcome.failed[1].reason == "this is not WARC"
    assert outcome.failed[1].attempts == 1


def test_a_bug_is_reported_with_its_place(engine: LocalEngine) -> None:
    failure = engine.map(tasks.bug, [0]).failed[0]
    assert failure.code == "bug"
    assert "ZeroDivisionError" in failure.reason and "engine_tasks" in failure.reason


def test_documents_that_burn_their_cpu_time_are_left_out(engine: LocalEngine) -> None:
    outcome = engine.map(tasks.burn, [(1, 3), (), (4,)])
    assert outcome.results == {0: [0, 2, 4], 1: [0, 1, 2, 3, 4], 2: [0, 1, 2, 3]}


def test_waiting_is_not_burning(engine: LocalEngine) -> None:
    assert engine.map(tasks.slow, [1]).results == {0: 1}


def test_a_full_disk_ends_the_run_with_advice(engine: LocalEngine) -> None:
    with pytest.raises(TilthError, match="disk is full.*free some space") as caught:
        engine.map(tasks.full_disk, [1, 2])
    assert caught.value.code == "disk_full"


def test_news_arrive_with_their_position(engine: LocalEngine) -> None:
    heard: list[tuple[int, dict[str, int]]] = []
    engine.map(tasks.news, [7, 8], on_news=lambda position, value: heard.append((position, value)))
    assert sorted(heard, key=str) == [(0, {"rows": 7}), (1, {"rows": 8})]


def test_asked_to_stop_it_stops_within_seconds() -> None:
    stop = threading.Event()
    engine = LocalEngine(Control(workers=lambda: 2, stopping=stop.is_set))
    threading.Timer(1.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(Stopped):
        engine.map(tasks.slow, [60, 60, 60])
    assert time.monotonic() - started < 30
    assert engine._workers == []


def test_workers_follow_the_knob() -> None:
    knob = [1]
    engine = LocalEngine(Control(workers=lambda: knob[0]))
    most: list[int] = []

    def after(position: int, value: int) -> None:
        most.append(sum(w.process.is_alive() for w in engine._workers))
        knob[0] = 2 if position < 3 else 1

    engine.map(tasks.square, list(range(8)), on_done=after)
    assert most[0] == 1
    assert max(most) == 2
    engine.close()


def test_ray_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:10001")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(TilthError, match="pip install tilth"):
        choose_engine(Control(workers=lambda: 1))


def test_ray_gives_what_the_local_engine_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the ray extra is not installed")
    monkeypatch.setenv("RAY_ADDRESS", "local")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    engine = choose_engine(Control(workers=lambda: 2), cpu_limit=0.5)
    try:
        assert engine.map(tasks.square, [3, 1, 2]).results == {0: 9, 1: 1, 2: 4}
        assert engine.map(tasks.fail_for_good, [1, 2]).failed[1].code == "not_warc"
        assert engine.map(tasks.burn, [(1,)]).results == {0: [0, 2, 3, 4]}
        assert engine.map(tasks.die_once, [(str(tmp_path), 3)]).results == {0: 3}
    finally:
        engine.close()
