"""Training over the API: what it gives, launches and refuses, whatever is sent."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.training.launching import checkpoint, launched, let_through, metrics, prose, with_state
from tilth.accounts.models import User
from tilth.storage import Storage
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/training/runs"
ASKED: dict[str, Any] = {
    "stage": "tokenizer",
    "preset": "smoke",
    "inputs": [{"reference": "prose@1", "weight": 2}],
    "settings": {"vocabulary": 300},
}


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.fixture
def api(client_for: Callable[..., Client]) -> Client:
    return client_for("researcher")


def post(api: Client, address: str, body: Any = None) -> Any:
    return api.post(address, json.dumps(body if body is not None else {}), "application/json")


def test_stages_are_described_with_settings_and_presets(api: Client):
    stages = {stage["name"]: stage for stage in api.get("/api/v1/training/stages").json()}
    tokenizer = stages["tokenizer"]
    vocabulary = next(item for item in tokenizer["settings"] if item["name"] == "vocabulary")
    assert (vocabulary["type"], vocabulary["default"], vocabulary["minimum"]) == ("int", 32_768, 264)
    assert [item["name"] for item in tokenizer["presets"]] == ["default", "smoke", "small", "large"]
    assert tokenizer["train"] == ["documents"] and tokenizer["base"] == "none"


def test_a_run_is_launched_and_read(storage: Storage, api: Client):
    prose(storage)
    answer = post(api, RUNS, ASKED)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["state"], made["config"]["vocabulary"]) == ("checking", 300)
    assert made["inputs"][0]["weight"] == 2.0 and "No worker is running" in made["waits_for"]
    run = let_through(Run.objects.get())
    checkpoint(run)
    metrics(run, loss={1: 2.5})
    with_state(run, "succeeded", result={"fine": True})
    read = api.get(f"{RUNS}/{run.pk}").json()
    assert (read["state"], read["result"], read["checkpoints"]) == (
        "succeeded",
        {"fine": True},
        [f"checkpoint:{run.pk}/0"],
    )
    assert api.get(f"{RUNS}/{run.pk}/series").json()["loss"]["y"] == [2.5]
    assert api.get(f"{RUNS}/999999").status_code == 404


def test_runs_are_listed_and_narrowed(storage: Storage, api: Client):
    first, second = launched(storage, name="Bread"), launched(storage, name="Cake")
    with_state(second, "failed")

    def names(query: str) -> list[str]:
        return [run["name"] for run in api.get(f"{RUNS}?{query}").json()]

    assert names("") == ["Cake", "Bread"] and names(f"before={second.pk}") == ["Bread"]
    assert names("limit=1") == ["Cake"] and names("q=bre") == ["Bread"]
    assert names("state=failed") == ["Cake"] and names("stage=sft") == []
    assert api.get(f"{RUNS}?state=odd").json()["field"] == "state"
    assert first.pk


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"stage": "teach"}, "stage"),
        ({"inputs": []}, "dataset"),
        ({"inputs": [{"reference": "prose@1", "role": "guess"}]}, "role"),
        ({"settings": {"vocabulary": 1}}, "vocabulary"),
        ({"settings": {"vocabulary": "300"}}, "vocabulary"),
        ({"settings": {"vocabulary": [300]}}, "vocabulary"),
        ({"gpus": 99}, "gpus"),
    ],
)
def test_a_fault_names_its_field_and_nothing_is_made(
    storage: Storage, api: Client, changes: dict[str, Any], field: str
):
    prose(storage)
    for address in (RUNS, "/api/v1/training/estimate"):
        answer = post(api, address, {**ASKED, **changes})
        assert answer.status_code == 400 and answer.json()["field"] == field
    assert not Run.objects.exists()


def test_an_estimate_writes_nothing(storage: Storage, api: Client):
    version = prose(storage)
    found = post(api, "/api/v1/training/estimate", ASKED).json()
    assert (found["tokens"], found["seconds"], found["measured"]) == (version.tokens, None, 0)
    assert not Run.objects.exists()


def test_a_run_is_steered_and_cloned(storage: Storage, api: Client):
    run = launched(storage, name="First")
    for verb, state in (
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        assert post(api, f"{RUNS}/{run.pk}/{verb}").json()["state"] == state
    assert post(api, f"{RUNS}/{run.pk}/resume").status_code == 409
    child = post(api, f"{RUNS}/{run.pk}/clone", {"name": "Second", "settings": {"seed": 3}}).json()
    assert (child["name"], child["parent"], child["seed"]) == ("Second", run.reference, 3)
    assert child["config"]["vocabulary"] == 300


def test_checkpoints_are_listed_read_and_taken_away(storage: Storage, api: Client):
    run = launched(storage)
    kept = checkpoint(run, 1, "model", bytes=5)
    checkpoint(run, 0)
    checkpoint(run, 2, state=Checkpoint.State.PRUNED)

    def listed(query: str = "") -> list[int]:
        return [item["step"] for item in api.get(f"/api/v1/training/checkpoints?{query}").json()]

    assert listed() == [1, 0] and listed("holds=model") == [1] and listed("offset=1") == [0]
    read = api.get(f"/api/v1/training/checkpoints/{run.pk}/1").json()
    assert (read["reference"], read["run"], read["bytes"]) == (kept.reference, run.reference, 5)
    assert api.get(f"/api/v1/training/checkpoints/{run.pk}/2/download").status_code == 404
    assert api.get(f"/api/v1/training/checkpoints/{run.pk}/9").status_code == 404


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([2**63, -(2**64), 10**30, 1e308, -1e308])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(
        ["prose@1", "prose@99999999999", "checkpoint:1/0", "tokenizer", "smoke", "\x00", "\ud800"]
    )
)
DEEP = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    field=st.sampled_from(
        ["stage", "name", "preset", "base", "tokenizer", "reward_model", "gpus", "priority", "inputs"]
    ),
    value=DEEP,
    setting=st.sampled_from(["vocabulary", "sample_bytes", "balance", "seed", "context", "odd"]),
    given_value=DEEP,
    row=st.fixed_dictionaries({"reference": VALUES, "role": VALUES, "weight": VALUES, "epochs": VALUES}),
)
def test_nothing_that_is_sent_breaks_the_api(
    storage: Storage,
    people: dict[str, User],
    api: Client,
    field: str,
    value: Any,
    setting: str,
    given_value: Any,
    row: Any,
):
    if not Run.objects.exists():
        launched(storage)
    bodies = [
        {**ASKED, field: value},
        {**ASKED, "settings": {setting: given_value}},
        {**ASKED, "inputs": [row]},
        {**ASKED, "inputs": [{"reference": "prose@1", "weight": row["weight"], "epochs": row["epochs"]}]},
    ]
    for body in bodies:
        for address in (RUNS, "/api/v1/training/estimate"):
            assert post(api, address, body).status_code < 500, body
