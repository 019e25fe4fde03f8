"""The XSS corpus through every page that shows text from outside, in a real browser.

A page fails when a script ran, a dialog opened, something was asked of another host, the strict policy had
to step in, or the document holds a handler, a script or a ``javascript:`` address that is not ours, even
where the policy would have stopped it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Dialog, Frame, Page, Request

from tests.browser import gallery
from tests.browser.hostile_pages import SHOWS, Stage, Visit
from tests.xss_corpus import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

AUDIT = """() => {
  const found = window.__xss === undefined ? [] : ["a script ran"];
  const ours = new Set(["", location.origin]);
  for (const element of document.querySelectorAll("*")) {
    const name = element.localName;
    if (name === "script" && !(element.src && ours.has(new URL(element.src).origin))) found.push("a script element");
    if (["object", "embed", "applet", "base", "frameset", "portal"].includes(name)) found.push(name);
    if (name === "meta" && element.httpEquiv) found.push("meta http-equiv");
    if (name === "style" && !element.nonce && self.origin !== "null") found.push("a style element");
    if (name === "link" && new URL(element.href).origin !== location.origin) found.push("a foreign link element");
    for (const { name: attribute, value } of element.attributes) {
      if (/^(data-)?hx-on|^on/i.test(attribute)) found.push(`${name} ${attribute}`);
      if (/^\\s*(javascript|vbscript|data):/i.test(value.replace(/[\\u0000-\\u0020]/g, "")) &&
          ["href", "src", "action", "formaction", "data", "xlink:href"].includes(attribute)) found.push(`${name} ${attribute}=${value}`);
      if (["src", "srcset", "poster", "background", "srcdoc", "hx-get", "data-hx-get"].includes(attribute) &&
          /xss\\.invalid|__xss/.test(value)) found.push(`${name} ${attribute}=${value}`);
    }
  }
  return found;
}"""


@dataclass
class Watcher:
    """Collects whatever a page does that text must never make it do."""

    page: Page
    own_host: str
    found: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("dialog", self._on_dialog)
        self.page.on("request", self._on_request)
        self.page.on("popup", lambda popup: self.found.append(f"opened a window at {popup.url}"))

    def _on_dialog(self, dialog: Dialog) -> None:
        self.found.append(f"a dialog said {dialog.message}")
        dialog.dismiss()

    def _on_request(self, request: Request) -> None:
        own = request.url.startswith((self.own_host, "data:image/", "blob:"))
        if not own:
            self.found.append(f"asked {request.url}")

    def audit(self) -> list[str]:
        """Everything seen so far, and what stands in the documents of the page and its frames now."""
        frames = [frame for frame in self.page.frames if frame.url != "about:blank"]
        return [*self.found, *(fault for frame in frames for fault in _audit(frame))]


def _audit(frame: Frame) -> list[str]:
    return [f"{fault} in {frame.url[:80]}" for fault in frame.evaluate(AUDIT)]


def visit(page: Page, watcher: Watcher, what: Visit) -> None:
    page.goto(what.url)
    if what.act:
        what.act(page)
    # Pointer and focus reach what waits for them.
    page.mouse.move(640, 400)
    page.keyboard.press("Tab")
    assert watcher.audit() == [], what.url


@pytest.fixture
def stage(settings: Any, people: dict, storage: Any) -> Stage:
    settings.ROOT_URLCONF = "tests.browser.gallery"
    return Stage(people, storage)


@pytest.mark.parametrize("what", SHOWS)
def test_hostile_text_stays_text(
    what: str, stage: Stage, page_for: Callable[..., Page], live_server: Any
) -> None:
    pages: dict[str, tuple[Page, Watcher]] = {}
    visited = 0
    for step in SHOWS[what](stage):
        if step.role not in pages:
            page = page_for(step.role, viewport={"width": 1280, "height": 800})
            pages[step.role] = page, Watcher(page, live_server.url)
        page_for_allow(page_for, step)
        visit(*pages[step.role], step)
        visited += 1
    assert visited


def page_for_allow(page_for: Callable[..., Page], step: Visit) -> None:
    """Name the complaints that this step expects."""
    if step.allow:
        page_for(None, allow=step.allow).close()


@pytest.mark.parametrize(
    "payload", [PAYLOADS[0], PAYLOADS[18], PAYLOADS[57], '<a href="javascript:window.__xss=1">x</a>']
)
def test_the_watcher_sees_a_page_that_does_not_escape(
    payload: str, stage: Stage, page_for: Callable[..., Page], live_server: Any
) -> None:
    gallery.HOSTILE[:] = [payload]
    page = page_for("admin", allow=[".*"])
    watcher = Watcher(page, live_server.url)
    page.goto("/gallery/unsafe")
    assert watcher.audit() != []


def test_the_corpus_works_where_nothing_protects(
    stage: Stage, page_for: Callable[..., Page], live_server: Any
) -> None:
    page = page_for("admin", allow=[".*"])
    watcher = Watcher(page, live_server.url)
    page.route("http://xss.invalid/**", lambda route: route.abort())
    gallery.HOSTILE[:] = PAYLOADS
    page.goto("/gallery/naked")
    assert any("dialog" in fault for fault in watcher.found)
    assert any("xss.invalid" in fault for fault in watcher.found)
    assert page.evaluate("window.__xss") == 1
