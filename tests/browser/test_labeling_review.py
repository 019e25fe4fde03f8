"""Review and adjudication in a real browser: nothing that was begun is lost, and the keyboard is enough."""

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from labeling.models.annotations import Annotation, Review
from tests.conftest import sign_in_cookie
from tests.labeling.campaigns import campaign, join, labelers
from tests.labeling.work import label
from tilth.accounts.models import Role, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def submitted(kind: str = "demonstration", count: int = 1) -> list[Annotation]:
    (user,) = labelers(1)
    made = campaign(kind, tasks=count, review_rate=1.0)
    join(made, user)
    return [label(user, made) for _ in range(count)]


def open_review(page: Page, annotation: Annotation) -> None:
    page.goto(reverse("labeling:review_annotation", args=[annotation.pk]))
    page.locator("#review[data-ready]").wait_for()


def comment_on(page: Page, passage: str) -> None:
    page.locator(f"[data-passage='{passage}']").last.select_text()
    page.get_by_role("button", name="Comment on this passage").click()


def test_an_unfinished_review_is_there_when_the_page_comes_back_and_gone_when_it_is_decided(
    page_for, people, live_server
):
    done, other = submitted(count=2)
    page = page_for("reviewer", allow=[r"ERR_INTERNET_DISCONNECTED", r"Failed to load"])
    open_review(page, done)
    expect(page.locator("[data-restored]")).to_be_hidden()
    comment_on(page, "messages.1.content")
    page.get_by_label("Comment", exact=True).fill("Name the scattering.")
    page.get_by_role("button", name="Add", exact=True).click()
    page.locator("[data-score=clarity][value='4']").check(force=True)
    page.get_by_label("To the labeler").fill("Nearly there.")
    page.get_by_role("button", name="Edit and accept").click()
    area = page.locator("#pane").get_by_label("Turn 2, assistant")
    area.fill("Short waves scatter most, says the reviewer.")
    comment_on(page, "messages.1.content")
    page.get_by_label("Comment", exact=True).press_sequentially("Half a thou")
    page.close(run_before_unload=False)

    page = page.context.new_page()
    open_review(page, done)
    expect(page.locator("[data-restored]")).to_be_visible()
    expect(page.get_by_role("dialog", name="Comment on the passage")).to_be_visible()
    expect(page.get_by_label("Comment", exact=True)).to_have_value("Half a thou")
    page.get_by_label("Comment", exact=True).press_sequentially("ght.")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#comments li")).to_have_count(2)
    expect(page.get_by_label("To the labeler")).to_have_value("Nearly there.")
    expect(page.locator("[data-score=clarity][value='4']")).to_be_checked()
    area = page.locator("#pane").get_by_label("Turn 2, assistant")
    expect(area).to_have_value("Short waves scatter most, says the reviewer.")

    # Neither another submission nor another person at the same browser gets any of it.
    open_review(page, other)
    expect(page.locator("[data-restored]")).to_be_hidden()
    expect(page.get_by_label("To the labeler")).to_have_value("")
    Annotation.objects.update(reviewer=None, reviewing_until=None)
    second = User.objects.create(email="second@example.org", role=Role.REVIEWER)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    sign_in_cookie(page.context, live_server.url, second)
    open_review(page, done)
    expect(page.get_by_label("To the labeler")).to_have_value("")
    Annotation.objects.update(reviewer=None, reviewing_until=None)
    page.context.clear_cookies()
    page.context.add_cookies(cookies)

    # Without a connection the decision waits, with everything that was written.
    open_review(page, done)
    for criterion in ("accuracy", "completeness", "guideline"):
        page.locator(f"[data-score={criterion}][value='5']").check(force=True)
    page.context.set_offline(True)
    page.get_by_role("button", name="Accept as edited").click()
    expect(page.locator("[data-problems]")).to_contain_text("kept in this browser")
    page.context.set_offline(False)
    page.get_by_role("button", name="Accept as edited").click()
    page.wait_for_url(f"**{reverse('labeling:review_annotation', args=[other.pk])}")
    review = Review.objects.get()
    assert review.payload["messages"][1]["content"] == "Short waves scatter most, says the reviewer."
    assert [comment["text"] for comment in review.comments] == ["Name the scattering.", "Half a thought."]
    assert (review.note, review.scores["clarity"]) == ("Nearly there.", 4)
    kept = page.evaluate("Object.keys(localStorage).filter((key) => key.startsWith('tilth:kept:review'))")
    assert kept == []


def test_an_edit_is_put_aside_and_taken_up_again_and_its_keys_are_the_editors(page_for, people):
    (done,) = submitted("preference")
    page = page_for("reviewer")
    open_review(page, done)
    page.keyboard.press("e")
    reason = page.locator("#pane").get_by_label("Why?")
    expect(reason).to_be_focused()
    reason.fill("The reviewer's reason.")
    page.keyboard.press("Escape")
    page.keyboard.press("7")
    page.keyboard.press("a")  # accepts only where nothing is being edited
    expect(page.locator("#pane input[data-key='7']")).to_be_checked()
    page.get_by_role("button", name="Put the edit aside").click()
    expect(page.locator("#pane")).to_be_hidden()
    page.keyboard.press("e")
    expect(reason).to_have_value("The reviewer's reason.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Nothing waits for review")).to_be_visible()
    review = Review.objects.get()
    assert (review.decision, review.payload["reason"]) == ("edit", "The reviewer's reason.")


def test_the_final_answer_is_written_from_one_of_those_that_differ(page_for, people, shoot):
    one_user, other_user = labelers(2)
    made = campaign(tasks=1, overlap=2)
    join(made, one_user, other_user)
    one = label(one_user, made)
    label(other_user, made, {**one.payload, "grade": "1:2"})
    page = page_for("reviewer", viewport={"width": 1280, "height": 800})
    address = reverse("labeling:task_adjudicate", args=[one.task_id])
    page.goto(address)
    page.locator("#adjudicate[data-ready]").wait_for()
    page.keyboard.press("e")
    expect(page.locator("[data-problems]")).to_contain_text("Choose the answer to begin from")
    page.keyboard.press("1")
    page.keyboard.press("e")
    page.locator("#pane").get_by_label("Why?").fill("What the adjudicator wrote.")
    page.get_by_label("Why, and by which clauses").fill("Clause honest.")
    page.close(run_before_unload=False)
    page = page.context.new_page()
    page.goto(address)
    page.locator("#adjudicate[data-ready]").wait_for()
    expect(page.locator("[data-restored]")).to_be_visible()
    expect(page.locator("#pane").get_by_label("Why?")).to_have_value("What the adjudicator wrote.")
    expect(page.get_by_label("Why, and by which clauses")).to_have_value("Clause honest.")
    shoot(page, "adjudicate")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("has its result")).to_be_visible()
    review = Review.objects.get()
    assert (review.annotation_id, review.decision) == (one.pk, "adjudicate")
    assert review.payload["reason"] == "What the adjudicator wrote."
    one.refresh_from_db()
    assert one.chosen and one.payload["reason"] != review.payload["reason"]
