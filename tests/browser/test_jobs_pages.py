"""A person watches a job in a real browser: it runs, talks, is cancelled, retried and paused."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.faults.jobs_fleet import Fleet, running_fleet
from tilth.accounts.actors import Actor
from tilth.jobs import actions
from tilth.jobs.models import Job
from tilth.storage import Storage

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOSTILE = (
    "\x1b[31m<img src=x onerror=\"document.title='owned'\">\x1b[0m <script>document.title='owned'</script>"
)


@pytest.fixture
def fleet(live_server: object, tmp_path: Path, storage: Storage, settings: object) -> Iterator[Fleet]:
    with running_fleet(tmp_path, storage, settings) as fleet:
        yield fleet


def submit(people: dict, kind: str = "demo", title: str = "Count to many", **params: object) -> Job:
    return actions.submit(Actor(user=people["researcher"]), kind, params, title=title)


def test_without_a_worker_the_pages_say_what_to_do(
    live_server: object, storage: Storage, people: dict, page_for: Callable[..., Page], shoot: Callable
) -> None:
    page = page_for("researcher")
    page.goto("/jobs/")
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.get_by_text("No worker is running")).to_be_visible()
    shoot(page, "jobs-empty")
    job = submit(people)
    page.goto(job.get_absolute_url())
    expect(page.get_by_text("python manage.py worker")).to_be_visible()
    shoot(page, "job-waiting")
    page.goto("/workers/")
    expect(page.get_by_role("heading", name="No worker is running")).to_be_visible()
    expect(page.get_by_text("1 job waits.")).to_be_visible()
    shoot(page, "workers-none")


def test_a_job_is_watched_cancelled_and_retried(
    fleet: Fleet, people: dict, page_for: Callable[..., Page], shoot: Callable
) -> None:
    fleet.worker("--name", "field-1", "--slots", "3", TILTH_DEVICES="pretend:2")
    points = [[1 / (step + 1), step] for step in range(50)]
    submit(people, "demo-gpu", steps=400, seconds=0.2, print=HOSTILE, metrics=points)
    page = page_for("researcher")
    page.goto("/jobs/")
    row = page.get_by_role("row").filter(has_text="Count to many")
    expect(row.get_by_text("running")).to_be_visible(timeout=15000)
    expect(row).to_contain_text("Counting", timeout=15000)
    shoot(page, "jobs-list")
    page.goto("/workers/")
    expect(page.get_by_text("Pretended device 0")).to_be_visible()
    shoot(page, "workers")
    row_link = page.get_by_role("link", name="Count to many")
    row_link.click()
    log = page.locator("[data-log-lines]")
    expect(log).to_contain_text("onerror=")
    expect(log).to_contain_text("step 5 done", timeout=15000)
    assert page.title().startswith("Count to many")
    assert log.locator("img, script").count() == 0
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=15000)
    shoot(page, "job-running")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.get_by_role("button", name="Cancel the job").click()
    expect(page.locator("#panel").get_by_text("cancelled", exact=True).first).to_be_visible(timeout=15000)
    expect(page.get_by_text("The job has stopped.")).to_be_visible(timeout=15000)
    shoot(page, "job-cancelled")
    page.get_by_role("button", name="Retry").click()
    expect(log).to_contain_text("— attempt 2 —", timeout=15000)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_text("Paused. Resume goes on")).to_be_visible(timeout=15000)
    page.get_by_role("button", name="Resume").click()
    expect(log).to_contain_text("— attempt 3 —", timeout=15000)


def test_a_failed_job_says_what_to_do_in_the_dark_too(
    fleet: Fleet, people: dict, page_for: Callable[..., Page], shoot: Callable
) -> None:
    fleet.worker()
    job = fleet.reaches(submit(people, steps=2, end="fail", title="Import of figs.csv"), "failed")
    people["researcher"].theme = "dark"
    people["researcher"].save()
    page = page_for("researcher", viewport={"width": 420, "height": 900})
    page.goto(job.get_absolute_url())
    expect(page.get_by_text("The file is not there; choose another one.").first).to_be_visible()
    expect(page.get_by_text("Put right what it says")).to_be_visible()
    shoot(page, "job-failed-dark-narrow")
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= 420, "the page scrolls sideways"
