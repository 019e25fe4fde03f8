"""Transfers against a real server that is busy, cuts connections, lies about ranges or redirects inside."""

import multiprocessing
import os
import random
from pathlib import Path
from threading import Event

import pytest

from curation.pipeline.access import Access
from curation.pipeline.backoff import LONGEST, Backoff
from curation.pipeline.cache import DiskBudget, cached
from curation.pipeline.transfer import TransferFailed, open_remote
from tests.curation.cc_server import CommonCrawlServer, common_crawl_server
from tilth.errors import NotFound
from tilth.guards.outbound import Guard, OutboundRefused

DATA = random.Random(7).randbytes(2_000_000)


@pytest.fixture
def server():
    with common_crawl_server() as running:
        running.files["x.bin"] = DATA
        yield running


def access(**changes) -> Access:
    return Access.for_shell(**{"patience": 0.001, "attempts": 5} | changes)


def test_a_file_streams_in_one_request(server: CommonCrawlServer):
    with open_remote(f"{server.url}/x.bin", access()) as remote:
        assert remote.size == len(DATA)
        assert remote.read() == DATA
    assert server.requests == [("x.bin", "")]


def test_a_cut_connection_goes_on_at_the_byte_where_it_broke(server: CommonCrawlServer):
    server.mood.cut, server.mood.cut_after = 3, 500_000
    server.mood.cut_when = Event()
    with open_remote(f"{server.url}/x.bin", access()) as remote:
        head = b""
        while len(head) < 300_000:
            head += remote.read(300_000 - len(head))
        server.mood.cut_when.set()
        assert head + remote.read() == DATA
    starts = [int(ranged[6:-1] or 0) for _, ranged in server.requests]
    assert len(starts) >= 4 and starts == sorted(starts) and starts[1] >= 300_000


def test_a_server_without_ranges_is_read_again_from_the_start(server: CommonCrawlServer):
    server.mood.cut, server.mood.cut_after, server.mood.ignore_ranges = 2, 700_000, True
    with open_remote(f"{server.url}/x.bin", access()) as remote:
        assert remote.read() == DATA


def test_a_connection_that_never_gets_further_is_given_up(server: CommonCrawlServer):
    server.mood.cut, server.mood.cut_after = -1, 0
    with pytest.raises(TransferFailed) as caught, open_remote(f"{server.url}/x.bin", access()) as remote:
        remote.read()
    assert caught.value.retryable and server.url in str(caught.value)
    assert len(server.requests) <= 12


def test_seeking_asks_for_what_starts_there(server: CommonCrawlServer):
    with open_remote(f"{server.url}/x.bin", access()) as remote:
        remote.seek(-10, os.SEEK_END)
        assert remote.read() == DATA[-10:]
        remote.seek(100)
        assert remote.read(5) == DATA[100:105] and remote.tell() == 105


@pytest.mark.parametrize("status", [503, 429, 500])
def test_a_busy_server_is_asked_again(server: CommonCrawlServer, status: int):
    server.mood.busy, server.mood.busy_status = 3, status
    with open_remote(f"{server.url}/x.bin", access()) as remote:
        assert remote.read() == DATA
    assert server.answers[status] == 3


def test_a_server_that_stays_busy_is_given_up_and_named(server: CommonCrawlServer):
    server.mood.busy = -1
    with pytest.raises(TransferFailed, match="503"):
        open_remote(f"{server.url}/x.bin", access())
    assert server.answers[503] == 5


def test_what_is_not_there_is_not_asked_for_twice(server: CommonCrawlServer):
    with pytest.raises(NotFound, match="404"):
        open_remote(f"{server.url}/nope", access())
    assert len(server.requests) == 1


def test_a_file_that_changes_on_the_way_is_an_error(server: CommonCrawlServer):
    server.mood.etag = "one"
    server.mood.cut, server.mood.cut_after = -1, 500_000
    with open_remote(f"{server.url}/x.bin", access(attempts=20)) as remote:
        remote.read(1000)
        server.mood.etag = "two"
        with pytest.raises(TransferFailed, match="changed"):
            remote.read()


def test_an_inner_address_is_refused_before_a_byte_is_sent(server: CommonCrawlServer):
    with pytest.raises(OutboundRefused):
        open_remote(f"{server.url}/x.bin", Access())
    assert server.requests == []


def test_a_redirect_inside_is_refused(server: CommonCrawlServer):
    server.mood.redirect["r"] = "http://localhost:1/x"
    with pytest.raises(OutboundRefused):
        open_remote(f"{server.url}/r", Access(guard=Guard((f"127.0.0.1:{server.port}",))))


def test_a_compressed_file_stays_compressed(server: CommonCrawlServer):
    server.mood.content_encoding = "gzip"
    server.files["x.warc.gz"] = b"\x1f\x8b\x08 not to be unpacked"
    with open_remote(f"{server.url}/x.warc.gz", access()) as remote:
        assert remote.read() == b"\x1f\x8b\x08 not to be unpacked"


class Clock:
    def __init__(self) -> None:
        self.now, self.slept = 1000.0, 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_waits_double_are_capped_and_heal():
    clock = Clock()
    backoff = Backoff(None, "a.example.org", 1.0, clock.sleep, lambda: clock.now)
    waits = [backoff.complain() for _ in range(12)]
    assert all(0.5 * min(2**n, LONGEST) <= wait <= min(2**n, LONGEST) for n, wait in enumerate(waits))
    backoff.wait()
    assert clock.slept >= max(waits)
    for _ in range(12):
        backoff.praise()
    assert backoff.complain() <= 1.0


def test_retry_after_is_honoured():
    clock = Clock()
    backoff = Backoff(None, "a.example.org", 0.01, clock.sleep, lambda: clock.now)
    assert backoff.complain(retry_after=40) == 40
    backoff.wait()
    assert clock.slept >= 40


def test_the_server_s_retry_after_reaches_the_wait(server: CommonCrawlServer, tmp_path: Path):
    server.mood.busy, server.mood.retry_after = 1, "1"
    shared = access(backoff=tmp_path)
    with open_remote(f"{server.url}/x.bin", shared) as remote:
        assert remote.read(10) == DATA[:10]
    (state,) = tmp_path.glob("backoff-*.json")
    assert '"until"' in state.read_text()


def complain(folder: Path) -> None:
    for _ in range(25):
        Backoff(folder, "a.example.org", 0.0001).complain()


def test_workers_share_one_wait(tmp_path: Path):
    """What one process is told, another one waits for; changes of many processes do not get lost."""
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=complain, args=(tmp_path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    clock = Clock()
    clock.now = 0.0
    mine = Backoff(tmp_path, "a.example.org", 0.0001, clock.sleep, lambda: clock.now)
    assert mine._read()["delay"] == LONGEST
    assert Backoff(tmp_path, "b.example.org")._read() == {}


def test_a_half_written_state_counts_as_no_wait(tmp_path: Path):
    (tmp_path / "backoff-a.example.org.json").write_text('{"until": 99999999')
    backoff = Backoff(tmp_path, "a.example.org", sleep=lambda _: pytest.fail("slept"))
    backoff.wait()
    backoff.complain()


def test_a_download_is_kept_resumed_and_budgeted(server: CommonCrawlServer, tmp_path: Path):
    roomy = access(cache=tmp_path / "cache", cache_budget=5_000_000, attempts=1)
    server.mood.cut, server.mood.cut_after = 1, 600_000
    with pytest.raises(TransferFailed):
        cached(f"{server.url}/x.bin", roomy)
    server.requests.clear()
    path = cached(f"{server.url}/x.bin", roomy)
    assert path.read_bytes() == DATA
    assert server.requests[-1][1].startswith("bytes=") and server.requests[-1][1] != "bytes=0-"
    server.requests.clear()
    assert cached(f"{server.url}/x.bin", roomy) == path and server.requests == []
    server.files["y.bin"] = bytes(4_000_000)
    with pytest.raises(DiskBudget, match="Raise the disk budget"):
        cached(f"{server.url}/y.bin", roomy)
    assert len(list((tmp_path / "cache").glob("*.part"))) == 0


def test_a_full_disk_is_refused_before_it_is_full(server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 600 << 20})())
    server.files["z.bin"] = bytes(100 << 20)
    with pytest.raises(DiskBudget, match="free on the disk"):
        cached(f"{server.url}/z.bin", access(cache=tmp_path / "c", cache_budget=1 << 40))
