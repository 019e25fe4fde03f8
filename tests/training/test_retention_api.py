"""Which checkpoints of a run stay, over the API: rules, what would go, and taking it away."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.training.launching import checkpoint, launched
from tilth.jobs.models import Job
from tilth.storage import Storage
from training.models.retention import Retention
from training.models.runs import Run

pytestmark = pytest.mark.django_db
ODD: list[Any] = [10**30, -(2**64), 0, "\x00", "\ud800", "x" * 5000, [], {}, 1.5, True]


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.fixture
def run(storage: Storage) -> Run:
    """A run with four checkpoints as rows."""
    made = launched(storage)
    for step in (1, 2, 3, 4):
        checkpoint(made, step, "model", bytes=10 * step, metrics={"loss": 4.0 - step})
    return made


@pytest.fixture
def api(client_for: Callable[..., Client]) -> Client:
    return client_for("researcher")


def post(api: Client, address: str, body: Any) -> Any:
    return api.post(address, json.dumps(body), "application/json")


def at(run: Run, what: str) -> str:
    return f"/api/v1/training/runs/{run.pk}/{what}"


def test_rules_are_read_and_replaced(run: Run, api: Client):
    empty = {"every": None, "last": None, "metric": "", "lowest": True, "automatic": False}
    assert api.get(at(run, "retention")).json() == empty and not Retention.objects.exists()
    wanted = {"every": 2, "last": 3, "metric": "loss", "lowest": False, "automatic": True}
    assert post(api, at(run, "retention"), wanted).json() == wanted
    assert api.get(at(run, "retention")).json() == wanted
    assert post(api, at(run, "retention"), {"last": 1}).json() == {**empty, "last": 1}
    for wrong, field in (
        ({"last": 0}, "last"),
        ({"every": 10**9}, "every"),
        ({"automatic": True}, "automatic"),
    ):
        answer = post(api, at(run, "retention"), wrong)
        assert answer.status_code == 400 and answer.json()["field"] == field
    assert Retention.objects.get().last == 1


def test_what_would_go_is_looked_at_and_then_pruned(run: Run, api: Client):
    post(api, at(run, "retention"), {"last": 2})
    shown = api.get(at(run, "prune")).json()
    assert [(line["step"], line["stays"]) for line in shown] == [
        (4, ["the newest"]),
        (3, ["among the last 2"]),
        (2, []),
        (1, []),
    ]
    assert shown[2] == {"reference": f"checkpoint:{run.pk}/2", "step": 2, "bytes": 20, "stays": []}
    assert [line["step"] for line in api.get(at(run, "prune"), {"before": 4, "limit": 2}).json()] == [3, 2]
    assert not Job.objects.filter(kind="checkpoint_prune").exists(), "a look takes nothing away"
    refused = post(api, at(run, "prune"), {"steps": [1, 4]})
    assert refused.status_code == 409 and f"checkpoint:{run.pk}/4" in refused.json()["message"]
    assert post(api, at(run, "prune"), {"steps": []}).status_code == 400
    gone = post(api, at(run, "prune"), {"steps": [1, 2]}).json()
    assert [(one["reference"], one["bytes"]) for one in gone] == [
        (f"checkpoint:{run.pk}/1", 10),
        (f"checkpoint:{run.pk}/2", 20),
    ]
    assert len(gone[0]["manifest_sha256"]) == 64
    assert [line["step"] for line in api.get(at(run, "prune")).json()] == [4, 3]
    assert Job.objects.filter(kind="checkpoint_prune").count() == 1


@pytest.mark.parametrize("role", [None, "labeler", "reviewer", "lead"])
def test_who_may_not_train_changes_nothing(run: Run, client_for: Callable[..., Client], role: str | None):
    client, status = client_for(role), 403 if role else 401
    answers = [
        client.get(at(run, "retention")),
        post(client, at(run, "retention"), {"last": 1}),
        client.get(at(run, "prune")),
        post(client, at(run, "prune"), {"steps": [1]}),
    ]
    assert {answer.status_code for answer in answers} == {status}
    assert not Retention.objects.exists()


def test_nothing_that_is_sent_breaks_the_api(run: Run, api: Client):
    for value in ODD:
        for name in ("every", "last", "metric", "lowest", "automatic"):
            answer = post(api, at(run, "retention"), {name: value})
            assert answer.status_code < 500, (name, value)
        for steps in (value, [value]):
            assert post(api, at(run, "prune"), {"steps": steps}).status_code < 500, value
    assert api.get(at(run, "prune"), {"before": 10**30}).status_code == 200
    assert api.get("/api/v1/training/runs/999999/retention").status_code == 404
