"""What a run says of itself while it goes: the time left only once it is more than a guess, numbers in grammar."""

from pathlib import Path

import pytest

from curation.pipeline import live as module
from curation.pipeline.funnel import Funnel, FunnelStep
from curation.pipeline.live import Live
from curation.pipeline.plan import PlannedShard
from curation.pipeline.source_file import SourceFile
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def live(tmp_path: Path, limit: int = 0) -> tuple[Live, Storage]:
    storage = Storage(str(tmp_path))
    shard = PlannedShard(SourceFile("file:a.warc.gz", "/a.warc.gz", "", "warc", 1000), "documents", "keys")
    return Live(storage, "jobs/1", Reporter.null(tmp_path), (shard,), lambda: 1, limit), storage


def news(documents: int, place: int) -> dict:
    step = FunnelStep("read", "Reading records")
    for _ in range(documents):
        step.entered.add(1, 0)
        step.left.add(1, 0)
    return {"funnel": Funnel([step]).to_json(), "place": place}


def remaining(live: Live, storage: Storage) -> float | None:
    live.show(now=True)
    return storage.read_json("jobs/1/live.json")["remaining_seconds"]


def test_time_spent_before_the_first_page_does_not_count_as_pace(tmp_path: Path, clock: Clock) -> None:
    going, storage = live(tmp_path)
    clock.now += 60  # the filters are compiled
    going.news(0, news(1, 1))
    clock.now += 25
    going.news(0, news(500, 501))
    assert remaining(going, storage) == pytest.approx(25, rel=0.01)


def test_nothing_is_said_before_twenty_seconds_and_one_percent(tmp_path: Path, clock: Clock) -> None:
    going, storage = live(tmp_path)
    going.news(0, news(1, 1))
    clock.now += 15
    going.news(0, news(500, 501))
    assert remaining(going, storage) is None
    clock.now += 15
    assert remaining(going, storage) is not None
    slow, storage = live(tmp_path)
    slow.news(0, news(1, 1))
    clock.now += 60
    slow.news(0, news(5, 6))
    assert remaining(slow, storage) is None


def test_a_limited_run_ends_at_its_limit_not_at_the_end_of_the_file(tmp_path: Path, clock: Clock) -> None:
    going, storage = live(tmp_path, limit=20)
    going.news(0, news(0, 1))
    clock.now += 30
    going.news(0, news(10, 12))
    assert remaining(going, storage) == pytest.approx(30, rel=0.01)


def test_one_document_is_a_document(tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture) -> None:
    going, _ = live(tmp_path)
    clock.now += 60
    going.news(0, news(1, 1))
    assert "1 document," in capsys.readouterr().err
