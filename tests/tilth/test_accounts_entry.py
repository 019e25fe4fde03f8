"""The way in and out: sign-in, lock-out, one-time passwords, resets, second factor."""

import re
import time

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from axes.models import AccessAttempt
from django.core import mail
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from tests.conftest import PASSWORD
from tilth.accounts import secrets
from tilth.accounts.models import AuditEntry, Role, User

NEW = "another long password"


def sign_in(client, email, password=PASSWORD, **extra):
    return client.post("/sign-in/", {"login": email, "password": password}, **extra)


def is_signed_in(client):
    return "_auth_user_id" in client.session


def test_sign_in_by_address_in_any_case_and_out(client, people):
    answer = sign_in(client, "LEAD@example.ORG")
    assert (answer.status_code, answer.url) == (302, "/")
    assert is_signed_in(client)
    assert client.post("/sign-out/").url == "/sign-in/"
    assert not is_signed_in(client)
    verbs = AuditEntry.objects.values_list("verb", flat=True).order_by("id")
    assert list(verbs) == ["user.signed_in", "user.signed_out"]


def test_signing_out_needs_a_post(client_for):
    client = client_for("lead")
    assert client.get("/sign-out/").status_code == 200
    assert is_signed_in(client)


def test_strangers_return_to_where_they_wanted(client, people):
    answer = client.get("/admin/audit/?verb=user.")
    assert answer.url == "/sign-in/?next=/admin/audit/%3Fverb%3Duser."
    back = client.post(
        answer.url, {"login": "admin@example.org", "password": PASSWORD, "next": "/admin/audit/"}
    )
    assert back.url == "/admin/audit/"


def test_nobody_is_sent_to_another_site(client, people):
    answer = client.post(
        "/sign-in/", {"login": "admin@example.org", "password": PASSWORD, "next": "https://evil.example/"}
    )
    assert answer.url == "/"


def test_wrong_password_and_unknown_address_look_alike(client, people):
    wrong = sign_in(client, "lead@example.org", "wrong").content.decode()
    unknown = sign_in(client, "nobody@example.org", "wrong").content.decode()

    def message(page):
        return re.search(r'role="alert">(.*?)</div>', page, re.S).group(1)

    assert "not correct" in message(wrong)
    assert message(wrong) == message(unknown)


def test_too_many_wrong_passwords_lock_the_address_out(client, people, settings):
    settings.AXES_FAILURE_LIMIT = 3
    for spelling in ("lead@example.org", "LEAD@example.org"):
        assert sign_in(client, spelling, "wrong").status_code == 200
    locked = sign_in(client, "Lead@example.org", "wrong")
    assert locked.status_code == 429
    assert b"Wait 15 minutes" in locked.content
    assert locked.headers["Retry-After"] == "900"
    assert sign_in(client, "lead@example.org").status_code == 429
    assert not is_signed_in(client)
    assert sign_in(client, "admin@example.org").status_code == 302
    entry = AuditEntry.objects.get(verb="user.locked_out")
    assert (entry.actor, entry.target, entry.data) == (
        "sign-in",
        people["lead"].reference,
        {"ip": "127.0.0.1"},
    )


def test_the_address_is_free_again_after_the_wait(client, people, settings):
    settings.AXES_FAILURE_LIMIT = 1
    assert sign_in(client, "lead@example.org", "wrong").status_code == 429
    AccessAttempt.objects.update(attempt_time=timezone.now() - settings.AXES_COOLOFF_TIME)
    assert sign_in(client, "lead@example.org").status_code == 302


def test_an_attacker_elsewhere_does_not_lock_the_owner_out(client, people, settings):
    settings.AXES_FAILURE_LIMIT = 2
    for _ in range(3):
        sign_in(client, "lead@example.org", "wrong", REMOTE_ADDR="203.0.113.9")
    assert sign_in(client, "lead@example.org", REMOTE_ADDR="203.0.113.9").status_code == 429
    assert sign_in(client, "lead@example.org", REMOTE_ADDR="198.51.100.7").status_code == 302


def test_a_forged_forwarded_header_does_not_evade_the_lock(client, people, settings):
    settings.AXES_FAILURE_LIMIT = 3
    settings.TRUSTED_PROXIES = 1
    for number in range(3):
        answer = sign_in(
            client, "lead@example.org", "wrong", headers={"X-Forwarded-For": f"10.0.0.{number}, 203.0.113.9"}
        )
    assert answer.status_code == 429


def test_sign_up_is_closed(client, db):
    assert b"Ask an admin" in client.get("/sign-up/").content
    assert client.post("/sign-up/", {"email": "x@example.org", "password1": NEW}).status_code == 405
    assert not User.objects.exists()


def test_the_first_admin_gets_a_one_time_password_once(client, db, capsys):
    call_command("create_first_admin", email="Boss@example.org")
    printed = capsys.readouterr().out
    password = re.search(r"One-time password: (\S+)", printed).group(1)
    boss = User.objects.get()
    assert (boss.email, boss.role, boss.must_change_password) == ("boss@example.org", Role.ADMIN, True)
    assert password not in boss.password
    call_command("create_first_admin", email="other@example.org")
    assert "already" in capsys.readouterr().out
    assert User.objects.count() == 1
    assert sign_in(client, "boss@example.org", password).status_code == 302
    for path in ("/", "/profile/", "/admin/people/"):
        assert client.get(path).url == "/password/"
    refused = client.get("/api/v1/me")
    assert (refused.status_code, refused.json()["code"]) == (403, "change_password")
    page = client.get("/password/")
    assert b"Choose your own password" in page.content
    same = {"oldpassword": password, "password1": password, "password2": password}
    assert b"other than the one-time password" in client.post("/password/", same).content
    change = {"oldpassword": password, "password1": NEW, "password2": NEW}
    assert client.post("/password/", change).url == "/profile/"
    assert client.get("/profile/").status_code == 200
    boss.refresh_from_db()
    assert not boss.must_change_password


def test_the_first_admin_needs_a_real_address(db):
    with pytest.raises(CommandError, match="not an e-mail address"):
        call_command("create_first_admin", email="boss")


def test_reset_password_on_the_command_line(client_for, people, capsys):
    signed_in = client_for("lead")
    call_command("reset_password", "LEAD@example.org")
    password = re.search(r"of LEAD@example.org: (\S+)", capsys.readouterr().out).group(1)
    assert signed_in.get("/profile/").status_code == 302, "the old session must be over"
    stranger = client_for(None)
    assert not sign_in(stranger, "lead@example.org").has_header("Location")
    assert sign_in(stranger, "lead@example.org", password).status_code == 302
    assert stranger.get("/profile/").url == "/password/"
    with pytest.raises(CommandError, match="Nobody active"):
        call_command("reset_password", "nobody@example.org")


def test_changing_the_password_ends_other_sessions(client_for, people):
    here, elsewhere = client_for("lead"), client_for("lead")
    here.post("/password/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})
    assert here.get("/profile/").status_code == 200
    assert elsewhere.get("/profile/").status_code == 302
    assert AuditEntry.objects.filter(verb="user.password_changed", user=people["lead"]).exists()


@pytest.mark.parametrize("weak", ["short", "password123", "researcher@example.org"])
def test_weak_passwords_are_refused(client_for, people, weak):
    answer = client_for("researcher").post(
        "/password/", {"oldpassword": PASSWORD, "password1": weak, "password2": weak}
    )
    assert answer.status_code == 200
    people["researcher"].refresh_from_db()
    assert people["researcher"].check_password(PASSWORD)


def test_a_forgotten_password_is_reset_by_mail(client, people, settings):
    settings.SITE_URL = "https://tilth.example.org"
    assert client.post("/password/reset/", {"email": "LEAD@example.org"}).url == "/password/reset/sent/"
    link = re.search(r"https://tilth\.example\.org(/password/reset/key/\S+)", mail.outbox[0].body).group(1)
    form = client.get(link)
    assert form.url.endswith("-set-password/"), "the key must not stay in the address"
    done = client.post(form.url, {"password1": NEW, "password2": NEW})
    assert done.url == "/password/reset/done/"
    people["lead"].refresh_from_db()
    assert people["lead"].check_password(NEW)
    assert b"This link is over" in client.get(link).content


def test_resets_of_unknown_and_inactive_addresses_send_nothing(client, people):
    User.objects.filter(pk=people["lead"].pk).update(is_active=False)
    for email in ("nobody@example.org", "lead@example.org"):
        assert client.post("/password/reset/", {"email": email}).url == "/password/reset/sent/"
    assert mail.outbox == []


def code_now(secret):
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def confirm(client):
    """Type the password once more, which changing the second factor asks for."""
    assert client.get("/profile/second-factor/on/").url.startswith("/confirm/")
    assert client.post("/confirm/", {"password": "wrong"}).status_code == 200
    assert (
        client.post("/confirm/", {"password": PASSWORD, "next": "/profile/second-factor/"}).status_code == 302
    )


def turn_on_second_factor(client):
    confirm(client)
    secret = re.search(
        r'class="mono break">(\w+)<', client.get("/profile/second-factor/on/").content.decode()
    )
    answer = client.post("/profile/second-factor/on/", {"code": code_now(secret.group(1))})
    assert answer.url == "/profile/recovery-codes/"
    shown = client.get(answer.url).content.decode()
    codes = re.findall(r"\d{8}", re.search(r'class="log">(.*?)</pre>', shown, re.S).group(1))
    assert len(codes) == 10
    assert not re.search(r"\d{8}", client.get(answer.url).content.decode().split("<main")[1]), (
        "shown only once"
    )
    return secret.group(1), codes


@pytest.mark.django_db(transaction=True)
def test_the_second_factor_from_start_to_end(client_for, people):
    client = client_for(None)
    sign_in(client, "lead@example.org")
    secret, codes = turn_on_second_factor(client)
    stored = Authenticator.objects.get(type="totp").data["secret"]
    assert secret not in stored
    assert secrets.decrypt(stored) == secret
    client.post("/sign-out/")
    assert sign_in(client, "lead@example.org").url == "/sign-in/code/"
    assert client.get("/profile/").status_code == 302, "the password alone must not open anything"
    assert client.post("/sign-in/code/", {"code": "000000"}).status_code == 200
    assert client.post("/sign-in/code/", {"code": codes[0]}).status_code == 302
    assert client.get("/profile/").status_code == 200
    client.post("/sign-out/")
    sign_in(client, "lead@example.org")
    assert client.post("/sign-in/code/", {"code": codes[0]}).status_code == 200, "a code works once"
    assert client.post("/sign-in/code/", {"code": codes[1]}).status_code == 302
    assert client.get("/profile/second-factor/off/").url.startswith("/confirm/")
    client.post("/confirm/", {"password": PASSWORD, "next": "/profile/"})
    assert client.post("/profile/second-factor/off/").url == "/profile/second-factor/"
    assert not Authenticator.objects.exists()
    verbs = set(AuditEntry.objects.values_list("verb", flat=True))
    assert {"user.second_factor_added", "user.second_factor_removed"} <= verbs


@pytest.mark.django_db(transaction=True)
def test_guessing_codes_is_limited(client_for, people):
    client = client_for(None)
    sign_in(client, "lead@example.org")
    turn_on_second_factor(client)
    client.post("/sign-out/")
    sign_in(client, "lead@example.org")
    answers = [client.post("/sign-in/code/", {"code": "000000"}).content.decode() for _ in range(7)]
    assert "Too many failed login attempts" in answers[-1]


def test_rotating_keys_keeps_secrets_readable(people, settings, capsys):
    old, new = settings.ENCRYPTION_KEYS[0], "_PBTbZSkAPCMOFxUl4RvPvQuWQvFAeSvSYGTgWeiR2g="
    Authenticator.objects.create(user=people["lead"], type="totp", data={"secret": secrets.encrypt("JBSW")})
    settings.ENCRYPTION_KEYS = [new, old]
    call_command("rotate_secrets")
    assert capsys.readouterr().out.startswith("1 secrets")
    settings.ENCRYPTION_KEYS = [new]
    assert secrets.decrypt(Authenticator.objects.get().data["secret"]) == "JBSW"
    settings.ENCRYPTION_KEYS = [old]
    with pytest.raises(secrets.CannotDecrypt, match="TILTH_ENCRYPTION_KEYS"):
        secrets.decrypt(Authenticator.objects.get().data["secret"])
