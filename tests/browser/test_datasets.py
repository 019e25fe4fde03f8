"""The dataset pages in a real browser: finding a row, exporting and downloading, reading chats and pairs."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.tilth.published import conversation, document, preference, publish
from tilth.datasets.models import Export
from tilth.jobs.runner import run_inline
from tilth.storage import Storage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]

TEXT = (
    "The wheat harvest of the valley began early. Farmers spoke of rain, of prices and of the old mill, "
    "where barley and rye are ground to this day. "
)


@pytest.fixture
def notes(storage: Storage, people: dict) -> None:
    rows = [
        document(
            n,
            text=f"Page {n}. " + TEXT * (1 + n % 7),
            domain=f"farm{n % 9}.example.org",
            language=["en", "en", "en", "de", "fr"][n % 5],
        )
        for n in range(400)
    ]
    recipe = {"name": "minimal", "version": 1}
    publish(storage, "raw-pages", "documents", rows[:5])
    publish(
        storage,
        "field-notes",
        "documents",
        rows,
        parents=["raw-pages@1"],
        recipe=recipe,
        missing=[{"source": "crawl/7.warc.gz", "reason": "404 not found"}],
        title="Field notes",
        description="Pages about **farming**, for tests.",
        licence="CC-BY-4.0",
    )
    publish(storage, "cleaner", "documents", rows[:50], parents=["field-notes@1"])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_looks_right(
    notes: None, page_for: PageFor, shoot: Shoot, storage: Storage, scheme: str
) -> None:
    chat = conversation(
        "How do I store wheat?", "Keep it **dry**:\n\n1. clean the bin\n2. cool it\n\n`x = 1`"
    )
    publish(storage, "chats", "conversations", [chat])
    publish(storage, "pairs", "preferences", [preference("Why rye?", "Because it *grows*.", "No idea.")])
    page = page_for("researcher", color_scheme=scheme)
    for name, url in {
        "list": "/datasets/",
        "dataset": "/datasets/field-notes/",
        "overview": "/datasets/field-notes/1/",
        "rows": "/datasets/field-notes/1/rows/?q=mill&is.language=de",
        "row": "/datasets/field-notes/1/rows/at/3/",
        "statistics": "/datasets/field-notes/1/statistics/",
        "card": "/datasets/field-notes/1/card/",
        "lineage": "/datasets/field-notes/1/lineage/",
        "exports": "/datasets/field-notes/1/exports/",
        "chat": "/datasets/chats/1/rows/at/0/",
        "pair": "/datasets/pairs/1/rows/at/0/",
    }.items():
        page.goto(url)
        if name == "statistics":
            page.locator("[data-drawn]").last.wait_for()
        shoot(page, f"datasets-{name}-{scheme}")
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0, f"{name} is wider than the screen"


def test_a_row_is_found_and_opened(notes: None, page_for: PageFor) -> None:
    page = page_for("lead")
    page.goto("/datasets/field-notes/")
    page.get_by_role("link", name="field-notes@1").click()
    page.get_by_role("link", name="Browse rows").first.click()
    page.get_by_label("Search all text").fill('"Page 123."')
    page.get_by_text("Filters").click()
    page.get_by_label("Language is").fill("de")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("mark").first).to_have_text("Page 123.")
    page.get_by_role("link", name="Open row 123").click()
    expect(page.get_by_role("heading", name="Text")).to_be_visible()
    expect(page.locator(".pre")).to_contain_text("Page 123.")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pre")).to_contain_text("Page 124.")


def test_an_export_is_made_and_downloaded(notes: None, page_for: PageFor, tmp_path: Path) -> None:
    page = page_for("researcher")
    page.goto("/datasets/field-notes/1/exports/")
    page.get_by_role("radio", name="JSON lines").check()
    page.get_by_role("button", name="Start export").click()
    expect(page.locator("#exports")).to_contain_text("building")
    run_inline(Export.objects.get().job)
    link = page.locator("#exports").get_by_role("link", name="Download", exact=True)
    with page.expect_download() as waiting:
        link.click()
    path = tmp_path / "got"
    waiting.value.save_as(path)
    assert waiting.value.suggested_filename == "field-notes-1.jsonl"
    assert hashlib.sha256(path.read_bytes()).hexdigest() == Export.objects.get().sha256
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_text("No exports yet")).to_be_visible()


def test_a_description_is_edited_and_the_dataset_archived(notes: None, page_for: PageFor) -> None:
    page = page_for("researcher")
    page.goto("/datasets/field-notes/")
    page.get_by_role("link", name="Edit description").click()
    page.get_by_label("Description").fill("All about *rye*.")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("em")).to_have_text("rye")
    page.get_by_role("button", name="Archive").click()
    page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    expect(page.get_by_text("This dataset is archived")).to_be_visible()
