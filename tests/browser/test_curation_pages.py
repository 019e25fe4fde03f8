"""Every curation page with real content: accessible and within the screen, in light and dark; its small scripts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from curation import actions
from curation.models import CurationRun, Recipe
from tests.curation import runs
from tests.curation.story import write_story
from tilth.accounts.actors import Actor
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import run_inline
from tilth.storage import Storage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture
def story(storage: Storage, people: dict, settings: Any, tmp_path: Path) -> CurationRun:
    """A run of the recipe ``fineweb`` over the story, done."""
    settings.SOURCE_ROOTS = [tmp_path / "inbox"]
    file = write_story(tmp_path / "inbox")
    actor = Actor(user=people["researcher"])
    recipe = actions.pin_recipe(actor, "fineweb")
    run = actions.draft_run(
        actor, dataset_name="story", recipe=recipe, sources=[str(file)], options={"workers": 1}
    )
    job = run_inline(actions.start_run(actor, run).job)
    assert job.state == JobState.SUCCEEDED, job.error
    return CurationRun.objects.with_objects().get(pk=run.pk)


def failed_run(storage: Storage) -> CurationRun:
    """A run of two files of which one could not be read."""
    run = actions.start_run(runs.ACTOR, runs.draft("halted"))
    row = {"documents": 10, "kept": 7, "share": 1.0, "seconds": 1.5, "flags": [], "reason": ""}
    table = [
        {**row, "source": "cc:b.warc.gz", "state": "failed", "reason": "the server answered 404"},
        {**row, "source": "cc:a.warc.gz", "state": "done", "flags": ["keeps 7%; its siblings 70%"]},
    ]
    live = {
        "shards": {"total": 2, "done": 1, "failed": 1},
        "funnel": runs.funnel().to_json(),
        "table": table,
    }
    storage.write_json(f"{run.prefix}/live.json", live)
    error = {"message": "1 of 2 shards failed and 100% are required: cc:b.warc.gz: the server answered 404."}
    Job.objects.filter(pk=run.job.pk).update(state=JobState.FAILED, error=error)
    return run


def pages_of(story: CurationRun, storage: Storage) -> dict[str, str]:
    file = next(Path(storage.url, "datasets/story/1").rglob("shard-*.parquet"))
    row = pq.read_table(file).to_pylist()[0]
    place = {"source": row["source"], "offset": row["record_offset"], "length": row["record_length"]}
    drops = reverse("curation:drops", args=[story.pk])
    queued = actions.start_run(runs.ACTOR, runs.draft("waiting"))
    sample = runs.drop_row()
    return {
        "runs": reverse("curation:runs"),
        "new": reverse("curation:new"),
        "draft": reverse("curation:run", args=[runs.draft("sketch").pk]),
        "queued": reverse("curation:run", args=[queued.pk]),
        "failed": reverse("curation:run", args=[failed_run(storage).pk]),
        "done": reverse("curation:run", args=[story.pk]),
        "drops": f"{drops}?step=c4&reason=lorem_ipsum",
        "drop": reverse("curation:drop", args=[runs.finished(storage, "other").pk, sample["id"]]),
        "crawled": reverse("curation:crawled", args=[story.pk]) + "?" + urlencode(place),
        "recipes": reverse("curation:recipes"),
        "recipe": reverse("curation:recipe", args=["fineweb"]),
        "recipe-form": reverse("curation:recipe_edit", args=["fineweb"]),
        "recipe-text": reverse("curation:recipe_text", args=["fineweb"]),
    }


def test_every_page_is_accessible_and_fits(
    story: CurationRun, storage: Storage, page_for: PageFor, shoot: Shoot
) -> None:
    addresses, faults = pages_of(story, storage), []
    light, dark = page_for("researcher"), page_for("researcher", color_scheme="dark", viewport=PHONE)
    for name, address in addresses.items():
        for scheme, page in (("light", light), ("dark-phone", dark)):
            page.goto(address)
            if name == "done":
                page.locator("[data-drawn]").last.wait_for()
            if name == "recipe-form":
                page.locator("[data-steps] summary").first.click()
            shoot(page, f"curation-{name}-{scheme}")
            found = Axe().run(page)
            if found.violations_count:
                faults.append(f"{name} {scheme}\n{found.generate_report()}")
            if page.evaluate(OVERFLOW) > 0:
                faults.append(f"{name} is wider than the screen ({scheme})")
    assert not faults, "\n".join(faults)


def test_steps_of_a_recipe_are_moved_with_the_keyboard(
    storage: Storage, page_for: PageFor, people: dict
) -> None:
    page = page_for("researcher")
    page.goto(reverse("curation:recipe_edit", args=["fineweb"]))
    up = page.get_by_role("button", name="Move Quality (Gopher) up")
    up.focus()
    page.keyboard.press("Enter")
    expect(up).to_be_focused()
    expect(page.get_by_text("Quality (Gopher) is now step 4 of")).to_be_attached()
    page.get_by_role("button", name="Save as new version").click()
    expect(page.get_by_text("Saved as fineweb@1")).to_be_visible()
    toml = Recipe.objects.get(name="fineweb").toml
    assert toml.index('"gopher_quality"') < toml.index('"gopher_repetition"')


def test_a_new_run_lists_uploads_to_take_back_and_suggests_a_name(
    storage: Storage, page_for: PageFor, tmp_path: Path
) -> None:
    page = page_for("researcher", allow=["status of 422"])
    page.goto(reverse("curation:new"))
    expect(page.get_by_text("No worker is running")).to_be_visible()
    file = write_story(tmp_path, "My Story (1).warc.gz")
    page.get_by_label("Upload WARC files").set_input_files(file)
    remove = page.get_by_role("button", name="Remove My Story (1).warc.gz")
    expect(page.get_by_label("Dataset name")).to_have_value("my-story-1-")
    page.get_by_label("Dataset name").fill("Not A Name")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.get_by_text("not a name").first).to_be_visible()
    remove.click()
    expect(page.get_by_label("Sources")).to_have_value("")
    expect(remove).to_have_count(0)


def test_a_queued_run_says_that_no_worker_is_there(storage: Storage, page_for: PageFor) -> None:
    run = actions.start_run(runs.ACTOR, runs.draft("waiting"))
    page = page_for("researcher")
    page.goto(reverse("curation:run", args=[run.pk]))
    expect(page.get_by_text("python manage.py worker")).to_be_visible()


def test_the_dialog_about_cancelling_says_which_button_keeps_the_run(
    storage: Storage, page_for: PageFor
) -> None:
    run = actions.start_run(runs.ACTOR, runs.draft("waiting"))
    page = page_for("researcher")
    page.goto(reverse("curation:run", args=[run.pk]))
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Cancel the run")).to_be_visible()
    dialog.get_by_role("button", name="Keep running").click()
    expect(dialog).to_be_hidden()
    assert Job.objects.get(pk=run.job.pk).state == JobState.QUEUED
