"""Invitations from the admin's form to the newcomer's first sign-in, and every way they can be over."""

import re
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from tests.conftest import PASSWORD
from tilth.accounts.actions import invitations as actions
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Invitation, Role, User
from tilth.errors import Conflict, NotFound, PermissionDenied

INVITE = "/admin/people/invite/"


@pytest.fixture
def admin(people):
    return Actor(user=people["admin"])


def token_of(link):
    return re.search(r"/invitation/([^/]+)/", link).group(1)


@pytest.mark.django_db(transaction=True)
def test_an_invitation_is_shown_mailed_accepted_once(client_for, people, settings):
    settings.SITE_URL = "https://tilth.example.org"
    answer = client_for("admin").post(INVITE, {"email": "New@Example.org", "role": "reviewer"})
    page = answer.content.decode()
    link = re.search(r"https://tilth\.example\.org(/invitation/[\w-]+/)", page).group(1)
    assert "was mailed to new@example.org" in page
    assert mail.outbox[0].to == ["new@example.org"]
    assert link in mail.outbox[0].body
    invitation = Invitation.objects.get()
    assert f"{invitation.expires_at:%Y-%m-%d %H:%M}" in page
    assert token_of(link) not in f"{invitation.token_hash}{list(AuditEntry.objects.values())}"
    stranger = client_for(None)
    assert b"as Reviewer" in stranger.get(link).content
    assert stranger.post(link, {"name": "Newcomer", "password": PASSWORD}).url == "/sign-in/"
    user = User.objects.get(email="new@example.org")
    assert (user.role, user.name, user.must_change_password) == (Role.REVIEWER, "Newcomer", False)
    assert stranger.post("/sign-in/", {"login": "new@example.org", "password": PASSWORD}).status_code == 302
    for again in (stranger.get(link), stranger.post(link, {"name": "Twice", "password": PASSWORD})):
        assert again.status_code == 404
        assert b"used, revoked or has expired" in again.content


def test_a_weak_password_is_refused_and_the_link_still_works(client, admin):
    link = actions.invite(admin, "new@example.org", "labeler").link.removeprefix("http://127.0.0.1:8000")
    answer = client.post(link, {"name": "N", "password": "password123"})
    assert b"too common" in answer.content
    assert not User.objects.filter(email="new@example.org").exists()
    assert client.post(link, {"name": "N", "password": PASSWORD}).status_code == 302


@pytest.mark.parametrize(
    ("email", "role", "message"),
    [
        ("nonsense", "labeler", "valid email"),
        ("LEAD@example.org", "labeler", "has an account already"),
        ("new@example.org", "king", "valid choice"),
    ],
)
def test_bad_invitations_say_what_is_wrong(client_for, email, role, message):
    answer = client_for("admin").post(INVITE, {"email": email, "role": role})
    assert message in answer.content.decode()
    assert not Invitation.objects.exists()


def test_one_open_invitation_per_address_whatever_its_case(client_for, admin):
    actions.invite(admin, "new@example.org", "labeler")
    answer = client_for("admin").post(INVITE, {"email": "NEW@example.org", "role": "admin"})
    assert b"resend or revoke" in answer.content
    assert Invitation.objects.count() == 1


def test_resending_replaces_the_link_and_the_expiry(client_for, admin):
    first = actions.invite(admin, "new@example.org", "labeler")
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    assert b"expired" in client_for("admin").get("/admin/people/").content
    with pytest.raises(NotFound):
        actions.find(token_of(first.link))
    client_for("admin").post(f"/admin/people/invitations/{first.invitation.pk}/resend/")
    with pytest.raises(NotFound):
        actions.find(token_of(first.link))
    again = actions.resend(admin, first.invitation)
    assert actions.find(token_of(again.link)).expires_at > timezone.now()


def test_a_revoked_link_is_dead_and_the_address_free_again(client_for, admin):
    issued = actions.invite(admin, "new@example.org", "labeler")
    path = f"/admin/people/invitations/{issued.invitation.pk}/revoke/"
    assert client_for("admin").post(path).status_code == 302
    assert client_for("admin").post(path).status_code == 409
    with pytest.raises(NotFound):
        actions.accept(token_of(issued.link), name="N", password=PASSWORD)
    with pytest.raises(Conflict):
        actions.resend(admin, issued.invitation)
    assert actions.invite(admin, "new@example.org", "lead").invitation.pk != issued.invitation.pk


@pytest.mark.parametrize("role", ["labeler", "reviewer", "lead", "researcher"])
def test_only_admins_invite(people, role):
    with pytest.raises(PermissionDenied):
        actions.invite(Actor(user=people[role]), "new@example.org", "admin")


@pytest.mark.django_db(transaction=True)
def test_a_failing_mail_server_leaves_the_link_on_the_page(client_for, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 2
    page = client_for("admin").post(INVITE, {"email": "new@example.org", "role": "lead"}).content.decode()
    assert "was not mailed" in page
    assert "/invitation/" in page
    assert Invitation.objects.count() == 1


def test_the_command_line_may_invite(db):
    issued = actions.invite(Actor.system("command line"), "new@example.org", "researcher")
    assert issued.invitation.invited_by is None
    assert AuditEntry.objects.get().actor == "command line"
