"""The training pages by HTTP: lists, launch, a run, curves, comparison, checkpoints; who may, and hostile text."""

import html
import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from tests.training.launching import ACTOR, checkpoint, launched, metrics, prose, with_state
from tilth.accounts.models import AuditEntry
from tilth.jobs.models import Attempt
from tilth.storage import Storage
from tilth.ui.references import resolve
from training import extra
from training.actions import checkpoints, runs
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.fixture
def client(client_for: ClientFor) -> Client:
    return client_for("researcher")


def text(response: Any) -> str:
    return html.unescape(response.content.decode())


def form(**changes: Any) -> dict[str, Any]:
    """The launch form of a tiny tokenizer, as a browser sends it."""
    filled = {
        "stage": "tokenizer",
        "preset": "smoke",
        "name": "",
        "gpus": "0",
        "priority": "0",
        "dataset": ["prose@1"],
        "weight": [""],
        "epochs": [""],
        "validation": "",
        "set-vocabulary": "300",
        "set-sample_bytes": "1e6",
        "set-minimum_count": "2",
        "set-measure_bytes": "200_000",
        "set-context": "64",
        "set-seed": "0",
    }
    return {**filled, **changes}


@pytest.mark.parametrize(
    ("role", "status"), [(None, 302), ("labeler", 403), ("reviewer", 403), ("lead", 403), ("researcher", 200)]
)
def test_who_may_look_and_launch(storage: Storage, client_for: ClientFor, role: str | None, status: int):
    run = launched(storage)
    asked = client_for(role)
    for name, args in (("runs", []), ("new", []), ("run", [run.pk]), ("live", [run.pk])):
        assert asked.get(reverse(f"training:{name}", args=args)).status_code == status
    posted = asked.post(reverse("training:new"), form())
    assert posted.status_code == (302 if status == 200 else status)
    assert Run.objects.count() == (2 if status == 200 else 1)


def test_an_empty_list_says_what_to_do(client: Client):
    page = text(client.get(reverse("training:runs")))
    assert "No run yet" in page and "Launch the first run" in page


def test_without_the_training_extra_the_pages_say_how_to_enable_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(extra, "PACKAGES", ("no_such_package",))
    for name in ("runs", "new"):
        assert "make up TRAINING=1" in text(client.get(reverse(f"training:{name}")))


def test_the_list_is_searched_filtered_and_paged(storage: Storage, client: Client):
    done = with_state(launched(storage, name="Sourdough"), "succeeded")
    for n in range(26):
        launched(storage, name=f"Roll {n}")
    address = reverse("training:runs")
    assert "Page 1 of 2" in " ".join(text(client.get(address)).split())
    assert list(client.get(address, {"q": "sour"}).context["page"]) == [done]
    assert list(client.get(address, {"state": "succeeded"}).context["page"]) == [done]
    assert client.get(address, {"state": "active"}).context["page"].paginator.count == 26
    assert client.get(address, {"stage": "tokenizer"}).context["page"].paginator.count == 27
    assert "No run fits" in text(client.get(address, {"q": "cake"}))
    assert "No run fits" in text(client.get(address, {"state": "nonsense"}))


def test_the_list_asks_as_much_for_many_runs_as_for_few(
    storage: Storage, client: Client, django_assert_max_num_queries: Any
):
    for n in range(12):
        launched(storage, name=f"Roll {n}")
    with django_assert_max_num_queries(12):
        client.get(reverse("training:runs"))


def test_the_form_is_made_from_the_stages_settings(storage: Storage, client: Client):
    prose(storage)
    page = text(client.get(reverse("training:new"), {"stage": "tokenizer", "preset": "smoke"}))
    assert 'name="set-vocabulary" value="512"' in page and "(264 to 1,000,000)" in page
    assert "prose@1 · 200 rows" in page and 'name="set-balance"' in page
    assert 'name="base"' not in page and 'name="tokenizer"' not in page
    assert client.get(reverse("training:new"), {"stage": "teach"}).status_code == 400


def test_another_preset_fills_the_settings_anew(client: Client):
    asked = {"stage": "tokenizer", "preset": "large"}
    page = text(client.get(reverse("training:settings"), asked))
    assert 'name="set-vocabulary" value="65536"' in page and "checked" in page
    assert client.get(reverse("training:settings"), {**asked, "preset": "x"}).status_code == 400
    for name, gpus in (("smoke", 0), ("full", 1)):
        page = text(client.get(reverse("training:settings"), {"stage": "sft", "preset": name}))
        assert f'name="gpus" value="{gpus}"' in page


def test_a_launch_by_the_form_is_what_was_typed(storage: Storage, client: Client):
    prose(storage)
    prose(storage, "more", 20, 300)
    prose(storage, "held", 20, 600)
    sent = form(
        dataset=["prose@1", "", "more@1"],
        weight=["2", "", ""],
        epochs=["", "", "1,5"],
        validation="held@1",
        **{"set-balance": "on", "name": "Mine", "priority": "4"},
    )
    response = client.post(reverse("training:new"), sent)
    run = Run.objects.get()
    assert response.url == reverse("training:run", args=[run.pk])
    assert [(i["reference"], i["role"], i["weight"], i["epochs"]) for i in run.inputs] == [
        ("prose@1", "train", 2.0, None),
        ("more@1", "train", 1.0, 1.5),
        ("held@1", "validation", 1.0, None),
    ]
    assert (run.name, run.priority, run.preset) == ("Mine", 4, "smoke")
    assert run.config["sample_bytes"] == 1_000_000 and run.config["measure_bytes"] == 200_000
    assert run.config["balance"] is True and run.created_by is not None


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"set-vocabulary": "3"}, "set-vocabulary", "at least 264"),
        ({"set-vocabulary": ""}, "set-vocabulary", "field is required"),
        ({"set-seed": "many"}, "set-seed", "whole number"),
        ({"preset": "huge"}, "preset", "not one of the available choices"),
        ({"gpus": "99"}, "gpus", "less than or equal"),
        ({"dataset": [""]}, None, "needs a dataset"),
        ({"dataset": ["nothing@1"]}, None, "no dataset version nothing@1"),
        ({"weight": ["much"]}, None, "weight is a number"),
        ({"weight": ["-1"]}, None, "above zero"),
        ({"weight": ["0"]}, None, "above zero"),
        ({"validation": "nothing@1"}, "validation", "not one of the available choices"),
    ],
)
def test_a_fault_is_shown_at_its_field_and_what_was_typed_stays(
    storage: Storage, client: Client, changes: dict[str, Any], field: str | None, says: str
):
    prose(storage)
    response = client.post(reverse("training:new"), form(name="My words", **changes))
    assert response.status_code == 422 and not Run.objects.exists()
    errors = response.context["form"].errors
    assert says in str(errors[field or "__all__"])
    assert "My words" in text(response)
    preview = text(client.post(reverse("training:preview"), form(**changes)))
    assert says in preview


def test_the_preview_tells_what_it_will_take_and_writes_nothing(storage: Storage, client: Client):
    prose(storage)
    page = text(client.post(reverse("training:preview"), form()))
    assert "tokens" in page and "its time is not known" in page
    assert not Run.objects.exists()


def test_a_stage_that_measures_reads_its_rows_for_that_and_may_keep_items(storage: Storage, client: Client):
    prose(storage)
    model = checkpoint(launched(storage), 4, "model")
    address = reverse("training:new") + f"?stage=evaluate&base={model.reference}"
    page = text(client.get(address))
    assert "Dataset to make" in page and "Empty: figures alone." in page and "drawn by weight" not in page
    sent = {
        "stage": "evaluate",
        "preset": "default",
        "gpus": "0",
        "priority": "0",
        "dataset": ["prose@1"],
        "weight": [""],
        "epochs": [""],
        "base": model.reference,
        "output": "items",
        "set-format": "plain",
        "set-samples": "1",
        "set-tries": "1",
        "set-temperature": "0",
        "set-top_p": "1",
        "set-max_tokens": "8",
        "set-batch": "4",
        "set-tool_rounds": "4",
        "set-seed": "0",
    }
    response = client.post(address, sent)
    assert response.status_code == 302, response.context["form"].errors
    run = Run.objects.get(stage="evaluate")
    assert (run.inputs[0]["role"], run.version.reference, run.base) == ("eval", "items@1", model)
    again = text(client.get(reverse("training:new") + f"?from={run.pk}"))
    assert 'value="items"' in again and '<option value="prose@1" selected>' in again
    assert "items@1" in text(client.get(reverse("training:run", args=[run.pk])))
    wrong = client.post(address, {**sent, "output": "prose"})
    assert "in use for documents" in str(wrong.context["form"].errors["output"])


def test_a_clone_begins_with_what_the_run_was_asked_for(storage: Storage, client: Client):
    run = launched(storage, name="First", settings={"vocabulary": 333})
    address = reverse("training:new") + f"?from={run.pk}"
    page = text(client.get(address))
    assert 'name="set-vocabulary" value="333"' in page and "Clone of First" in page
    assert '<option value="prose@1" selected>' in page
    client.post(address, form(name="Second"))
    child = Run.objects.get(name="Second")
    assert child.parent == run and child.config["vocabulary"] == 300
    assert child.reference in text(client.get(reverse("training:run", args=[run.pk])))


def test_a_waiting_run_says_what_for_and_can_be_steered(storage: Storage, client: Client):
    run = launched(storage)
    address = reverse("training:run", args=[run.pk])
    page = text(client.get(address))
    assert "No worker is running" in page and "Cancel the run" in page and "hx-trigger" in page
    for verb, state in (
        ("pause", "paused"),
        ("resume", "queued"),
        ("cancel", "cancelled"),
        ("retry", "queued"),
    ):
        assert client.post(reverse("training:steer", args=[run.pk, verb])).url == address
        run.refresh_from_db()
        assert run.state == state
    assert client.post(reverse("training:steer", args=[run.pk, "explode"])).status_code == 404
    assert client.post(reverse("training:steer", args=[run.pk, "resume"])).status_code == 409


def test_a_run_shows_values_checkpoints_restarts_and_its_record(storage: Storage, client: Client):
    run = launched(storage, settings={"vocabulary": 300}, name="Bread")
    metrics(run, loss={1: 3.0, 2: 2.25})
    checkpoint(run, 0, tokens=1234, bytes=10)
    for number, reason in ((1, "Its worker process died."), (2, "")):
        state = Attempt.State.LOST if reason else Attempt.State.SUCCEEDED
        Attempt.objects.create(
            job=run.job, number=number, worker_name="w", host="h", state=state, reason=reason
        )
    with_state(run, "succeeded", attempt=2, result={"checkpoint": "checkpoint:1/0", "languages": {"en": 4.5}})
    page = text(client.get(reverse("training:run", args=[run.pk])))
    for part in (
        "2.25",
        "Loss at step 2",
        f"checkpoint:{run.pk}/0",
        "Its worker process died.",
        "Languages en",
    ):
        assert part in page
    assert "<strong>300</strong>" in page and "prose@1" in page
    assert "every 2s" not in text(client.get(reverse("training:live", args=[run.pk])))


def test_a_failed_run_says_why_and_what_to_do(storage: Storage, client: Client):
    run = with_state(launched(storage), "failed", error={"message": f"No {HOSTILE}", "retryable": False})
    response = client.get(reverse("training:run", args=[run.pk]))
    assert "Put right what it says" in text(response) and f"No {HOSTILE}" in text(response)
    assert HOSTILE not in response.content.decode()


@pytest.mark.parametrize(
    "changes",
    [{"config": {"words": 3}}, {"stage": "gone"}, {"preset": "gone"}, {"config": {"vocabulary": 1}}],
)
def test_a_run_of_another_day_is_still_shown(storage: Storage, client: Client, changes: dict[str, Any]):
    run = launched(storage, name="Old")
    metrics(run, loss={1: 2.0})
    with_state(run, "succeeded")
    Run.objects.filter(pk=run.pk).update(**changes)
    other = launched(storage)
    for address in (
        reverse("training:runs"),
        reverse("training:run", args=[run.pk]),
        reverse("training:series") + f"?run={run.pk}",
        reverse("training:compare") + f"?run={run.pk}&run={other.pk}",
    ):
        assert client.get(address).status_code == 200, address
    assert client.post(reverse("training:preview"), form()).status_code == 200


def test_names_from_outside_stay_text(storage: Storage, client: Client):
    run = launched(storage, name=HOSTILE)
    metrics(run, **{HOSTILE: {1: 1.0}})
    made = checkpoint(run, 0, architecture=HOSTILE, metrics={HOSTILE: 1.0}, state="pruned")
    compared = reverse("training:compare") + f"?run={run.pk}&run={launched(storage).pk}"
    addresses = [
        reverse("training:runs"),
        reverse("training:run", args=[run.pk]),
        reverse("training:checkpoint", args=[run.pk, made.step]),
        reverse("training:new") + f"?from={run.pk}",
        compared,
    ]
    for address in addresses:
        assert HOSTILE not in client.get(address).content.decode(), address


def test_curves_come_as_numbers_and_only_when_there_are_new_ones(storage: Storage, client: Client):
    run = launched(storage)
    address = reverse("training:series")
    metrics(run, loss={1: 3.0})
    first = client.get(address, {"run": run.pk}).json()
    assert first["live"] is True and first["runs"][0]["series"]["loss"]["y"] == [3.0]
    known = {"run": run.pk, "stamp": first["stamp"]}
    assert client.get(address, known).status_code == 204
    metrics(run, loss={2: 2.0})
    assert client.get(address, known).json()["runs"][0]["series"]["loss"]["y"] == [3.0, 2.0]
    with_state(run, "succeeded")
    ended = client.get(address, {**known, "stamp": client.get(address, known).json()["stamp"]})
    assert ended.status_code == 200 and ended.json()["live"] is False
    assert client.get(address, {"run": "x"}).status_code == 400
    assert client.get(address, {"run": 999_999}).status_code == 404
    assert client.get(address, {"run": list(range(1, 10))}).status_code == 400


def test_curves_are_a_table_that_no_spreadsheet_takes_for_formulas(storage: Storage, client: Client):
    run = launched(storage)
    metrics(run, **{"=loss": {1: 3.0}})
    lines = b"".join(client.get(reverse("training:curves_csv", args=[run.pk]))).decode().splitlines()
    assert lines == ["name,step,value,at,attempt", "'=loss,1,3.0,,1"]


def test_runs_are_compared_by_what_differs(storage: Storage, client: Client):
    first = launched(storage, name="Small", settings={"vocabulary": 300})
    second = launched(storage, name="Large", settings={"vocabulary": 400})
    metrics(first, loss={1: 3.5})
    metrics(second, loss={1: 2.5}, extra={1: 1.0})
    page = text(client.get(reverse("training:compare"), {"run": [first.pk, second.pk]}))
    assert "vocabulary" in page and "minimum_count" not in page
    assert "3.5" in page and "2.5" in page and f"run={first.pk}&run={second.pk}" in page
    same = runs.clone(ACTOR, first)
    page = text(client.get(reverse("training:compare"), {"run": [first.pk, same.pk]}))
    assert "They were asked for alike" in page
    assert client.get(reverse("training:compare"), {"run": first.pk}).status_code == 400


def kept(storage: Storage, run: Run, tmp_path: Path, **fields: Any) -> Checkpoint:
    """A checkpoint with files."""
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights" * 1000)
    (made / "deep" / "config.json").write_text("{}")
    given = {"stage": run.stage, "holds": "model", "parents": ["prose@1"], "licence": "MIT", **fields}
    store(storage, made, Stored(run=run.pk, step=7, **given), attempt=1)
    return checkpoints.register(ACTOR, run, 7)


def test_a_checkpoint_has_a_page_with_lineage_files_and_what_to_do_next(
    storage: Storage, client: Client, tmp_path: Path
):
    run = launched(storage, name="Bread")
    made = kept(storage, run, tmp_path, record={"packages": {"torch": "2.0"}}, metrics={"loss": 2.5})
    page = text(client.get(reverse("training:checkpoint", args=[run.pk, 7])))
    for part in (
        "Bread",
        "model.safetensors",
        "prose@1",
        "Packages torch",
        "2.5",
        "MIT",
        "Hugging Face folder",
    ):
        assert part in page, part
    assert client.get(reverse("training:checkpoint", args=[run.pk, 8])).status_code == 404
    found = resolve(made.reference)
    assert (found.url, found.state) == (reverse("training:checkpoint", args=[run.pk, 7]), "kept")
    assert resolve(run.reference).title == "Bread"


def test_a_checkpoint_shows_what_its_model_wrote(storage: Storage, client: Client, tmp_path: Path):
    run = launched(storage)
    written = [{"prompt": "The cat", "text": f" sees {HOSTILE}", "ended": False}, "no sample"]
    made = tmp_path / "made"
    made.mkdir()
    (made / "samples.json").write_text(json.dumps(written))
    store(storage, made, Stored(run=run.pk, step=7, stage="pretrain", holds="model"), attempt=2)
    checkpoints.register(ACTOR, run, 7)
    response = client.get(reverse("training:checkpoint", args=[run.pk, 7]))
    listed = client.get(reverse("training:samples", args=[run.pk]))
    for page in (response, listed):
        assert "The cat</span> sees" in text(page) and HOSTILE in text(page)
        assert HOSTILE not in page.content.decode()
    assert "Step 7" in text(listed)


def test_a_checkpoint_is_taken_away_as_a_folder_with_its_card(
    storage: Storage, client: Client, tmp_path: Path
):
    run = launched(storage, name="Bread *and* butter")
    kept(storage, run, tmp_path)
    response = client.get(reverse("training:download", args=[run.pk, 7]))
    archive = zipfile.ZipFile(BytesIO(b"".join(response)))
    assert archive.testzip() is None
    folder = f"model-{run.pk}-7"
    assert set(archive.namelist()) == {
        f"{folder}/README.md",
        f"{folder}/model.safetensors",
        f"{folder}/deep/config.json",
    }
    assert archive.read(f"{folder}/model.safetensors") == b"weights" * 1000
    card = archive.read(f"{folder}/README.md").decode()
    matter = yaml.safe_load(card.split("---")[1])
    assert matter == {
        "license": "mit",
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["tilth", "tokenizer"],
    }
    assert "# Bread \\*and\\* butter" in card and "`prose@1`" in card
    assert AuditEntry.objects.filter(verb="checkpoint.download", target=f"checkpoint:{run.pk}/7").exists()


def test_a_pruned_checkpoint_keeps_its_page_and_has_no_files(storage: Storage, client: Client):
    made = checkpoint(launched(storage), 3, state="pruned")
    page = text(client.get(reverse("training:checkpoint", args=[made.run_id, 3])))
    assert "were pruned" in page and "Hugging Face folder" not in page
    assert client.get(reverse("training:download", args=[made.run_id, 3])).status_code == 404
