"""The main job in a real browser with a real broker and worker: a WARC file becomes a downloaded dataset."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Page, Request, expect

from tests.conftest import PASSWORD
from tests.curation.story import GOOD, write_story
from tests.faults.jobs_fleet import Fleet, running_fleet
from tilth.storage import Storage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
SOON = 120_000
"""Milliseconds that a job may take on a busy machine; nothing waits longer than it must."""


@pytest.fixture
def fleet(live_server: object, tmp_path: Path, storage: Storage, settings: object) -> Iterator[Fleet]:
    with running_fleet(tmp_path, storage, settings) as fleet:
        fleet.worker()
        yield fleet


def sign_in(page: Page) -> None:
    page.goto("/curation/")
    page.get_by_label("E-mail").fill("researcher@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Curation", exact=True)).to_be_visible()


def fill_the_form(page: Page, file: Path) -> None:
    page.get_by_role("link", name="New run").click()
    page.wait_for_url("**/curation/new/")  # loaded whole, its scripts too
    page.get_by_label("Upload WARC files").set_input_files(file)
    expect(page.get_by_label("Sources")).to_have_value(re.compile(r"upload:[0-9a-f]{64}"))
    page.get_by_label("Dataset name").fill("story")
    page.get_by_label("Recipe").select_option("fineweb")
    page.get_by_text("More options").click()
    page.get_by_label("Processes").fill("1")


def watch_until_published(page: Page) -> None:
    page.evaluate("window.neverReloaded = true")
    expect(page.get_by_role("heading", name="Funnel")).to_be_visible(timeout=SOON)
    assert page.evaluate("window.neverReloaded"), "the funnel came by a reload"
    expect(page.get_by_role("link", name="Open story@1")).to_be_visible(timeout=SOON)


def read_drops(page: Page) -> None:
    page.get_by_role("link", name="What was dropped").click()
    page.get_by_role("link", name="lorem_ipsum").click()
    expect(page.get_by_role("heading", name="lorem_ipsum")).to_be_visible()
    expect(page.locator("mark").first).to_contain_text(re.compile("lorem ipsum", re.IGNORECASE))
    page.get_by_role("link", name="https://www.example.org/placeholder").click()
    expect(page.locator("mark").first).to_contain_text(re.compile("lorem ipsum", re.IGNORECASE))
    page.get_by_role("link", name="story@1").click()


def find_a_row(page: Page) -> None:
    page.get_by_role("link", name="Open story@1").click()
    expect(page.get_by_role("heading", name="story@1")).to_be_visible()
    page.get_by_role("link", name="Browse rows").first.click()
    page.get_by_label("Search all text").fill("telescope")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("mark").first).to_have_text(re.compile("telescope", re.IGNORECASE))
    page.get_by_role("link", name=re.compile("Open row")).first.click()


def see_it_as_crawled(page: Page) -> None:
    page.get_by_role("link", name="Show the page as crawled").click()
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("made in Jena")).to_be_visible()
    assert frame.locator("script").count() == 0
    page.go_back()


def export(page: Page, sort: str, target: Path) -> Path:
    page.goto("/datasets/story/1/exports/")
    page.get_by_role("radio", name=sort).check()
    page.get_by_role("button", name="Start export").click()
    newest = page.locator("#exports tbody tr").first
    link = newest.get_by_role("link", name="Download", exact=True)
    expect(link).to_be_visible(timeout=SOON)
    with page.expect_download() as waiting:
        link.click()
    path = target / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_from_an_upload_to_a_download(fleet: Fleet, page_for: PageFor, tmp_path: Path, shoot: Shoot) -> None:
    page = page_for(None, viewport={"width": 1280, "height": 800})
    hosts: set[str] = set()
    page.on("request", lambda request: hosts.add(host_of(request)))
    sign_in(page)
    fill_the_form(page, write_story(tmp_path / "mine"))
    shoot(page, "journey-form")
    page.get_by_role("button", name="Estimate first").click()
    expect(page.get_by_text("estimated time")).to_be_visible(timeout=SOON)
    shoot(page, "journey-estimate")
    page.get_by_role("button", name="Start the run").click()
    watch_until_published(page)
    shoot(page, "journey-done")
    read_drops(page)
    find_a_row(page)
    see_it_as_crawled(page)
    columns, lines = export(page, "Parquet", tmp_path), export(page, "JSON lines", tmp_path)
    rows = pq.read_table(columns).to_pylist()
    assert {row["url"] for row in rows} == {f"https://www.example.org/{place}" for place in GOOD}
    assert all(GOOD[row["url"].rsplit("/", 1)[1]][0] in row["text"] for row in rows)
    read = [json.loads(line) for line in lines.read_text().splitlines()]
    same = ("id", "url", "text", "language", "source", "record_offset")
    assert [[row[name] for name in same] for row in read] == [[row[name] for name in same] for row in rows]
    assert len(hosts - {""}) == 1, f"something outside was asked: {hosts}"


def host_of(request: Request) -> str:
    """The host that a request went to; nothing for what never leaves the browser."""
    return "" if request.url.startswith(("data:", "blob:")) else request.url.split("/")[2]
