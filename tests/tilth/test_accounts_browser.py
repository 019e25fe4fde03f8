"""The way in and the admin pages in a real browser: no console error, no policy violation, usable at 390 px."""

import re

import pytest

from tests.conftest import PASSWORD
from tilth.accounts import audit
from tilth.accounts.actions import invitations
from tilth.accounts.actions import people as people_actions
from tilth.accounts.actors import Actor
from tilth.accounts.models import User

pytestmark = pytest.mark.browser
HOSTILE = "<img src=x onerror=console.error('xss')>\"'"


@pytest.fixture(autouse=True)
def links_to_here(settings, live_server):
    settings.SITE_URL = live_server.url


def test_from_invitation_to_first_page(page_for, people, shoot):
    admin = page_for("admin")
    admin.goto("/admin/people/")
    admin.get_by_role("link", name="Invite").click()
    admin.get_by_label("E-mail address").fill("new@example.org")
    admin.get_by_label("Role").select_option("researcher")
    admin.get_by_role("button", name="Make the invitation").click()
    link = admin.locator("#invitation-link").inner_text()
    shoot(admin, "invited")
    page = page_for(None)
    page.goto(link)
    page.get_by_label("Name").fill("Newcomer")
    page.get_by_label("Password").fill(PASSWORD)
    shoot(page, "accept")
    page.get_by_role("button", name="Make my account").click()
    page.wait_for_url("**/sign-in/")
    page.get_by_label("E-mail address").fill("NEW@example.org")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").filter(has_text="not correct").wait_for()
    shoot(page, "sign-in-wrong")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile(r"/$"))
    assert "People" not in page.locator("#sidebar").inner_text()


def test_a_one_time_password_is_exchanged_at_once(page_for, people, shoot):
    User.objects.filter(pk=people["lead"].pk).update(must_change_password=True)
    page = page_for("lead")
    page.goto("/")
    page.get_by_role("heading", name="Choose your own password").wait_for()
    shoot(page, "must-change")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password", exact=True).fill("another long password")
    page.get_by_label("New password, once more").fill("another long password")
    page.get_by_role("button", name="Change password").click()
    page.wait_for_url("**/profile/")


def test_deactivating_asks_first(page_for, people):
    page = page_for("admin")
    page.goto(f"/admin/people/{people['lead'].pk}/")
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert User.objects.get(pk=people["lead"].pk).is_active
    page.get_by_role("button", name="Deactivate").click()
    page.get_by_role("dialog").get_by_role("button", name="Deactivate").click()
    page.get_by_role("button", name="Reactivate").wait_for()
    assert not User.objects.get(pk=people["lead"].pk).is_active


def test_a_token_is_made_and_revoked(page_for, shoot):
    page = page_for("researcher")
    page.goto("/profile/")
    page.get_by_role("link", name="New token").click()
    page.get_by_label("Name").fill("nightly export")
    page.get_by_label("data.view").check()
    shoot(page, "token-new")
    page.get_by_role("button", name="Make the token").click()
    assert page.locator("#token").inner_text().startswith("tilth_")
    shoot(page, "token-created")
    page.get_by_role("link", name="Done").click()
    shoot(page, "profile")
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    page.get_by_text("You have none.").wait_for()


@pytest.mark.parametrize("width", [1280, 390])
def test_pages_show_hostile_text_fit_the_screen_and_are_accessible(page_for, people, shoot, width):
    admin = Actor(user=people["admin"])
    people_actions.edit_profile(Actor(user=people["lead"]), name=HOSTILE)
    skill = people_actions.save_skill(admin, None, name=HOSTILE, description=HOSTILE)
    people_actions.set_skills(admin, people["lead"], [skill])
    invitations.invite(admin, "new@example.org", "labeler")
    audit.record(Actor.system(HOSTILE), HOSTILE, HOSTILE, note=HOSTILE)
    page = page_for("admin", viewport={"width": width, "height": 900})
    paths = {
        "people": "/admin/people/",
        "person": f"/admin/people/{people['lead'].pk}/",
        "invite": "/admin/people/invite/",
        "skills": "/admin/skills/",
        "skill": f"/admin/skills/{skill.pk}/",
        "audit": "/admin/audit/",
        "own": "/profile/",
        "second-factor": "/profile/second-factor/",
        "password": "/password/",
    }
    for name, path in paths.items():
        page.goto(path)
        shoot(page, f"{name}-{width}")
        assert page.locator("img[src=x]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{path} is wider than the screen"
        )


def test_the_second_factor_page_draws_its_code(page_for, shoot):
    page = page_for("lead")
    page.goto("/profile/second-factor/on/")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Confirm").click()
    image = page.get_by_alt_text("QR code")
    image.wait_for()
    assert image.evaluate("image => image.naturalWidth") > 0
    shoot(page, "totp")
