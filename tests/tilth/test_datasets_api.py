"""The datasets over the API: what it gives, what it refuses, and exports from start to download."""

import hashlib
import json
from collections.abc import Callable

import pytest
from django.test import Client

from tests.tilth.published import document, publish
from tilth.datasets.models import DatasetVersion, Export
from tilth.jobs.runner import run_inline
from tilth.storage import Storage

pytestmark = pytest.mark.django_db
BASE = "/api/v1/datasets/field-notes/versions/1"


@pytest.fixture
def notes(storage: Storage, people: dict) -> DatasetVersion:
    return publish(storage, "field-notes", "documents", [document(n) for n in range(60)])


@pytest.fixture
def api(client_for: Callable[..., Client]) -> Client:
    return client_for("researcher")


def test_datasets_and_versions_are_listed(api: Client, notes: DatasetVersion) -> None:
    assert [entry["name"] for entry in api.get("/api/v1/datasets?q=field").json()] == ["field-notes"]
    assert api.get("/api/v1/datasets?q=nothing").json() == []
    version = api.get("/api/v1/datasets/field-notes/versions").json()[0]
    assert (version["reference"], version["rows"], version["tokenizer"]) == (
        "field-notes@1",
        60,
        "estimated from bytes",
    )
    assert api.get(f"{BASE}/manifest").json()["shards"][0]["rows"] == 60
    assert api.get("/api/v1/datasets/none").status_code == 404
    assert api.get("/api/v1/datasets?kind=paintings").json()["field"] == "kind"


def test_rows_are_paged_and_searched(api: Client, notes: DatasetVersion) -> None:
    page = api.get(f"{BASE}/rows?at=55&limit=10").json()
    assert [row["row"] for row in page["rows"]] == [55, 56, 57, 58, 59]
    assert page["next"] is None and page["total"] == 60
    assert page["rows"][0]["text"] == document(55)["text"]
    found = api.get(f"{BASE}/rows?q=wheat&is.language=de&limit=2").json()
    assert [row["row"] for row in found["rows"]] == [0, 12]
    assert found["next"] == 13 and found["partial"] is False
    assert len(api.get(f"{BASE}/rows?limit=100000").json()["rows"]) == 60
    assert api.get(f"{BASE}/rows?min.language_score=x").json()["code"] == "bad_filter"


def test_an_export_is_started_polled_downloaded_and_deleted(api: Client, notes: DatasetVersion) -> None:
    body = json.dumps({"format": "jsonl", "options": {"columns": ["id", "text"]}})
    made = api.post(f"{BASE}/exports", body, content_type="application/json")
    assert made.status_code == 202
    export = Export.objects.get()
    run_inline(export.job)
    url = f"/api/v1/exports/{made.json()['id']}"
    state = api.get(url).json()
    assert state["state"] == "ready" and state["options"] == {"columns": ["id", "text"]}
    data = b"".join(api.get(f"{url}/download").streaming_content)
    assert hashlib.sha256(data).hexdigest() == state["sha256"]
    assert set(json.loads(data.splitlines()[0])) == {"id", "text"}
    assert api.delete(url).status_code == 204
    assert api.get(f"{url}/download").status_code == 404
    assert api.get(url).json()["state"] == "deleted"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"format": "trl"}, "bad_format"),
        ({"format": "jsonl", "options": {"columns": ["colour"]}}, "bad_column"),
        ({"format": "jsonl", "options": {"validation": 3}}, "bad_option"),
    ],
)
def test_choices_that_do_not_fit_are_refused(
    api: Client, notes: DatasetVersion, body: dict, code: str
) -> None:
    answer = api.post(f"{BASE}/exports", json.dumps(body), content_type="application/json")
    assert answer.status_code == 400 and answer.json()["code"] == code
    assert not Export.objects.exists()


@pytest.mark.parametrize("role", [None, "labeler", "reviewer"])
def test_others_get_nothing(
    client_for: Callable[..., Client], notes: DatasetVersion, role: str | None
) -> None:
    client = client_for(role)
    for path in ("/api/v1/datasets", BASE, f"{BASE}/rows", f"{BASE}/manifest", f"{BASE}/exports"):
        assert client.get(path).status_code == (401 if role is None else 403)


def test_a_lead_reads_but_does_not_export(client_for: Callable[..., Client], notes: DatasetVersion) -> None:
    client = client_for("lead")
    assert client.get(f"{BASE}/rows").status_code == 200
    answer = client.post(f"{BASE}/exports", json.dumps({"format": "jsonl"}), content_type="application/json")
    assert answer.status_code == 403
