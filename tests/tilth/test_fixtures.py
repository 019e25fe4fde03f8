"""The shared fixtures hold what they promise, above all that a complaining page fails its test."""

import pytest

from tests.conftest import Troubles


def test_people_has_everyone(people, client_for):
    assert set(people) == {"labeler", "reviewer", "lead", "researcher", "admin"}
    assert client_for("lead").session["_auth_user_id"] == str(people["lead"].pk)
    assert "_auth_user_id" not in client_for(None).session


def test_storage_is_the_settings_own(storage, settings):
    storage.write_bytes("jobs/1/x", b"1")
    assert storage.url == settings.STORAGE
    assert storage.list("jobs") == ["jobs/1/x"]


@pytest.mark.browser
def test_console_errors_and_policy_violations_are_seen(chromium, page_for, troubles: Troubles):
    page = page_for(None, allow=[r"planted", r"CSP violation", r"Content Security Policy"])
    page.route(
        "**/planted",
        lambda route: route.fulfill(
            content_type="text/html",
            headers={"Content-Security-Policy": "script-src 'self'"},
            body="<script>1</script><p>planted</p>",
        ),
    )
    page.goto("/planted")
    page.evaluate("console.error('planted')")
    assert any("CSP violation: script-src" in text for text in troubles.seen)
    assert any(text.startswith("planted") for text in troubles.seen)
    assert troubles.unexpected() == []
    troubles.allowed.clear()
    assert len(troubles.unexpected()) >= 2
    troubles.seen.clear()
