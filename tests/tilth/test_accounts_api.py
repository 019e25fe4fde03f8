"""API tokens and the API's door: who gets in, with which permissions, and how errors read."""

import hashlib
import json
import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from ninja import NinjaAPI, Router, Schema

from tests.conftest import BACKEND
from tilth.accounts.actions import api_tokens as actions
from tilth.accounts.actors import Actor
from tilth.accounts.api_auth import bearer
from tilth.accounts.models import ApiToken, AuditEntry
from tilth.errors import InvalidInput, PermissionDenied

ME = "/api/v1/me"


def make(user, *scopes, days=1, name="t"):
    return actions.create_token(Actor(user=user), name=name, scopes=scopes or ["account.own"], days=days)


def auth(secret):
    return {"Authorization": f"Bearer {secret}"}


def test_a_token_is_shown_once_and_stored_as_a_hash(client_for, people):
    client = client_for("researcher")
    form = client.get("/profile/tokens/new/").content.decode()
    assert "data.view" in form
    assert "people.manage" not in form
    data = {"name": "nightly", "days": 30, "scopes": ["account.own", "data.view"]}
    page = client.post("/profile/tokens/new/", data).content.decode()
    secret = re.search(r"tilth_[\w-]{40,}", page).group(0)
    token = ApiToken.objects.get()
    assert token.token_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in json.dumps(
        list(ApiToken.objects.values()) + list(AuditEntry.objects.values()), default=str
    )
    profile = client.get("/profile/").content.decode()
    assert secret not in profile
    assert token.start in profile
    answer = Client().get(ME, headers=auth(secret)).json()
    assert answer == {
        "email": "researcher@example.org",
        "name": "Some Researcher",
        "role": "researcher",
        "token": "nightly",
        "permissions": ["account.own", "data.view"],
    }
    token.refresh_from_db()
    assert token.last_used_at is not None


def test_scopes_beyond_the_role_are_refused(client_for, people):
    with pytest.raises(InvalidInput, match=r"people\.manage"):
        make(people["researcher"], "people.manage")
    answer = client_for("researcher").post(
        "/profile/tokens/new/", {"name": "x", "days": 1, "scopes": ["people.manage"]}
    )
    assert b"not one of the available choices" in answer.content
    assert not ApiToken.objects.exists()


@pytest.mark.parametrize("days", [0, 367, -1])
def test_lifetimes_are_bounded(people, days):
    with pytest.raises(InvalidInput, match="1 to 366 days"):
        make(people["admin"], days=days)


def test_a_token_shrinks_with_its_owner(people):
    _, secret = make(people["admin"], "account.own", "people.manage")
    people["admin"].__class__.objects.filter(pk=people["admin"].pk).update(role="labeler")
    assert Client().get(ME, headers=auth(secret)).json()["permissions"] == ["account.own"]


def test_a_token_without_the_scope_is_told_which_one(people):
    _, secret = make(people["admin"], "data.view")
    answer = Client().get(ME, headers=auth(secret))
    assert answer.status_code == 403
    assert answer.json()["code"] == "forbidden"
    assert "account.own" in answer.json()["message"]


@pytest.mark.parametrize(
    "change", [{"revoked_at": timezone.now()}, {"expires_at": timezone.now() - timedelta(1)}]
)
def test_a_dead_token_is_unauthorised(people, change):
    _, secret = make(people["admin"])
    ApiToken.objects.update(**change)
    answer = Client().get(ME, headers=auth(secret))
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_token")


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "Basic eDp5", "tilth_x", ""])
def test_other_headers_do_not_get_in(db, header):
    answer = Client().get(ME, headers={"Authorization": header})
    assert answer.status_code == 401
    assert set(answer.json()) == {"code", "message", "field", "retryable"}


def test_a_bad_token_is_not_rescued_by_a_session(client_for):
    assert client_for("admin").get(ME, headers=auth("tilth_wrong")).status_code == 401


def test_owners_and_admins_revoke(client_for, people):
    token, secret = make(people["lead"])
    assert client_for("reviewer").post(f"/profile/tokens/{token.pk}/revoke/").status_code == 404
    with pytest.raises(PermissionDenied):
        actions.revoke_token(Actor(user=people["reviewer"]), token)
    assert client_for("lead").post(f"/profile/tokens/{token.pk}/revoke/").status_code == 302
    assert Client().get(ME, headers=auth(secret)).status_code == 401
    other, _ = make(people["lead"], name="t")
    assert actions.revoke_token(Actor(user=people["admin"]), other).revoked_at


def test_two_live_tokens_cannot_share_a_name(people):
    make(people["lead"], name="nightly")
    with pytest.raises(Exception, match="live token named nightly"):
        make(people["lead"], name="nightly")
    make(people["admin"], name="nightly")


def test_a_token_cannot_make_tokens(people):
    actor = Actor(user=people["admin"], token="t", scopes=frozenset({"account.own"}))
    with pytest.raises(PermissionDenied, match="browser"):
        actions.create_token(actor, name="x", scopes=["account.own"], days=1)


def test_a_session_reads_and_needs_csrf_to_write(people, settings):
    settings.ROOT_URLCONF = __name__
    client = Client(enforce_csrf_checks=True)
    client.force_login(people["admin"], backend=BACKEND)
    assert client.get("/probe").json() == {"actor": "Some Admin"}
    assert client.post("/probe", {"n": 1}, content_type="application/json").json()["code"] == "csrf"
    client.cookies["csrftoken"] = "a" * 32
    sent = client.post("/probe", {"n": 1}, content_type="application/json", headers={"X-CSRFToken": "a" * 32})
    assert sent.json() == {"n": 1}


def test_a_token_writes_without_csrf_and_faults_have_one_shape(people, settings):
    settings.ROOT_URLCONF = __name__
    client = Client(enforce_csrf_checks=True)
    headers = auth(make(people["admin"], "account.own")[1])
    assert client.post("/probe", {"n": 1}, content_type="application/json", headers=headers).json() == {
        "n": 1
    }
    wrong = client.post("/probe", {"n": "x"}, content_type="application/json", headers=headers)
    assert wrong.status_code == 422
    assert wrong.json()["field"] == "n"
    assert "integer" in wrong.json()["message"]
    broken = client.post("/probe", "{", content_type="application/json", headers=headers)
    assert broken.status_code == 400
    assert broken.json()["code"] == "bad_request"


def test_the_description_is_for_people_with_an_account(client_for):
    assert client_for(None).get("/api/v1/openapi.json").status_code == 302
    schema = client_for("labeler").get("/api/v1/openapi.json").json()
    assert "/api/v1/me" in schema["paths"]


class Body(Schema):
    n: int


def probe_urls():
    """A little API with the real one's error handlers and two routes."""
    from django.urls import path

    import tilth.api

    probe, router = NinjaAPI(urls_namespace="probe", docs_url=None, openapi_url=None), Router()
    probe._exception_handlers = dict(tilth.api.api._exception_handlers)

    @router.get("/probe", auth=bearer("account.own"))
    def read(request):
        return {"actor": str(request.auth)}

    @router.post("/probe", auth=bearer("account.own"))
    def write(request, payload: Body):
        return {"n": payload.n}

    probe.add_router("", router)
    return [path("", probe.urls)]


urlpatterns = probe_urls()
