"""Steering a run in a real browser: pause, resume, throttle, cancel, retry, publish without, append."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from curation.models import CurationRun
from tests.curation.cc_server import CommonCrawlServer, common_crawl_server
from tests.curation.small_warcs import write_corpus
from tests.faults.jobs_fleet import Fleet, running_fleet
from tilth.storage import Storage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
CRAWL = "CC-MAIN-2026-21"
SOON = 120_000


@pytest.fixture
def crawl(settings: object, tmp_path: Path) -> Iterator[CommonCrawlServer]:
    """Three WARC files at a server that the operator allows."""
    with common_crawl_server() as server:
        files = write_corpus(tmp_path / "crawl", 3)
        server.add_crawl(CRAWL, {file.name: file.read_bytes() for file in files})
        settings.COMMON_CRAWL_URL = server.url
        settings.OUTBOUND_ALLOW = [f"127.0.0.1:{server.port}"]
        yield server


@pytest.fixture
def fleet(
    live_server: object, crawl: object, tmp_path: Path, storage: Storage, settings: object
) -> Iterator[Fleet]:
    with running_fleet(tmp_path, storage, settings) as fleet:
        fleet.worker()
        yield fleet


def start(page: Page, name: str) -> None:
    page.goto("/curation/new/?recipe=minimal")
    page.get_by_label("Sources").fill(f"cc:{CRAWL}:0-2")
    page.get_by_label("Dataset name").fill(name)
    page.get_by_text("More options").click()
    page.get_by_label("Processes").fill("1")
    page.get_by_role("button", name="Start", exact=True).click()


def confirm(page: Page, name: str) -> None:
    """Answer the dialog, after longer than the page takes to look for news: the answer must still count."""
    page.wait_for_timeout(2500)
    page.get_by_role("dialog").get_by_role("button", name=name).click()


def state(page: Page, name: str) -> None:
    expect(page.locator("#live .badge").first).to_have_text(name, timeout=SOON)


def take_away(crawl: CommonCrawlServer) -> tuple[str, bytes]:
    path = next(path for path in crawl.files if path.endswith("part-001.warc.gz"))
    return path, crawl.files.pop(path)


def expect_one_failed(page: Page) -> None:
    state(page, "failed")
    row = page.get_by_role("row").filter(has_text="part-001")
    expect(row.get_by_text("failed")).to_be_visible()
    expect(row).to_contain_text("404")
    expect(page.get_by_text("2 of 3 done, 1 failed")).to_be_visible()


def test_a_run_is_paused_resumed_throttled_cancelled_and_retried(
    fleet: Fleet, crawl: CommonCrawlServer, page_for: PageFor
) -> None:
    crawl.mood.busy, crawl.mood.retry_after = -1, "1"
    page = page_for("researcher")
    start(page, "steered")
    state(page, "running")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    state(page, "running")
    page.get_by_label("Processes").fill("3")
    page.wait_for_timeout(2500)
    expect(page.get_by_label("Processes")).to_have_value("3")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_text("The run goes on with 3 processes")).to_be_visible()
    assert CurationRun.objects.get().job.control == {"workers": 3}
    page.get_by_role("button", name="Cancel").click()
    confirm(page, "Cancel the run")
    state(page, "cancelled")
    crawl.mood.busy = 0
    path, data = take_away(crawl)
    page.get_by_role("button", name="Try what is missing again").click()
    expect_one_failed(page)
    crawl.files[path] = data
    page.get_by_role("button", name="Try what is missing again").click()
    expect(page.get_by_role("link", name="Open steered@1")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("3 of 3 done")).to_be_visible()


def test_a_run_is_published_without_a_file_that_is_appended_later(
    fleet: Fleet, crawl: CommonCrawlServer, page_for: PageFor
) -> None:
    path, data = take_away(crawl)
    page = page_for("researcher")
    start(page, "grown")
    expect_one_failed(page)
    page.get_by_role("button", name="Publish without the failed").click()
    confirm(page, "Publish without them")
    page.get_by_role("link", name="Open grown@1").click(timeout=SOON)
    expect(page.get_by_text(re.compile("part-001.warc.gz")).first).to_be_attached()
    rows = CurationRun.objects.get().version.rows
    crawl.files[path] = data
    page.go_back()
    page.get_by_label("Sources").fill(f"cc:{CRAWL}:1")
    page.get_by_role("button", name="Append").click()
    expect(page.get_by_role("link", name="Open grown@2")).to_be_visible(timeout=SOON)
    expect(page.get_by_text("Appends to")).to_be_visible()
    child = CurationRun.objects.get(base__isnull=False)
    assert child.version.rows > rows
    assert child.version.number == 2
