"""The shell in a real browser: themes, keyboard, dialogs, toasts, charts, small screens, accessibility."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.shortcuts import resolve_url
from playwright.sync_api import Page, expect

from tests.browser import gallery

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE = {"width": 360, "height": 780}
DESKTOP = {"width": 1440, "height": 900}


@pytest.fixture(autouse=True)
def with_gallery(settings):
    settings.ROOT_URLCONF = "tests.browser.gallery"
    gallery.SENT.clear()


def background(page: Page) -> str:
    return page.evaluate("getComputedStyle(document.documentElement).backgroundColor")


def assert_accessible(page: Page) -> None:
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()


# how it looks


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_every_component_is_accessible_and_fits(page_for, scheme, viewport):
    page = page_for("admin", color_scheme=scheme, viewport=viewport)
    page.goto("/gallery")
    expect(page.locator("[data-drawn]")).to_be_visible()
    assert_accessible(page)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    ("role", "url"), [("admin", "/"), ("labeler", "/"), ("admin", "/nothing"), (None, "/nothing")]
)
def test_pages_of_the_shell_are_accessible(page_for, scheme, role, url):
    page = page_for(role, color_scheme=scheme, allow=["status of 404"])
    page.goto(url)
    assert_accessible(page)


def test_the_broken_page_needs_no_database_and_is_accessible(page_for, live_server):
    page = page_for("admin", allow=["status of 500"])
    page.goto("/gallery/broken")
    expect(page.get_by_role("heading", name="Something broke on our side")).to_be_visible()
    assert_accessible(page)


# theme


def test_the_theme_follows_the_system_until_one_is_chosen_and_is_kept(page_for, people):
    page = page_for("labeler", color_scheme="light")
    page.goto("/")
    light = background(page)
    page.emulate_media(color_scheme="dark")
    dark = background(page)
    assert light != dark
    page.locator(".user-menu summary").click()
    with page.expect_response("**/ui/theme") as answer:
        page.get_by_role("button", name="Light").click()
    assert answer.value.status == 204
    assert background(page) == light
    page.reload()
    assert background(page) == light
    people["labeler"].refresh_from_db()
    assert people["labeler"].theme == "light"


# charts


def test_a_chart_is_drawn_whole_under_the_strict_policy(page_for):
    page = page_for("admin", viewport=DESKTOP)
    page.goto("/gallery")
    area = page.locator("[data-drawn]")
    expect(area.locator(".bartext, .bars .point").first).to_be_visible()
    box, inner = area.bounding_box(), area.locator(".main-svg").first.bounding_box()
    # Without Plotly's own layout rules its three layers stack below each other and overflow the area.
    assert abs(inner["width"] - box["width"]) < 2 and abs(inner["height"] - box["height"]) < 2
    tops = {round(svg.bounding_box()["y"]) for svg in area.locator("svg.main-svg").all()}
    assert len(tops) == 1
    assert area.locator(".xtick text").nth(3).text_content() == "<b>x</b>"


def test_a_chart_takes_the_colours_of_the_theme(page_for):
    page = page_for("admin", color_scheme="light")
    page.goto("/gallery")
    bar = page.locator("[data-drawn] .bars .point path").first
    light = bar.evaluate("e => getComputedStyle(e).fill")
    page.emulate_media(color_scheme="dark")
    expect(bar).not_to_have_css("fill", light)


def test_a_chart_has_its_numbers_as_a_table(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.get_by_text("Numbers").click()
    expect(page.get_by_role("row", name="en 402 32")).to_be_visible()


# keyboard


def test_slash_focuses_the_search_and_typing_there_is_typing(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("gh?/")
    expect(search).to_have_value("gh?/")
    assert page.url.endswith("/gallery")


def test_g_and_a_letter_opens_a_section(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.keyboard.press("g")
    page.keyboard.press("h")
    page.wait_for_url("**/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_a_question_mark_shows_the_shortcuts_and_escape_closes_them(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_the_first_tab_stop_skips_to_the_content(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()


# asking before, and not twice


def test_a_dangerous_form_asks_first_and_cancel_sends_nothing(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.get_by_role("button", name="Archive").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Archive this dataset?")
    assert_accessible(page)
    dialog.get_by_role("button", name="Cancel").click()
    expect(dialog).to_be_hidden()
    assert gallery.SENT == []
    page.get_by_role("button", name="Archive").click()
    dialog.get_by_role("button", name="Go ahead").click()
    expect(page.get_by_text("Archived.")).to_be_visible()
    assert gallery.SENT == ["POST"]


def test_a_form_is_sent_once_however_often_it_is_pressed(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    gallery.HOLD.clear()
    pressed = page.evaluate(
        """() => {
          const form = document.querySelector("main form.card");
          form.noValidate = true;
          const button = form.querySelector("button.primary");
          for (let i = 0; i < 4; i++) button.click();
          return button.getAttribute("aria-busy");
        }"""
    )
    assert pressed == "true"
    gallery.HOLD.set()
    expect(page.get_by_text("Archived.")).to_be_visible()
    assert gallery.SENT == ["POST"]


# toasts and fragments


def test_an_answer_to_htmx_shows_its_note_as_text(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.get_by_role("button", name="Toast").click()
    toast = page.get_by_role("status").get_by_text("Saved <b>draft</b>")
    expect(toast).to_be_visible()
    page.get_by_role("button", name="Dismiss").click()
    expect(toast).to_be_hidden()


def test_a_fault_shows_as_a_toast_and_the_button_comes_back(page_for):
    page = page_for("admin", allow=["status of 409", "Error Code 409"])
    page.goto("/gallery")
    button = page.get_by_role("button", name="Conflict")
    button.click()
    expect(page.get_by_role("status")).to_contain_text("The name <i>x</i> is taken")
    expect(button).not_to_have_attribute("aria-busy", "true")


def test_a_fragment_is_swapped_without_its_scripts(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.get_by_role("button", name="Fragment").click()
    expect(page.get_by_text("Swapped")).to_be_visible()
    assert page.evaluate("window.__swapped") is None
    assert page.locator("#fragment script").count() == 0


def test_a_chart_in_a_fragment_is_drawn(page_for):
    page = page_for("admin")
    page.goto("/gallery")
    page.get_by_role("button", name="Chart", exact=True).click()
    expect(page.locator("#fragment [data-drawn] .main-svg").first).to_be_visible()


def test_a_session_that_ended_leads_to_sign_in(page_for, settings):
    page = page_for("admin")
    page.goto("/gallery")
    page.context.clear_cookies()
    page.get_by_role("button", name="Fragment").click()
    page.wait_for_url(f"**{resolve_url(settings.LOGIN_URL)}?next=/gallery")


# small screens


def test_the_drawer_opens_closes_and_gives_the_focus_back(page_for):
    page = page_for("admin", viewport=PHONE)
    page.goto("/gallery")
    sidebar = page.locator("#sidebar")
    expect(sidebar).to_be_hidden()
    menu = page.get_by_role("button", name="Navigation")
    menu.click()
    expect(sidebar).to_be_visible()
    expect(menu).to_have_attribute("aria-expanded", "true")
    assert_accessible(page)
    page.keyboard.press("Escape")
    expect(sidebar).to_be_hidden()
    expect(menu).to_be_focused()
