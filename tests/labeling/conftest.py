"""Fixtures of the labeling tests: a cast, its actors, and a broker."""

import json
from collections.abc import Callable, Iterator

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.labeling.campaigns import labelers
from tilth.accounts.actions import api_tokens
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.jobs import embedded


@pytest.fixture(scope="session")
def running_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real broker of this session's own; its address."""
    path = tmp_path_factory.mktemp("b") / "v.sock"
    server = embedded.start(path)
    yield f"redis+socket://{path}"
    server.stop()


@pytest.fixture
def broker(running_broker: str, settings: object) -> str:
    """The broker that the product uses in this test."""
    if settings.REDIS_URL.startswith("redis+socket"):
        settings.REDIS_URL = running_broker
    return settings.REDIS_URL


@pytest.fixture
def cast(db: None) -> list[User]:
    """Three people who label."""
    return labelers(3)


@pytest.fixture
def as_role(people: dict[str, User]) -> Callable[[str], Actor]:
    """The actor of a role."""
    return lambda role: Actor(user=people[role])


@pytest.fixture
def api(client: Client, people: dict[str, User]) -> Callable[..., HttpResponse]:
    """Asks labeling's API as a role: role, method, path, body."""
    secrets: dict[str, str] = {}

    def ask(role: str, method: str, path: str, body: object = None) -> HttpResponse:
        scopes = [
            "campaigns.view",
            "campaigns.manage",
            "campaigns.publish",
            "guidelines.view",
            "guidelines.edit",
        ]
        allowed = [s for s in scopes if role in {"lead", "admin"} or s in {"guidelines.view"}]
        if role not in secrets:
            actor = Actor(user=people[role])
            secrets[role] = api_tokens.create_token(actor, name="t", scopes=allowed, days=1)[1]
        return client.generic(
            method, f"/api/v1/labeling{path}", json.dumps(body or {}), content_type="application/json",
            headers={"Authorization": f"Bearer {secrets[role]}"},
        )  # fmt: skip

    return ask
