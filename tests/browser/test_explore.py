"""The tokenizer explorer in a real browser: tokens follow what is typed, and all of it works without scripts."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse
from playwright.sync_api import Page, expect

from tests.training.launching import checkpoint, launched
from tilth.storage import Storage
from training.llm import pretokens
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.checkpoints import Checkpoint

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PageFor = Callable[..., Page]
Shoot = Callable[[Page, str], Path]
PHONE = {"width": 390, "height": 844}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SOON = 30_000


def made(storage: Storage, folder: Path, vocabulary: int) -> Checkpoint:
    row = checkpoint(launched(storage, name=f"{vocabulary} tokens"))
    pretokens.save(
        pretokens.train(["the cat sees the cat", "the dog sees the cat"], vocabulary, 1), folder, 64
    )
    store(storage, folder, Stored(run=row.run_id, step=0, stage="tokenizer", holds="tokenizer"), 1)
    return row


@pytest.fixture
def two(storage: Storage, tmp_path: Path) -> list[Checkpoint]:
    return [made(storage, tmp_path / str(size), size) for size in (264, 274)]


def test_tokens_follow_what_is_typed(two: list[Checkpoint], page_for: PageFor, shoot: Shoot) -> None:
    small, large = two
    page = page_for("researcher")
    page.goto(reverse("training:checkpoint", args=[small.run_id, 0]))
    page.get_by_role("link", name="Explore its tokens").click()
    expect(page.get_by_label("Tokenizer", exact=True)).to_have_value(small.reference)
    page.get_by_label("Text").press_sequentially("the cat €")
    expect(page.locator("#tokens .token")).to_have_count(11, timeout=SOON)
    expect(page.get_by_role("status").first).to_have_text(f"11 tokens by {small.reference}.")
    page.get_by_label("Beside it").select_option(large.reference)
    expect(page.locator("#tokens")).to_contain_text(f"{large.reference} needs", timeout=SOON)
    expect(page.get_by_label("Text")).to_have_value("the cat €")
    page.get_by_text("Token by token").first.click()
    expect(page.get_by_role("cell", name="part of a character").first).to_be_visible()
    shoot(page, "training-explore")
    assert not Axe().run(page).violations_count, Axe().run(page).generate_report()


def test_a_conversation_is_explored_without_scripts(
    two: list[Checkpoint], page_for: PageFor, shoot: Shoot
) -> None:
    page = page_for("researcher", java_script_enabled=False, color_scheme="dark", viewport=PHONE)
    page.goto(reverse("training:explore"))
    page.get_by_role("link", name="Conversation").click()
    page.get_by_label("Turn 2", exact=True).fill("Say <|im_end|> <b>twice</b>")
    page.get_by_role("button", name="Add a turn").click()
    expect(page.get_by_label("Turn 4", exact=True)).to_be_visible()
    page.get_by_label("Turn 3", exact=True).fill("<|im_end|>")
    page.get_by_role("button", name="Show tokens").click()
    expect(page.locator(".token-special")).to_have_text(["<|im_start|>", "<|im_end|>"] * 2)
    shoot(page, "training-explore-talk")
    watched = page_for("researcher", color_scheme="dark", viewport=PHONE)
    watched.goto(reverse("training:explore") + "?kind=conversation")
    assert not Axe().run(watched).violations_count, Axe().run(watched).generate_report()
    assert watched.evaluate(OVERFLOW) <= 0
