"""A run's checkpoints are measured as it asked: which, when, once, by whom; form, command, API; its page and curves."""

import html
import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from tests.tilth.published import preference, publish
from tests.training.launching import ACTOR, checkpoint, launched, let_through, with_state
from tests.training.measuring import figure, quiz, store_model
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, User
from tilth.datasets.models import DatasetVersion
from tilth.errors import InvalidInput
from tilth.storage import Storage
from training import jobs
from training.actions import measuring, retention, runs
from training.launch import Input, Wanted, check, wanted_of
from training.models.checkpoints import Checkpoint
from training.models.runs import Measures, Run
from training.retention import Policy
from training.series import is_live, overlay, stamp

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]
API = "/api/v1/training/runs"
QUIZ = (Input("prose@1"), Input("quiz@1", "eval"))


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


def asked(storage: Storage, **changes: Any) -> Wanted:
    """A pretraining with evaluation data."""
    if not DatasetVersion.objects.filter(dataset__name="quiz").exists():
        quiz(storage)
    tokenizer = Checkpoint.objects.filter(holds="tokenizer").first() or checkpoint(launched(storage))
    given = {"stage": "pretrain", "preset": "smoke", "inputs": QUIZ, "tokenizer": tokenizer.reference}
    return Wanted(**{**given, **changes})


def training(storage: Storage, actor: Actor = ACTOR, **changes: Any) -> Run:
    """One that is at work."""
    return with_state(let_through(runs.launch(actor, asked(storage, **changes))), "running")


def tell(storage: Storage, run: Run, *steps: int) -> None:
    """The program has stored these checkpoints, and says so."""
    for step in steps:
        store_model(storage, run, step)
        jobs.take_in(run.job, {"name": f"checkpoint:{run.pk}/{step}"})


def measured() -> list[int]:
    """The steps that have an evaluation."""
    found = Run.objects.filter(stage="evaluate").exclude(measured=None)
    assert all(run.base_id == run.measured_id for run in found)
    return sorted(run.measured.step for run in found if run.measured)


def test_each_checkpoint_is_measured_once_however_often_it_is_announced(storage: Storage):
    run = training(storage, measures="each", name="Bread", priority=3)
    tell(storage, run, 20, 20, 40)
    assert measured() == [20, 40]
    tell(storage, run, 40)
    store_model(storage, run, 60)  # its event was lost
    for _ in range(2):
        jobs.finish(run.job, {})
    assert measured() == [20, 40, 60]
    first = Run.objects.get(measured__step=20)
    assert [(item["reference"], item["role"]) for item in first.inputs] == [("quiz@1", "eval")]
    assert (first.name, first.priority, first.gpus) == ("Bread · step 20", 3, 0)
    assert AuditEntry.objects.get(verb="run.launch", target=first.reference).system == "training"
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.filter(measured__step=40).update(measured=first.measured)


@pytest.mark.parametrize(("context", "tokens"), [(64, 32), (4096, 512), (0, 512)])
def test_a_small_model_has_room_for_its_tries(storage: Storage, context: int, tokens: int):
    run = training(storage, measures="each")
    store_model(storage, run, 20, context=context)
    jobs.take_in(run.job, {"name": f"checkpoint:{run.pk}/20"})
    assert Run.objects.get(measured__step=20).config["max_tokens"] == tokens


def test_the_last_checkpoint_is_measured_when_a_run_has_ended_well(storage: Storage):
    run = training(storage)
    assert run.measures == Measures.LAST
    tell(storage, run, 20, 40)
    assert measured() == []
    for _ in range(2):
        jobs.finish(run.job, {})
    assert measured() == [40]
    stopped = training(storage)
    tell(storage, stopped, 20)
    jobs.give_up(with_state(stopped, "cancelled").job)
    quiet = training(storage, measures="none")
    tell(storage, quiet, 20)
    jobs.finish(quiet.job, {})
    assert measured() == [40]


def test_an_evaluation_belongs_to_who_owns_the_run_and_to_nobody_who_may_not(
    storage: Storage, people: dict[str, User]
):
    owner = people["researcher"]
    run = training(storage, Actor(user=owner), measures="each")
    tell(storage, run, 20)
    made = let_through(Run.objects.get(measured__step=20))
    assert made.created_by == owner and made.job is not None and made.job.created_by == owner
    User.objects.filter(pk=owner.pk).update(role="labeler")
    tell(storage, run, 40)
    jobs.finish(run.job, {})
    assert measured() == [20]
    assert run.checkpoints.count() == 2


def test_what_cannot_be_measured_does_not_undo_the_training(storage: Storage):
    run = training(storage, measures="each")
    DatasetVersion.objects.filter(dataset__name="quiz").update(state="withdrawn")
    tell(storage, run, 20)
    jobs.finish(run.job, {})
    assert measured() == [] and run.checkpoints.get().is_kept
    DatasetVersion.objects.filter(dataset__name="quiz").update(state="published")
    jobs.finish(run.job, {})
    failed = with_state(let_through(Run.objects.get(measured__step=20)), "failed", error={"message": "No."})
    jobs.give_up(failed.job)
    assert Run.objects.get(pk=run.pk).state == "running"
    assert measuring.measure(ACTOR, run) == [], "a failed evaluation is retried on its page, not begun again"


def test_a_reward_model_is_measured_on_preferences_alone(storage: Storage):
    for name in ("pairs", "held"):
        publish(storage, name, "preferences", [preference(f"{name} {n}", "yes", "no") for n in range(3)])
    base = checkpoint(training(storage), 20, "model")
    both = (Input("pairs@1"), Input("held@1", "eval"), Input("quiz@1", "eval"))
    reward = {"stage": "reward", "base": base.reference, "tokenizer": ""}
    run = training(storage, **reward, inputs=both, measures="each")
    store_model(storage, run, 20, architecture="LlamaForSequenceClassification")
    jobs.take_in(run.job, {"name": f"checkpoint:{run.pk}/20"})
    (made,) = Run.objects.exclude(measured=None)
    assert [item["reference"] for item in made.inputs] == ["held@1"]
    without = asked(storage, **reward, inputs=(both[0], both[2]))
    assert check(without).measures == Measures.NONE
    with pytest.raises(InvalidInput, match="measured on nothing else"):
        check(asked(storage, **reward, inputs=(both[0], both[2]), measures="last"))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"measures": "all"}, "one of last, each, none"),
        ({"measures": "each", "inputs": QUIZ[:1]}, "Choose evaluation data"),
        ({"stage": "tokenizer", "tokenizer": "", "inputs": QUIZ[:1], "measures": "last"}, "makes no model"),
    ],
)
def test_what_makes_no_sense_is_refused(storage: Storage, changes: dict[str, Any], says: str):
    with pytest.raises(InvalidInput, match=says) as caught:
        check(asked(storage, **changes))
    assert caught.value.field == "measures"


def test_a_clone_measures_alike_and_nothing_without_data(storage: Storage):
    run = training(storage, measures="each")
    assert wanted_of(run).measures == "each"
    assert runs.clone(ACTOR, run).measures == Measures.EACH
    assert runs.clone(ACTOR, run, measures="last").measures == Measures.LAST
    bare = runs.clone(ACTOR, run, inputs=QUIZ[:1])
    assert bare.measures == Measures.NONE and runs.clone(ACTOR, bare).measures == Measures.NONE


def test_the_form_the_command_and_the_api_all_take_the_choice(storage: Storage, client_for: ClientFor):
    wanted, client = asked(storage), client_for("researcher")
    address = reverse("training:new") + "?stage=pretrain&preset=smoke"
    form = client.get(address).context["form"]
    sent = {bound.html_name: "" if bound.value() is None else bound.value() for bound in form}
    sent |= {"tokenizer": wanted.tokenizer, "eval": "quiz@1", "measures": "each"}
    sent = {name: value for name, value in sent.items() if value is not False}
    row = {"stage": "pretrain", "dataset": ["prose@1"], "weight": [""], "epochs": [""]}
    answer = client.post(address, {**sent, **row})
    assert answer.status_code == 302, answer.context["form"].errors
    first = Run.objects.get(measures=Measures.EACH)
    again = client.get(reverse("training:new") + f"?from={first.pk}")
    assert '<option value="each" selected>' in again.content.decode()
    without = client.post(address, {**sent, **row, "eval": ""})
    assert without.status_code == 302 and Run.objects.first().measures == Measures.NONE
    words = ["pretrain", "--dataset", "prose@1", "--eval", "quiz@1", "--preset", "smoke"]
    call_command("train", *words, "--tokenizer", wanted.tokenizer, "--measure", "none", stdout=StringIO())
    assert Run.objects.first().measures == Measures.NONE
    inputs = [{"reference": "prose@1"}, {"reference": "quiz@1", "role": "eval"}]
    body = {"stage": "pretrain", "preset": "smoke", "tokenizer": wanted.tokenizer, "inputs": inputs}
    for given, kept in (({}, "last"), ({"measures": "each"}, "each")):
        made = client.post(API, json.dumps({**body, **given}), "application/json").json()
        assert (made["measures"], made["measured"]) == (kept, None)
    wrong = client.post(API, json.dumps({**body, "measures": "some"}), "application/json")
    assert (wrong.status_code, wrong.json()["field"]) == (400, "measures")
    cloned = client.post(f"{API}/{made['id']}/clone", json.dumps({"measures": "none"}), "application/json")
    assert cloned.json()["measures"] == "none"


def ended(run: Run, **figures: float) -> Run:
    """An evaluation that has come to these figures."""
    result = {"figures": {"quiz@1": {name: figure(value) for name, value in figures.items()}}}
    return with_state(let_through(run), "succeeded", result=result)


def test_a_run_shows_its_figures_by_step_as_table_and_curve(storage: Storage, client_for: ClientFor):
    run = training(storage, measures="each")
    tell(storage, run, 20, 40, 60)
    before = stamp([run])
    for step, value in ((20, 0.25), (40, 0.5)):
        ended(Run.objects.get(measured__step=step), accuracy=value)
    with_state(let_through(Run.objects.get(measured__step=60)), "failed", error={"message": "No."})
    page = html.unescape(
        client_for("researcher").get(reverse("training:live", args=[run.pk])).content.decode()
    )
    assert "Measured checkpoints" in page and "quiz@1/accuracy" in page and "failed" in page
    places = [page.index(f'">{name}</a>') for name in (f"checkpoint:{run.pk}/60", f"checkpoint:{run.pk}/20")]
    assert places == sorted(places) and ">0.25<" in page
    (drawn,) = overlay([run])
    assert drawn["series"]["quiz@1/accuracy"]["x"]["step"] == [20, 40]
    assert drawn["series"]["quiz@1/accuracy"]["y"] == [0.25, 0.5]
    assert stamp([run]) != before


def test_a_page_follows_the_evaluations_that_go_on_after_the_run(storage: Storage, client_for: ClientFor):
    run = training(storage)
    tell(storage, run, 20)
    jobs.finish(run.job, {})
    run = with_state(run, "succeeded")
    address = reverse("training:live", args=[run.pk])
    assert is_live([run]) and "every 2s" in client_for("researcher").get(address).content.decode()
    made = ended(Run.objects.get(measured__step=20), accuracy=0.5)
    assert not is_live([run]) and "every 2s" not in client_for("researcher").get(address).content.decode()
    page = client_for("researcher").get(reverse("training:run", args=[made.pk])).content.decode()
    assert "Measured for" in page and run.reference in page


def test_a_measured_checkpoint_may_go_once_its_figures_are_there(storage: Storage):
    run = training(storage, measures="each")
    tell(storage, run, 20, 40)
    retention.set_policy(ACTOR, run, Policy(last=1))
    lines = {line.checkpoint.step: line.reasons for line in retention.preview(run)}
    made = Run.objects.get(measured__step=20)
    assert lines[20] == [f"used by {made.reference}"]
    ended(made, accuracy=0.5)
    assert {line.checkpoint.step: line.reasons for line in retention.preview(run)}[20] == []
