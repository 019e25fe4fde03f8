"""Evaluations on tasks of lm-evaluation-harness: launched without a dataset, kept within folders, compared, watched."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.training.ablating import asked, end
from tests.training.launching import ACTOR, checkpoint, launched, with_state
from tests.training.measuring import evaluation, figure, quiz
from tilth.accounts.actors import SHELL, Actor
from tilth.accounts.models import User
from tilth.errors import InvalidInput
from tilth.storage import Storage
from training import jobs
from training.actions import ablations, runs
from training.launch import Wanted
from training.measured import COMBINED, PAIRED, tables
from training.models.ablations import AblationEvaluation
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url
    settings.SOURCE_ROOTS = ["/srv/inbox"]


@pytest.fixture
def model(storage: Storage) -> Checkpoint:
    return checkpoint(launched(storage), 400, "model")


def on_tasks(model: Checkpoint, **settings: Any) -> Wanted:
    return Wanted(stage="evaluate", base=model.reference, settings={"tasks": "exams/sums", **settings})


def test_a_folder_of_tasks_takes_the_place_of_a_dataset(model: Checkpoint):
    run = runs.launch(ACTOR, on_tasks(model, task_names="sums", fewshot=3))
    assert (run.name, run.inputs, run.config["task_names"]) == ("Evaluation on sums", [], "sums")
    with pytest.raises(InvalidInput, match="choose one, or name a folder in the setting tasks") as caught:
        runs.launch(ACTOR, Wanted(stage="evaluate", base=model.reference))
    assert caught.value.field == "dataset"
    with pytest.raises(InvalidInput, match="Name the folder") as caught:
        runs.launch(ACTOR, on_tasks(model, tasks=" ", task_names="sums"))
    assert caught.value.field == "tasks"


def test_only_the_shell_reads_beyond_the_folders_that_the_operator_names(
    storage: Storage, model: Checkpoint, people: dict[str, User]
):
    def roots(actor: Actor) -> list[str]:
        run = runs.launch(actor, on_tasks(model, tasks="/etc"))
        assert run.preflight is not None
        return run.preflight.params["source_roots"]

    assert roots(Actor.system(SHELL)) == ["/"]
    assert roots(Actor(user=people["researcher"])) == roots(Actor.system("training")) == ["/srv/inbox"]
    quiz(storage)
    settings = {"tasks": "/etc"}
    made = ablations.launch(
        Actor(user=people["researcher"]),
        asked(storage, evals=("quiz@1",), metric="quiz@1/accuracy", eval_settings=settings, seeds=2),
    )
    first = made.cells.first()
    assert first is not None
    run = end(first.run, 1.0)
    checkpoint(run, 60, "model")
    ablations.evaluate(jobs.ACTOR, run)
    measured = AblationEvaluation.objects.get().run.preflight
    assert measured is not None and measured.params["source_roots"] == ["/srv/inbox"]


def test_the_form_offers_tasks_and_launches_without_a_dataset(model: Checkpoint, client_for: Any):
    client: Client = client_for("researcher")
    address = reverse("training:new") + f"?stage=evaluate&base={model.reference}"
    response = client.get(address)
    page, form = response.content.decode(), response.context["form"]
    assert "May stay empty where a folder of tasks is named" in page
    for name in ("tasks", "task_names", "fewshot"):
        assert f'name="set-{name}"' in page
    offered = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in offered.items() if value is not None}
    sent |= {"stage": "evaluate", "base": model.reference, "set-task_names": "sums"}
    wrong = client.post(address, sent)
    assert "Name the folder" in str(wrong.context["form"].errors["set-tasks"])
    response = client.post(address, {**sent, "set-tasks": "exams", "set-fewshot": "5"})
    assert response.status_code == 302, response.context["form"].errors
    run = Run.objects.get(stage="evaluate")
    assert (run.config["tasks"], run.config["task_names"], run.config["fewshot"]) == ("exams", "sums", 5)
    assert "exams" in client.get(reverse("training:run", args=[run.pk])).content.decode()


def measured(storage: Storage, model: Checkpoint, value: float, sha256: str = "a" * 64, **more: Any) -> Run:
    """An evaluation that has measured ``sums/acc`` beside a version."""
    run = evaluation(storage, model, {}, **more)
    about = {"sha256": sha256, "fewshot": 0, "items": 40, "score": "acc"}
    result = {"figures": {"sums": {"acc": figure(value, 0.05, 40)}}, "tasks": {"sums": about}}
    return with_state(run, "succeeded", attempt=1, result=result)


def test_tasks_are_compared_where_their_files_are_the_same(storage: Storage, model: Checkpoint):
    quiz(storage)
    other = checkpoint(launched(storage), 400, "model")
    first = measured(storage, model, 0.5, seed=1)
    measured(storage, other, 0.7, seed=2)
    both = [model.run, other.run]
    ((_, (_, cell)),) = tables(both, model.run)[0].rows
    # Nothing is drawn without examples: the seed is of no account.
    assert cell.delta is not None and (cell.delta.method, cell.delta.better) == (COMBINED, True)
    measured(storage, other, 0.9, sha256="b" * 64)
    (table,) = tables(both, model.run)
    assert table.heads[1].unlike == "files bbbbbbbb, not aaaaaaaa" and table.rows[0][1][1].delta is None
    assert tables([first, first], first)[0].version == "sums"


def test_items_of_tasks_are_paired(storage: Storage, model: Checkpoint):
    quiz(storage)
    other = checkpoint(launched(storage), 400, "model")
    for one, right in ((model, 20), (other, 26)):
        scores = [1.0] * right + [0.0] * (40 - right)
        measured(storage, one, right / 40, scores=scores, kept_as="sums")
    ((_, (_, cell)),) = tables([model.run, other.run], model.run)[0].rows
    assert cell.delta is not None and cell.delta.method == PAIRED and cell.delta.words == "+0.15"


def test_a_task_that_got_worse_is_told_where_its_files_are_the_same(storage: Storage):
    quiz(storage)
    trained = launched(storage)
    told = []
    for step, value, sha256 in ((100, 0.6, "a"), (200, 0.3, "b"), (300, 0.3, "a")):
        run = measured(storage, checkpoint(trained, step, "model"), value, sha256 * 64)
        jobs.finish(run.job, run.job.result)
        told.append([alert.series for alert in run.alerts.all()])
    assert told == [[], [], ["sums/acc"]]
