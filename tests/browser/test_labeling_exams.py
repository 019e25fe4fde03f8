"""An exam in a real browser: questions in any order, nothing lost on the way, what is missing is shown."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from labeling.actions import exams
from labeling.models.quality import ExamAttempt
from tests.labeling.campaigns import guideline
from tilth.accounts.actors import Actor
from tilth.accounts.models import Skill

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def clean(page) -> None:
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1920, "dark")])
def test_an_exam_is_sat_failed_and_given_again(page_for, people, shoot, width, scheme):
    lead = Actor(user=people["lead"])
    skill = Skill.objects.create(name="Comparing")
    exam = exams.create(
        lead, name="c", title="Compare", kind="preference", skill=skill, attempts=1, guideline=guideline()
    )
    row = {"prompt": "Why is the sky blue?", "response_a": "Rayleigh.", "response_b": "The sea.", "gold": "a"}
    exams.set_items(lead, exam, [row] * 3)
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    page = page_for("labeler", **look)
    page.goto(f"/labeling/exams/{exam.pk}/sit/")
    page.get_by_role("button", name="Begin").click()
    page.locator("#exam[data-ready]").wait_for()
    page.keyboard.press("4")
    page.get_by_label("Why?").fill("They say the same.")
    page.get_by_role("navigation", name="Questions").get_by_role("link", name="3").click()
    page.wait_for_url("**/sit/2/")
    page.locator("#exam[data-ready]").wait_for()
    expect(page.get_by_text("1 of 3 answered")).to_be_visible()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/sit/1/")
    expect(page.get_by_text("Questions 2 and 3 are not answered yet.")).to_be_visible()
    page.get_by_role("navigation", name="Questions").get_by_role("link", name="3").click()
    page.wait_for_url("**/sit/2/")
    expect(page.get_by_text("Say which answer is better")).to_be_visible()
    shoot(page, f"exam-question-{width}")
    clean(page)
    for number in (2, 1):
        page.locator("#exam[data-ready]").wait_for()
        page.keyboard.press("4")
        page.get_by_label("Why?").fill("They say the same.")
        if number == 2:
            page.get_by_role("link", name="Back").click()
            page.wait_for_url("**/sit/1/")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/sit/2/")
    page.locator("#exam[data-ready]").wait_for()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("No attempt left")).to_be_visible()
    shoot(page, f"exam-failed-{width}")
    clean(page)
    assert ExamAttempt.objects.get().answers["0"]["reason"] == "They say the same."
    other = page_for("lead", **look)
    other.goto(f"/labeling/exams/{exam.pk}/")
    other.get_by_role("button", name="Show the known answers").click()
    expect(other.get_by_text("0:2").first).to_be_visible()
    other.go_back()
    other.get_by_role("button", name="Give Some Labeler another attempt").scroll_into_view_if_needed()
    shoot(other, f"exam-lead-{width}")
    clean(other)
    other.get_by_role("button", name="Give Some Labeler another attempt").click()
    expect(other.get_by_text("One more attempt is given: 2 in all.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()
