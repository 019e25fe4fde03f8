"""Fixtures of the labeling tests: a cast, its actors, and a broker."""

from collections.abc import Callable, Iterator

import pytest

from tests.labeling.campaigns import labelers
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
