"""An ablation in a real browser: asked in the form, launched whole, its page with table, bands and verdict."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.training.ablating import asked, end_all, prepare
from tests.training.launching import ACTOR, with_state
from tilth.storage import Storage
from training.actions import ablations
from training.models.ablations import Ablation

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_from_the_form_to_the_page(storage: Storage, page_for: PageFor, shoot: Shoot) -> None:
    tokenizer = prepare(storage)
    page = page_for("researcher")
    page.goto(reverse("training:ablations"))
    page.get_by_role("link", name="New ablation").click()
    page.get_by_label("Preset").select_option("smoke")
    expect(page.get_by_label("Steps", exact=False).first).to_be_visible()
    page.get_by_label("Name", exact=True).fill("Which prose is better")
    page.get_by_label("Seeds").fill("2")
    page.get_by_role("button", name="Add an arm").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("Which prose is better")
    for number, data in ((1, "prose@1"), (2, "other@1"), (3, "prose@1:2, other@1")):
        page.get_by_label(f"Name of arm {number}").fill(f"arm {number}")
        page.get_by_label(f"Data of arm {number}").fill(data)
    page.get_by_label("Validation data").select_option("held@1")
    page.get_by_label("Tokenizer", exact=False).first.select_option(tokenizer.reference)
    shoot(page, "ablation-new")
    assert not Axe().run(page).violations_count, Axe().run(page).generate_report()
    page.get_by_role("button", name="Launch all runs").click()
    expect(page.get_by_role("heading", name="Which prose is better")).to_be_visible()
    expect(page.get_by_text("No verdict yet: 6 of 6 runs have not ended.")).to_be_visible()
    assert Ablation.objects.get().cells.count() == 6


@pytest.mark.parametrize("look", [{}, {"color_scheme": "dark", "viewport": PHONE}])
def test_what_was_found_is_drawn_and_readable(
    storage: Storage, page_for: PageFor, shoot: Shoot, look: dict[str, object]
) -> None:
    made = ablations.launch(ACTOR, asked(storage, sizes=("depth=1", "depth=4"), question="Which one?"))
    end_all(made, [[[1.0, 2.0, 3.0], [1.5, 2.4, 3.6]], [[4.0, 5.0, 6.0], [5.5, 6.51, 7.49]]])
    with_state(made.cells.last().run, "failed")
    page = page_for("researcher", **look)
    page.goto(reverse("training:ablation", args=[made.pk]))
    expect(page.get_by_text("A is ahead of B.")).to_be_visible()
    expect(page.get_by_text("1 of 6 runs are missing")).to_be_visible()
    expect(page.locator(".chart-area .main-svg").first).to_be_visible()
    shoot(page, f"ablation-{'dark' if look else 'light'}")
    assert not Axe().run(page).violations_count, Axe().run(page).generate_report()
    assert page.evaluate(OVERFLOW) <= 0
