"""Fixtures that every test shares: one person per role, signed-in clients, storage, a real browser.

``people`` and ``client_for`` give tests their cast; ``page_for`` drives Chromium against a live server
and fails the test when the page logs an error or breaks the content security policy.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tilth.accounts.models import Role, User
from tilth.loop.chromium import executable, flags
from tilth.storage import Storage

PASSWORD = "correct horse battery"
BACKEND = "tilth.accounts.backends.AuthenticationBackend"
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`CSP violation: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@pytest.fixture
def people(db: None) -> dict[str, User]:
    """One active person per role, by the role's name; all with the password ``PASSWORD``."""
    return {
        role.value: User.objects.create_user(
            f"{role.value}@example.org", PASSWORD, name=f"Some {role.label}", role=role
        )
        for role in Role
    }


@pytest.fixture
def client_for(people: dict[str, User]) -> Callable[..., Client]:
    """``client_for("researcher")`` is a Django test client signed in; ``client_for(None)`` a stranger's."""

    def make(role: str | None, **options: object) -> Client:
        client = Client(**options)
        if role is not None:
            client.force_login(people[role], backend=BACKEND)
        return client

    return make


@pytest.fixture
def storage(settings: object, tmp_path: Path) -> Storage:
    """An empty storage root of this test's own, also set as ``settings.STORAGE``."""
    settings.STORAGE = str(tmp_path / "storage")
    return Storage(settings.STORAGE)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One headless Chromium for the whole session."""
    # Playwright's sync API runs an event loop in this thread, which Django would take for async code.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        path = executable(playwright.chromium.executable_path)
        browser = playwright.chromium.launch(executable_path=path, args=flags())
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    else:
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = before


class Troubles:
    """What pages of one test complained about, minus what the test said it expects."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.allowed: list[str] = []

    def watch(self, page: Page) -> None:
        """Collect console errors, uncaught exceptions and policy violations of a page."""
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.seen.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.seen.append(f"{message.text} ({message.location.get('url', '')})")

    def unexpected(self) -> list[str]:
        """Complaints that match none of the allowed patterns."""
        return [text for text in self.seen if not any(re.search(p, text) for p in self.allowed)]


@pytest.fixture
def troubles() -> Iterator[Troubles]:
    """The complaints of this test's pages; any left unexpected at the end fails the test."""
    found = Troubles()
    yield found
    assert not found.unexpected(), "the browser complained:\n" + "\n".join(found.unexpected())


def sign_in_cookie(context: BrowserContext, base_url: str, user: User) -> None:
    """Give a browser context the session of a signed-in person."""
    client = Client()
    client.force_login(user, backend=BACKEND)
    name = django_settings.SESSION_COOKIE_NAME
    context.add_cookies([{"name": name, "value": client.cookies[name].value, "url": base_url}])


@pytest.fixture
def page_for(
    chromium: Browser, live_server: object, people: dict[str, User], troubles: Troubles
) -> Iterator[Callable[..., Page]]:
    """``page_for("researcher")`` is a browser page already signed in (``None``: a stranger's).

    Relative URLs go to the live server: ``page.goto("/")``. The test fails when a page logs an error;
    ``page_for(role, allow=[r"status of 404"])`` names (as regular expressions) those it expects. Other
    keywords go to the browser context (``color_scheme="dark"``, ``viewport={…}``).
    """
    contexts: list[BrowserContext] = []

    def make(role: str | None, allow: tuple[str, ...] | list[str] = (), **options: object) -> Page:
        context = chromium.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        context.add_init_script(REPORT_VIOLATIONS)
        context.on("page", troubles.watch)
        troubles.allowed.extend(allow)
        if role is not None:
            sign_in_cookie(context, live_server.url, people[role])
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def shoot(tmp_path: Path) -> Callable[[Page, str], Path]:
    """``shoot(page, "jobs-list")`` saves a full-page screenshot (in ``TILTH_SHOTS`` or the test's folder)."""
    folder = Path(os.environ.get("TILTH_SHOTS", tmp_path / "shots"))

    def take(page: Page, name: str) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        page.screenshot(path=path, full_page=True)
        return path

    return take
