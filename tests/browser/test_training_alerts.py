"""Alerts and pruning in a real browser: an alert appears while the page is open, is seen; checkpoints are pruned."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.training.launching import ACTOR, alert, launched, with_state
from tilth.storage import Storage
from training.actions import checkpoints, retention
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.alerts import Alert
from training.models.checkpoints import Checkpoint
from training.retention import Policy

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def check(page: Page) -> None:
    """The page is accessible and no wider than the screen."""
    found = Axe().run(page)
    assert not found.violations_count, found.generate_report()
    assert page.evaluate(OVERFLOW) <= 0


def test_an_alert_appears_is_seen_and_checkpoints_are_pruned(
    storage: Storage, page_for: Callable[..., Page], shoot: Callable[[Page, str], Path], tmp_path: Path
) -> None:
    run = with_state(launched(storage, name="Bread"), "running")
    for step in (1, 2, 3):
        folder = tmp_path / str(step)
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(b"weights" * 100_000)
        store(storage, folder, Stored(run=run.pk, step=step, stage=run.stage, holds="model"), 1)
    checkpoints.reconcile(ACTOR, run)
    retention.set_policy(ACTOR, run, Policy(last=1))
    page = page_for("researcher")
    page.goto(reverse("training:run", args=[run.pk]))
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_have_count(0)
    alert(run, "The loss is 9.1 at step 7.")
    expect(page.get_by_role("heading", name="Alerts", exact=True)).to_be_visible(timeout=20_000)
    expect(page.locator("#live")).to_contain_text("The loss is 9.1 at step 7.")
    page.get_by_text("Rules", exact=True).click()
    page.get_by_text("Which alerts pause this run").click()
    shoot(page, "training-alerts-run")
    check(page)
    page.goto(reverse("training:alerts"))
    expect(page.get_by_role("row", name="Bread")).to_contain_text("The loss is 9.1")
    shoot(page, "training-alerts")
    check(page)
    phone = page_for("researcher", color_scheme="dark", viewport=PHONE)
    for address in (
        reverse("training:alerts"),
        reverse("training:alert_webhook"),
        reverse("training:runs"),
        "/",
    ):
        phone.goto(address)
        check(phone)
    page.get_by_role("button", name="Seen: Loss far over").click()
    expect(page.get_by_text("No open alert")).to_be_visible()
    assert Alert.objects.get().seen_by is not None
    page.goto(reverse("training:run", args=[run.pk]))
    expect(page.locator("#keeping")).to_contain_text("the newest")
    page.get_by_role("button", name="Prune 2, freeing").click()
    page.get_by_role("dialog").get_by_role("button", name="Prune them").click()
    expect(page.locator("#keeping")).not_to_contain_text("may go")
    assert set(Checkpoint.objects.values_list("step", "state")) == {(1, "pruned"), (2, "pruned"), (3, "kept")}
