"""Alerts and their channels over the API: lists, taking note, a secret that is told once, whose is whose."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.training.launching import alert, launched
from tilth.accounts.actions.api_tokens import create_token
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.secrets import decrypt
from tilth.storage import Storage
from training.actions import channels
from training.models.alerts import Alert, AlertChannel

pytestmark = pytest.mark.django_db
ALERTS, CHANNELS = "/api/v1/training/alerts", "/api/v1/training/alert-channels"
ODD: list[Any] = [10**30, -(2**64), "\x00", "\ud800", "x" * 5000, [], {}, None, 1.5, True]


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.fixture
def api(client_for: Callable[..., Client]) -> Client:
    return client_for("researcher")


def post(api: Client, address: str, body: Any = None) -> Any:
    return api.post(address, json.dumps(body if body is not None else {}), "application/json")


def ids(api: Client, address: str = ALERTS, **query: Any) -> list[int]:
    return [item["id"] for item in api.get(address, query).json()]


def test_alerts_are_listed_narrowed_and_seen(storage: Storage, api: Client, people: dict[str, User]):
    first, second = launched(storage, name="Bread"), launched(storage, name="Cake")
    one, two = alert(first), alert(second, "Slow.", "slow")
    three = alert(second, step=9)
    assert ids(api) == [three.pk, two.pk, one.pk]
    assert ids(api, limit=1) == [three.pk] and ids(api, before=three.pk, limit=1) == [two.pk]
    assert ids(api, run=first.pk) == [one.pk] and ids(api, rule="slow") == [two.pk]
    assert api.get(ALERTS, {"rule": "odd"}).json()["field"] == "rule"
    shown = api.get(ALERTS, {"run": first.pk}).json()[0]
    assert (shown["run"], shown["title"], shown["message"]) == (
        first.reference,
        "Loss far over its moving average",
        "The loss is 9.",
    )
    seen = post(api, f"{ALERTS}/{one.pk}/seen").json()
    assert seen["seen_by"] == "Some Researcher" and seen["seen_at"]
    assert ids(api, seen="false") == [three.pk, two.pk] and ids(api, seen="true") == [one.pk]
    assert Alert.objects.get(pk=one.pk).seen_by == people["researcher"]
    assert post(api, f"{ALERTS}/999999/seen").status_code == 404


def test_channels_are_added_listed_and_ended(api: Client, people: dict[str, User]):
    mailbox = post(api, f"{CHANNELS}/mailbox", {"all_runs": True})
    assert mailbox.status_code == 201 and (mailbox.json()["kind"], mailbox.json()["all_runs"]) == (
        "email",
        True,
    )
    assert post(api, f"{CHANNELS}/mailbox").status_code == 409
    made = post(api, f"{CHANNELS}/webhook", {"url": "https://hooks.example.org/T0/path"}).json()
    stored = AlertChannel.objects.get(pk=made["channel"]["id"])
    assert made["secret"] == decrypt(stored.secret)
    listed = api.get(CHANNELS).content.decode()
    assert "hooks.example.org" in listed and "T0/path" not in listed and made["secret"] not in listed
    assert ids(api, CHANNELS) == [stored.pk, mailbox.json()["id"]]
    assert ids(api, CHANNELS, limit=1) == [stored.pk]
    assert ids(api, CHANNELS, before=stored.pk) == [mailbox.json()["id"]]
    assert api.delete(f"{CHANNELS}/{stored.pk}").status_code == 204
    assert api.delete(f"{CHANNELS}/{stored.pk}").status_code == 404
    assert ids(api, CHANNELS) == [mailbox.json()["id"]]
    stored.refresh_from_db()
    assert (stored.url, stored.secret) == ("", "")
    inside = post(api, f"{CHANNELS}/webhook", {"url": "http://169.254.169.254/latest"})
    assert inside.status_code == 400 and inside.json()["field"] == "url"


def test_channels_of_others_are_an_admins_alone(client_for: Callable[..., Client], people: dict[str, User]):
    other = User.objects.create_user("other@example.org", "correct horse", name="Other", role="researcher")
    channel = channels.add_mailbox(Actor(user=other))
    api, address = client_for("researcher"), f"{CHANNELS}/{channel.pk}"
    assert ids(api, CHANNELS) == [] and api.delete(address).status_code == 404
    _, secret = create_token(Actor(user=people["admin"]), name="t", scopes=["training.run"], days=1)
    narrow = {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
    assert Client().get(CHANNELS, **narrow).json() == [], "a token is no wider than what it was made for"
    assert Client().delete(address, **narrow).status_code == 404
    admin = client_for("admin")
    assert ids(admin, CHANNELS) == [channel.pk] and admin.delete(address).status_code == 204


@pytest.mark.parametrize("role", [None, "labeler", "reviewer", "lead"])
def test_who_may_not_train_gets_nothing(
    storage: Storage, client_for: Callable[..., Client], people: dict[str, User], role: str | None
):
    known, channel = alert(launched(storage)), channels.add_mailbox(Actor(user=people["researcher"]))
    client, status = client_for(role), 403 if role else 401
    answers = [
        client.get(ALERTS),
        post(client, f"{ALERTS}/{known.pk}/seen"),
        client.get(CHANNELS),
        post(client, f"{CHANNELS}/mailbox"),
        post(client, f"{CHANNELS}/webhook", {"url": "https://example.org/"}),
        client.delete(f"{CHANNELS}/{channel.pk}"),
    ]
    assert {answer.status_code for answer in answers} == {status}
    assert AlertChannel.objects.filter(ended_at=None).count() == 1 and Alert.objects.unseen().exists()


def test_nothing_that_is_sent_breaks_the_api(storage: Storage, api: Client):
    alert(launched(storage))
    for value in ODD:
        for name in ("run", "rule", "seen", "before", "limit"):
            assert (
                api.get(
                    ALERTS, {name: "" if value is None else str(value).encode(errors="replace")}
                ).status_code
                < 500
            )
        for address in (f"{CHANNELS}/webhook", f"{CHANNELS}/mailbox"):
            for name in ("url", "all_runs"):
                answer = post(api, address, {"url": "https://example.org/", name: value})
                assert answer.status_code < 500, (address, name, value)
    assert post(api, f"{ALERTS}/{10**30}/seen").status_code == 404
