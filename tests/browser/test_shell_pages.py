"""Every page that the navigation leads to: accessible in light and dark, fitting a small screen."""

import pytest
from playwright.sync_api import Page

from tests.browser.test_shell import PHONE, assert_accessible
from tests.tilth.published import document, publish

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def links(page: Page) -> list[str]:
    page.goto("/")
    found = page.locator("#sidebar nav a").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    assert len(found) > 5
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_page_of_the_navigation_is_accessible_and_fits(page_for, storage, scheme):
    publish(storage, "figs", "documents", [document(n) for n in range(30)], description="# Figs")
    page = page_for("admin", color_scheme=scheme, viewport=PHONE)
    for url in links(page):
        page.goto(url)
        assert_accessible(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), url
