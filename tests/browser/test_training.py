"""Training in a real browser with a real worker: launch, watch, finish; cancel; curves that follow; compare."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.db.models import Max
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.faults.jobs_fleet import Fleet, running_fleet, wait_for
from tests.tilth.published import publish
from tests.training.launching import checkpoint, launched, metrics, pretraining, prose, with_state
from tests.training.measuring import evaluation, figure, quiz
from tilth.datasets.schemas import row_id
from tilth.jobs.models import Attempt, JobMetric
from tilth.storage import Storage
from training.llm.checkpoints import States
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SOON = 120_000
FITS = "area => area._fullLayout.width <= area.clientWidth + 1"
NAMED = "one => [one.name, one.y.length]"
VALUES = "area => area.data.filter(trace => !trace.opacity).map(trace => trace.y.length)"


@pytest.fixture
def fleet(live_server: object, tmp_path: Path, storage: Storage, settings: object) -> Iterator[Fleet]:
    with running_fleet(tmp_path, storage, settings) as fleet:
        fleet.worker()
        yield fleet


def state(page: Page, name: str) -> None:
    expect(page.locator("#live .badge").first).to_have_text(name, timeout=SOON)


def fill(page: Page, vocabulary: str, dataset: str = "prose@1") -> None:
    page.goto(reverse("training:runs"))
    page.get_by_role("link", name="New run").click()
    page.wait_for_url(
        f"**{reverse('training:new')}*"
    )  # and its scripts: a preset chosen before changes nothing
    page.get_by_label("Dataset version").select_option(dataset)
    page.get_by_label("Preset").select_option("smoke")
    expect(page.get_by_label("Vocabulary")).to_have_value("512")
    page.get_by_label("Vocabulary").fill(vocabulary)


def test_from_the_form_to_a_finished_run(
    fleet: Fleet, storage: Storage, page_for: PageFor, shoot: Shoot
) -> None:
    prose(storage)
    page = page_for("researcher")
    fill(page, "3")
    preview = page.locator("#preview")
    expect(preview).to_contain_text("vocabulary is at least 264")
    page.get_by_label("Vocabulary").fill("300")
    expect(preview).to_contain_text("estimated time")
    shoot(page, "training-new")
    page.get_by_role("button", name="Launch").click()
    expect(page.get_by_role("heading", name="Tokenizer on prose@1")).to_be_visible()
    page.evaluate("window.neverReloaded = true")
    state(page, "succeeded")
    expect(page.get_by_role("heading", name="Result")).to_be_visible()
    assert page.evaluate("window.neverReloaded"), "the end came by a reload"
    run = Run.objects.get()
    page.get_by_role("link", name=f"checkpoint:{run.pk}/0").first.click()
    expect(page.get_by_role("heading", name=f"checkpoint:{run.pk}/0")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Hugging Face folder").click()
    assert waiting.value.suggested_filename == f"tokenizer-{run.pk}-0.zip"
    shoot(page, "training-checkpoint")


def test_a_preflight_that_fails_shows_the_row_and_the_way_on(
    fleet: Fleet, storage: Storage, page_for: PageFor, shoot: Shoot
) -> None:
    prose(storage)
    texts = ["A cat sees a dog.", " "]
    rows = [
        {"id": row_id("blank", n), "text": text, "source": "blank", "record_offset": n}
        for n, text in enumerate(texts)
    ]
    publish(storage, "blank", "documents", rows)
    page = page_for("researcher")
    fill(page, "300", "blank@1")
    page.get_by_role("button", name="Launch").click()
    state(page, "stopped by preflight")
    failed = page.locator("#check-schema")
    expect(failed.get_by_role("row", name=re.compile("row 2"))).to_contain_text("the text is empty")
    expect(failed).to_be_visible()
    shoot(page, "training-preflight")
    found = Axe().run(page)
    assert not found.violations_count, found.generate_report()
    page.get_by_role("button", name="Check again").click()
    expect(page.get_by_text("The run is being checked again.")).to_be_visible()
    state(page, "stopped by preflight")
    assert Run.objects.get().job is None
    page.get_by_role("link", name="Change and launch again").click()
    expect(page.get_by_label("Vocabulary")).to_have_value("300")
    page.get_by_label("Dataset version").select_option("prose@1")
    page.get_by_role("button", name="Launch").click()
    state(page, "succeeded")
    expect(page.locator("#check-schema")).to_contain_text("passed")
    first, second = Run.objects.order_by("pk")
    assert (second.parent, first.job) == (first, None)


def test_a_run_is_paused_resumed_and_cancelled(fleet: Fleet, storage: Storage, page_for: PageFor) -> None:
    run = launched(storage, name="Long", gpus=1)  # no device is there: it waits
    page = page_for("researcher")
    page.goto(reverse("training:run", args=[run.pk]))
    expect(page.locator("#live")).to_contain_text("GPU")
    page.get_by_role("button", name="Pause").click()
    state(page, "paused")
    page.get_by_role("button", name="Resume").click()
    state(page, "queued")
    page.get_by_role("button", name="Cancel", exact=True).click()
    page.wait_for_timeout(2500)  # the panel is swapped meanwhile: the answer must still count
    page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
    state(page, "cancelled")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()


@pytest.mark.full
def test_a_run_at_work_is_paused_goes_on_and_is_cancelled_from_its_page(
    live_server: object, storage: Storage, page_for: PageFor, shoot: Shoot, tmp_path: Path, settings: object
) -> None:
    run = pretraining(
        storage, tmp_path / "words", steps=10**6, checkpoint_every=20, save_every=10**6, log_every=5
    )
    page = page_for("researcher")
    with running_fleet(tmp_path, storage, settings) as fleet:
        fleet.worker(TILTH_JOBS_GRACE="60")
        page.goto(reverse("training:run", args=[run.pk]))
        first = f"checkpoint:{run.pk}/20"
        expect(page.locator("#live").get_by_role("link", name=first)).to_be_visible(timeout=SOON)
        page.get_by_role("button", name="Pause").click()
        state(page, "paused")
        expect(page.locator("#live")).to_contain_text("Resume goes on from where it saved")
        paused_at = saved(storage, run)
        page.get_by_role("button", name="Resume").click()
        wait_for(lambda: newest_step(run) > paused_at, "it goes on from where it saved")
        assert run.job.attempts.count() == 2
        page.get_by_role("button", name="Cancel", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel the run").click()
        state(page, "cancelled")
    expect(page.locator("#live")).to_contain_text(
        "Its checkpoints stay; Retry goes on from the last saved state"
    )
    expect(page.locator("#live").get_by_role("link", name=first)).to_be_visible()
    cancelled_at = saved(storage, run)
    assert cancelled_at > paused_at and cancelled_at >= newest_step(run)
    page.reload()
    area = page.locator('[data-curve="loss"][data-drawn]')
    expect(area).to_be_visible()
    steps = area.evaluate("area => area.data.filter(trace => !trace.opacity)[0].x")
    assert steps[-1] >= newest_step(run) - 5 > paused_at, "the curve stays whole"
    assert list(run.job.attempts.order_by("number").values_list("state", "reason")) == [
        ("paused", ""),
        ("cancelled", ""),
    ]
    shoot(page, "training-cancelled")


def saved(storage: Storage, run: Run) -> int:
    """The step of a run's newest state."""
    return States(storage, run.job.prefix).steps()[-1]


def newest_step(run: Run) -> int:
    """The last step of its curve."""
    return run.job.metrics.filter(name="loss").aggregate(step=Max("step"))["step"]


def loss(first: int, last: int, start: float = 4.0) -> dict[int, float | None]:
    return {step: start * math.exp(-step / 40) + 0.3 * math.sin(step) for step in range(first, last)}


def test_curves_follow_a_run_and_keep_their_zoom(storage: Storage, page_for: PageFor, shoot: Shoot) -> None:
    run = with_state(launched(storage), "running")
    page = page_for("researcher")
    page.goto(reverse("training:run", args=[run.pk]))
    expect(page.get_by_text("Curves appear here")).to_be_visible()
    metrics(run, loss=loss(0, 50), grad_norm=loss(0, 50))
    area = page.locator('[data-curve="loss"][data-drawn]')
    expect(area).to_be_visible(timeout=20_000)
    assert area.evaluate(VALUES) == [50]
    wait_for(lambda: area.evaluate(FITS), "the plot fits its place beside the other one")
    area.evaluate("area => Plotly.relayout(area, {'xaxis.range': [10, 20]})")
    metrics(run, loss=loss(50, 60))
    wait_for(lambda: area.evaluate(VALUES) == [60], "the new points are drawn")
    assert area.evaluate("area => area.layout.xaxis.range") == [10, 20]
    page.get_by_label("Log scale").check()
    assert area.evaluate("area => area.layout.yaxis.type") == "log"
    page.get_by_label("Smoothing").fill("0.9")
    raw, smooth = area.evaluate("area => area.data.map(trace => trace.y)")
    assert smooth[0] == raw[0] and smooth != raw
    page.get_by_label("Curves by").select_option("step")
    assert page.get_by_label("Curves by").locator("option[value=tokens]").is_disabled()
    shoot(page, "training-curves")
    with_state(run, "succeeded")
    state(page, "succeeded")


def test_two_runs_are_laid_over_each_other(storage: Storage, page_for: PageFor, shoot: Shoot) -> None:
    for name, vocabulary, start in (("Small", 300, 4.0), ("Large", 400, 3.0)):
        run = launched(storage, name=name, settings={"vocabulary": vocabulary})
        metrics(run, loss=loss(0, 80, start))
        with_state(run, "succeeded")
    page = page_for("researcher")
    page.goto(reverse("training:runs"))
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("vocabulary"))).to_contain_text("400")
    area = page.locator('[data-curve="loss"][data-drawn]')
    expect(area).to_be_visible()
    assert area.evaluate(VALUES) == [80, 80]
    shoot(page, "training-compare")


def test_seeds_are_one_line_in_a_band_until_each_is_asked_for(
    storage: Storage, page_for: PageFor, shoot: Shoot
) -> None:
    made = []
    for seed, start in ((0, 4.0), (1, 3.0), (2, 5.0)):
        made.append(launched(storage, name="Words", settings={"vocabulary": 300, "seed": seed}))
        metrics(made[-1], loss=loss(0, 80 - seed, start))
    made.append(launched(storage, name="Larger", settings={"vocabulary": 400}))
    metrics(made[-1], loss=loss(0, 80, 2.0))
    for run in made:
        with_state(run, "succeeded")
    for scheme in ("light", "dark"):
        page = page_for("researcher", color_scheme=scheme)
        page.goto(reverse("training:compare") + "?" + "&".join(f"run={run.pk}" for run in made))
        area = page.locator('[data-curve="loss"][data-drawn]')
        expect(area).to_be_visible()
        named = area.evaluate(f"area => area.data.filter(one => one.showlegend !== false).map({NAMED})")
        assert named == [["Words · mean of 3 seeds (0, 1, 2)", 78], [f"run:{made[3].pk} Larger", 80]]
        assert area.evaluate("area => area.data[1].fillcolor").endswith(", 0.2)")
        low, high = area.evaluate("area => area.data.slice(0, 2).map(one => one.y[10])")
        mean = area.evaluate("area => area.data[2].y[10]")
        assert low < mean < high
        shoot(page, f"training-seeds-{scheme}")
    page.get_by_label("Each run alone").check()
    assert area.evaluate(VALUES) == [80, 79, 78, 80]


def test_datasets_are_added_to_the_form_and_taken_away(storage: Storage, page_for: PageFor) -> None:
    prose(storage)
    prose(storage, "more", 20, 300)
    page = page_for("researcher")
    page.goto(reverse("training:new"))
    page.get_by_label("Dataset version").select_option("prose@1")
    page.get_by_role("button", name="Add a dataset").click()
    second = page.get_by_label("Dataset version").nth(1)
    expect(second).to_be_focused()
    second.select_option("prose@1")
    expect(page.locator("#preview")).to_contain_text("named twice")
    page.get_by_role("button", name="Remove this dataset").nth(1).click()
    expect(page.locator("#preview")).to_contain_text("estimated time")
    page.get_by_role("button", name="Remove this dataset").click()
    expect(page.locator("#preview")).to_contain_text("needs a dataset")


def busy_run(storage: Storage) -> Run:
    """A run with something in every part of its page."""
    run = launched(storage, name="Everything")
    metrics(run, loss=loss(0, 50), grad_norm=loss(0, 50))
    JobMetric.objects.update(at=run.created_at)
    checkpoint(run, 0, bytes=10_000, tokens=12_000, metrics={"loss": 2.0}, state="pruned")
    for number, reason in ((1, "Its worker process died."), (2, "No space left on device")):
        Attempt.objects.create(
            job=run.job, number=number, worker_name="w", host="h", state=Attempt.State.FAILED, reason=reason
        )
    error = {"message": "The disk is full.", "retryable": False}
    return with_state(run, "failed", attempt=2, error=error, started_at=run.created_at)


def measured(storage: Storage, *runs: Run) -> None:
    """A checkpoint each of these runs with its figures, the later ones better."""
    quiz(storage)
    for n, run in enumerate(runs):
        model = checkpoint(run, 40, "model")
        spread = {"accuracy": figure(0.4 + 0.2 * n), "accuracy_by_byte": figure(0.45 + 0.05 * n)}
        evaluation(storage, model, spread)
        Checkpoint.objects.filter(pk=model.pk).update(state="pruned")  # it has no files to show


def test_every_page_is_accessible_and_fits(storage: Storage, page_for: PageFor, shoot: Shoot) -> None:
    empty = reverse("training:runs") + "?q=nothing"
    run, other = busy_run(storage), launched(storage, settings={"vocabulary": 301})
    measured(storage, run, other)
    addresses = {
        "runs": reverse("training:runs"),
        "empty": empty,
        "new": reverse("training:new"),
        "run": reverse("training:run", args=[run.pk]),
        "waiting": reverse("training:run", args=[other.pk]),
        "compare": reverse("training:compare") + f"?run={run.pk}&run={other.pk}",
        "checkpoint": reverse("training:checkpoint", args=[run.pk, 0]),
    }
    faults = []
    light, dark = page_for("researcher"), page_for("researcher", color_scheme="dark", viewport=PHONE)
    for name, address in addresses.items():
        for scheme, page in (("light", light), ("dark-phone", dark)):
            page.goto(address)
            if name in ("run", "compare"):
                page.locator("[data-drawn]").last.wait_for()
            if name == "new":
                expect(page.locator("#preview")).to_contain_text("needs a dataset")
            shoot(page, f"training-{name}-{scheme}")
            found = Axe().run(page)
            if found.violations_count:
                faults.append(f"{name} {scheme}\n{found.generate_report()}")
            if page.evaluate(OVERFLOW) > 0:
                faults.append(f"{name} is wider than the screen ({scheme})")
    assert not faults, "\n".join(faults)
