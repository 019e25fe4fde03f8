"""The scripted people of the demonstration: each goes through the labelers' pages in a real Chromium.

They do what a labeler does and nothing else: agree to take part, start the next task, read the document,
press a number key, press Ctrl+Enter. Knows nothing of the database.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilth.errors import TilthError
from tilth.loop.chromium import executable, flags

if TYPE_CHECKING:
    from playwright.sync_api import Page

PATIENCE_MS = 60_000
"""Milliseconds that one step may take, also on a small machine that has much to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one person plays: the campaign's title, paths, their session's cookie (name, value), how they rate.

    ``opinion`` takes a document's text and gives the point of the scale, from 1.
    """

    campaign: str
    join: str
    work: str
    cookie: tuple[str, str]
    opinion: Callable[[str], int]


def play(site: str, parts: Sequence[Part]) -> int:
    """Everybody plays their part at ``site``, one after the other; how many tasks were handed in.

    Raises:
        TilthError: Playwright or Chromium is missing, or a page did not do what it should.
    """
    # Playwright's sync API runs an event loop in its thread, which Django would take for async code.
    with ThreadPoolExecutor(1) as aside:
        return aside.submit(_play, site, parts).result()


def _play(site: str, parts: Sequence[Part]) -> int:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise TilthError(
            "The demonstration's people use a real browser: `make demo` installs what that takes, "
            "or pip install 'tilth[demo]' and Chromium"
        ) from error
    with sync_playwright() as playwright:
        path = executable(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=flags())
        done = 0
        try:
            for part in parts:
                context = browser.new_context(base_url=site)
                context.set_default_timeout(PATIENCE_MS)
                name, value = part.cookie
                context.add_cookies([{"name": name, "value": value, "url": site}])
                done += _rate(context.new_page(), part)
                context.close()
        except Error as error:
            raise TilthError(f"A page did not do what it should: {error.message}") from error
        finally:
            browser.close()
    return done


def _rate(page: "Page", part: Part) -> int:
    page.goto(part.join)
    consent = page.get_by_label("I have read this and agree to take part")
    if consent.count():
        consent.check()
    page.get_by_role("button", name="Take part").click()
    page.goto(part.work)
    campaign = page.get_by_role("region", name=part.campaign, exact=True)
    campaign.get_by_role("link", name="Look at the next task").click()
    page.get_by_role("button", name="Start").click()
    done = 0
    while True:
        page.locator("#workspace[data-ready]").wait_for()
        here = page.url
        page.keyboard.press(str(part.opinion(page.locator("#rated").inner_text())))
        page.keyboard.press("Control+Enter")
        page.wait_for_url(_other_than(here))
        done += 1
        if page.locator("#workspace").count() == 0:
            return done


def _other_than(here: str) -> Callable[[str], bool]:
    return lambda address: address != here
