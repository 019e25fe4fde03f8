"""Ablations: what may be asked, the launch as a whole, what is found, what is missing; page, API and command."""

import html
import json
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from tests.training.ablating import asked, end, end_all, prepare
from tests.training.launching import ACTOR, checkpoint, with_state
from tests.training.measuring import quiz, store_model
from tilth.accounts.models import AuditEntry
from tilth.datasets.models import DatasetVersion, Lineage
from tilth.errors import Conflict, TilthError
from tilth.jobs.models import Job, JobMetric
from tilth.storage import Storage
from tilth.ui.references import resolve
from training import jobs
from training.ablating import Arm, design
from training.ablations import report
from training.actions import ablations
from training.launch import Input
from training.models.ablations import Ablation, AblationEvaluation
from training.models.runs import Run

pytestmark = pytest.mark.django_db
ClientFor = Callable[..., Client]
A, B = [1.0, 2.0, 3.0], [1.5, 2.4, 3.6]
API = "/api/v1/training/ablations"


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.fixture
def client(client_for: ClientFor) -> Client:
    return client_for("researcher")


def text(response: Any) -> str:
    return " ".join(html.unescape(response.content.decode()).split())


def test_every_arm_runs_at_every_size_with_every_seed(storage: Storage):
    wanted = asked(storage, sizes=("depth=1", "depth=2 width=32"), common={"settings": {"seed": 7}})
    made = ablations.launch(ACTOR, wanted)
    cells = list(made.cells.select_related("run"))
    assert {(cell.arm, cell.size, cell.seed) for cell in cells} == {
        (arm, size, seed) for arm in (0, 1) for size in (0, 1) for seed in (0, 1, 2)
    }
    for cell in cells:
        config, read = cell.run.config, {item["role"]: item["reference"] for item in cell.run.inputs}
        assert cell.run.seed == config["seed"] == 7 + cell.seed
        assert (config["depth"], config["width"]) == ((1, 64), (2, 32))[cell.size]
        assert read == {"train": ("prose@1", "other@1")[cell.arm], "validation": "held@1"}
    assert made.seeds == [7, 8, 9]
    one, two = (size["parameters"] for size in made.sizes)
    assert one and two and one != two
    parents = set(Lineage.objects.filter(child=made.reference).values_list("parent", flat=True))
    assert parents == {"prose@1", "other@1", *(cell.run.reference for cell in cells)}
    assert AuditEntry.objects.filter(verb="ablation.launch", target=made.reference).exists()
    assert resolve(made.reference).url == reverse("training:ablation", args=[made.pk])


def test_a_launched_ablation_is_frozen(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    made.metric = "validation_loss"
    with pytest.raises(Conflict):
        made.save()
    with pytest.raises(Conflict):
        made.delete()


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": " "}, "name", "name"),
        ({"arms": (Arm.parse("prose@1"),)}, "arms", "2 to 8"),
        ({"arms": (Arm.parse("A=prose@1"), Arm.parse("A=other@1"))}, "arms", "same name"),
        ({"arms": (Arm.parse("A=prose@1"), Arm.parse("B=prose@1"))}, "arms", "same data"),
        ({"seeds": 1}, "seeds", "no spread"),
        ({"sizes": ("depth=1", "depth=1")}, "sizes", "each once"),
        ({"sizes": ("seed=4",)}, "sizes", "same for all"),
        ({"sizes": ("depth=1 steps=9",)}, "sizes", "same for all"),
        ({"sizes": ("wisdom=1",)}, "sizes", "sets nothing"),
        ({"sizes": tuple(f"depth={n}" for n in range(1, 7)), "seeds": 20}, "seeds", "240 runs"),
        ({"metric": "loss"}, "metric", "tells nothing"),
        ({"metric": "quiz@1/accuracy"}, "metric", "no figure of a chosen"),
        ({"validation": ""}, "validation", "same held-out"),
        ({"common": {"settings": {"steps": None}}}, "tokens", "as long as its data"),
        ({"common": {"settings": {"time_limit": 1.0}}}, "time_limit", "leave it empty"),
        ({"common": {"stage": "tokenizer"}}, "stage", "trains no model"),
        ({"arms": (Arm.parse("A=prose@1"), Arm.parse("B=nothing@1"))}, "dataset", "no dataset version"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_nothing_is_left(
    storage: Storage, changes: dict[str, Any], field: str, said: str
):
    wanted = asked(storage, **changes)
    before = Run.objects.count()
    with pytest.raises(TilthError, match=said) as caught:
        ablations.launch(ACTOR, wanted)
    assert caught.value.field == field
    assert (Run.objects.count(), Ablation.objects.count()) == (before, 0)


def test_an_arm_is_a_version_or_a_mixture():
    arm = Arm.parse("mixed = a@1:2, b@3:3x c@2")
    assert arm == Arm("mixed", (Input("a@1", weight=2.0), Input("b@3", epochs=3.0), Input("c@2")))
    assert Arm.parse("a@1").name == "a@1"
    with pytest.raises(TilthError):
        Arm.parse("empty=")


def test_the_table_has_means_intervals_and_paired_differences(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, B]])
    found = report(made)
    (size,) = found.sizes
    assert [value.value for value in size.rows[1].values] == B
    assert size.rows[0].mean.value == 2.0 and size.rows[0].mean.low == pytest.approx(2 - 2.484138, rel=1e-5)
    assert size.rows[1].difference.value == pytest.approx(0.5) and size.rows[1].told
    assert (size.winner, size.words) == ("A", "A is ahead of B.")
    assert found.trends == [] and (found.pending, found.missing, found.total) == (0, [], 6)
    (course,) = found.courses
    assert [step for step, _ in course.arms["A"]] == [20, 60] and course.arms["A"][1][1].value == 2.0


def test_higher_may_be_better(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage, lower_is_better=False))
    end_all(made, [[A, B]])
    assert report(made).sizes[0].winner == "B"


def test_arms_that_cannot_be_told_apart_have_no_winner(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, [0.5, 2.4, 3.6]]])
    size = report(made).sizes[0]
    assert size.winner is None and "cannot be told from" in size.words


def test_until_all_have_ended_there_is_no_verdict(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, B]])
    cell = made.cells.get(arm=1, seed=2)
    with_state(cell.run, "running")
    found = report(made)
    assert found.pending == 1 and found.sizes[0].winner is None
    assert found.sizes[0].words == "No verdict yet: 1 of 6 runs have not ended."
    assert found.sizes[0].rows[1].values[2].value is None, "what runs has no last value"


@pytest.mark.parametrize("state", ["failed", "cancelled"])
def test_a_failed_run_is_missing_and_nobody_wins(storage: Storage, client: Client, state: str):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, B]])
    cell = made.cells.get(arm=1, seed=2)
    with_state(cell.run, state)
    found = report(made)
    assert [(value.run, value.why) for value in found.missing] == [(cell.run, state)]
    assert found.sizes[0].winner is None and "1 of 6 runs are missing" in found.sizes[0].words
    page = text(client.get(reverse("training:ablation", args=[made.pk])))
    assert "Missing, and not dropped" in page and f"{cell.run.name}: {state}" in page


def test_a_run_without_a_number_at_its_end_is_missing(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, [*B[:2], None]]])
    silent = made.cells.get(arm=0, seed=0)
    JobMetric.objects.filter(job=Run.objects.get(pk=silent.run_id).job).delete()
    assert {value.why for value in report(made).missing} == {
        "no finite value",
        "never reported bits_per_byte",
    }


def test_steps_that_a_later_attempt_says_again_are_its_own(storage: Storage):
    made = ablations.launch(ACTOR, asked(storage))
    end_all(made, [[A, B]])
    job = Run.objects.get(pk=made.cells.get(arm=0, seed=0).run_id).job
    JobMetric.objects.create(job=job, attempt=2, name="bits_per_byte", step=40, value=9.0)
    assert report(made).sizes[0].rows[0].values[0].value == 9.0


def test_two_sizes_show_the_trend(storage: Storage, client: Client):
    made = ablations.launch(ACTOR, asked(storage, sizes=("depth=1", "depth=4")))
    flat, steep = [4.0, 5.0, 6.0], [5.5, 6.51, 7.49]
    end_all(made, [[A, B], [flat, steep]])
    found = report(made)
    assert found.confidence == pytest.approx(0.975) and [size.winner for size in found.sizes] == ["A", "A"]
    (line,) = found.trends
    assert line.startswith("B minus A: +0.5 → +1.5; changes with size:") and "tenfold size" in line
    page = text(client.get(reverse("training:ablation", args=[made.pk])))
    assert line in page and "depth=4" in page
    last = made.cells.last().run
    with_state(last, "failed")
    gapped = report(made)
    assert "no trend is told while runs are missing" in gapped.trends[0] and not gapped.sizes[1].rows[1].told
    with_state(last, "running")
    assert report(made).trends == []


def with_evals(storage: Storage) -> Ablation:
    quiz(storage)
    return ablations.launch(
        ACTOR,
        asked(storage, evals=("quiz@1",), metric="quiz@1/accuracy", lower_is_better=False, seeds=2),
    )


def test_checkpoints_are_measured_when_a_run_has_ended_well(storage: Storage):
    made = with_evals(storage)
    run = end(made.cells.first().run, 1.0)
    for step in (30, 60):
        store_model(storage, run, step)
    for _ in range(2):  # what is announced twice is measured once
        jobs.finish(run.job, {})
    rows = AblationEvaluation.objects.filter(cell=made.cells.first()).order_by("checkpoint__step")
    assert [(row.checkpoint.step, row.run.stage, row.run.base) for row in rows] == [
        (30, "evaluate", rows[0].checkpoint),
        (60, "evaluate", rows[1].checkpoint),
    ]
    assert [item["reference"] for item in rows[0].run.inputs] == ["quiz@1"]
    assert {item["reference"] for item in run.inputs if item["role"] == "eval"} == {"quiz@1"}


def test_a_metric_of_evaluations_is_that_of_the_last_checkpoint(storage: Storage):
    made = with_evals(storage)
    for cell in made.cells.select_related("run"):
        run = end(cell.run, 1.0)
        for step in (30, 60):
            checkpoint(run, step, "model", architecture="LlamaForCausalLM")
        ablations.evaluate(ACTOR, run)
        for row in cell.evaluations.select_related("run", "checkpoint"):
            worth = 0.5 + 0.2 * cell.arm + 0.01 * cell.seed * cell.arm + row.checkpoint.step / 1000
            measured = end(row.run, 1.0)
            result = {
                "figures": {"quiz@1": {"accuracy": {"value": worth}, "accuracy_by_byte": {"value": 0.1}}}
            }
            Job.objects.filter(pk=measured.job_id).update(result=result)
    found = report(made)
    assert [value.value for value in found.sizes[0].rows[0].values] == [0.56, 0.56]
    assert found.sizes[0].winner == "B"
    assert [course.metric for course in found.courses] == ["quiz@1/accuracy", "quiz@1/accuracy_by_byte"]
    assert [step for step, _ in found.courses[0].arms["B"]] == [30, 60]
    last = AblationEvaluation.objects.order_by("checkpoint__step").last()
    with_state(last.run, "failed")
    assert "its evaluation" in report(made).missing[0].why


def test_an_evaluation_that_cannot_be_launched_leaves_the_run_alone(storage: Storage):
    made = with_evals(storage)
    run = end(made.cells.first().run, 1.0)
    checkpoint(run, 60, "model")
    DatasetVersion.objects.filter(dataset__name="quiz").update(state="withdrawn")
    assert ablations.evaluate(ACTOR, run) == []
    assert report(made).missing[0].why == "no checkpoint was measured"


@pytest.mark.parametrize(
    ("role", "status"), [(None, 302), ("labeler", 403), ("reviewer", 403), ("lead", 403), ("researcher", 200)]
)
def test_who_may_look_and_launch(storage: Storage, client_for: ClientFor, role: str | None, status: int):
    made = ablations.launch(ACTOR, asked(storage))
    one = client_for(role)
    for address in (
        reverse("training:ablations"),
        reverse("training:ablation", args=[made.pk]),
        reverse("training:ablation_new"),
    ):
        assert one.get(address).status_code == status
    posted = one.post(reverse("training:ablation_new"), form(storage))
    assert posted.status_code == (302 if status == 200 else status)
    assert Ablation.objects.count() == (2 if status == 200 else 1)


def form(storage: Storage, **changes: Any) -> dict[str, Any]:
    """The form as a browser sends it."""
    from training.ablation_form import AblationForm
    from training.llm.stages import stage

    tokenizer = prepare(storage)
    blank = AblationForm(stage("pretrain"), chosen="smoke")
    filled = {
        name: "" if bound.value() is None else bound.value()
        for name, bound in ((name, blank[name]) for name in blank.fields)
        if bound.value() is not False
    }
    given = {"stage": "pretrain", "name": "Typed", "tokenizer": tokenizer.reference, "validation": "held@1"}
    arms = {"arm_name": ["A", "B"], "arm_data": ["prose@1", "other@1:2, prose@1"]}
    return {**filled, **given, **arms, **changes}


def test_a_launch_by_the_form_is_what_was_typed(storage: Storage, client: Client):
    sent = form(storage, sizes="depth=1\r\n\r\ndepth=2", seeds="2", question="Does\nit help?")
    response = client.post(reverse("training:ablation_new"), sent)
    made = Ablation.objects.get()
    assert response.url == reverse("training:ablation", args=[made.pk])
    assert (made.question, made.metric, made.validation) == ("Does\nit help?", "bits_per_byte", "held@1")
    assert [size["label"] for size in made.sizes] == ["depth=1", "depth=2"] and made.seeds == [0, 1]
    assert [item["weight"] for item in made.arms[1]["inputs"]] == [2.0, 1.0]
    assert made.cells.count() == 8


def test_faults_are_shown_in_the_form_and_an_arm_is_added_without_scripts(storage: Storage, client: Client):
    sent = form(storage, metric="loss")
    refused = client.post(reverse("training:ablation_new"), sent)
    assert refused.status_code == 422 and "tells nothing" in text(refused)
    assert 'value="other@1:2, prose@1"' in text(refused)
    one = client.post(reverse("training:ablation_new"), form(storage, arm_data=["", ""], arm_name=["A", ""]))
    assert one.status_code == 422 and "names a dataset version" in text(one)
    more = client.post(reverse("training:ablation_new"), {**sent, "add": "1"})
    assert more.status_code == 200 and 'aria-label="Data of arm 3"' in text(more)
    assert client.get(reverse("training:ablation_new"), {"stage": "tokenizer"}).status_code == 400


def test_lists_are_searched_and_empty_ones_say_what_to_do(storage: Storage, client: Client):
    assert "Launch the first ablation" in text(client.get(reverse("training:ablations")))
    ablations.launch(ACTOR, asked(storage, name="Rye"))
    assert "Rye" in text(client.get(reverse("training:ablations"), {"q": "ry"}))
    assert "No ablation fits" in text(client.get(reverse("training:ablations"), {"q": "oats"}))
    assert client.get(reverse("training:ablation", args=[999])).status_code == 404


def test_hostile_names_stay_text(storage: Storage, client: Client):
    bad = "<script>alert(1)</script>"
    arms = (Arm.parse("prose@1", bad), Arm.parse("other@1", "B"))
    made = ablations.launch(ACTOR, asked(storage, name=bad, question=bad, arms=arms))
    end_all(made, [[A, B]])
    for address in (reverse("training:ablations"), reverse("training:ablation", args=[made.pk])):
        assert "<script>alert" not in client.get(address).content.decode()


def test_the_page_asks_as_much_for_many_seeds_as_for_few(
    storage: Storage, client: Client, django_assert_max_num_queries: Any
):
    made = ablations.launch(ACTOR, asked(storage, seeds=8))
    end_all(made, [[[1.0] * 8, [2.0] * 8]])
    with django_assert_max_num_queries(30):
        client.get(reverse("training:ablation", args=[made.pk]))


def test_over_the_api(storage: Storage, client: Client):
    tokenizer = prepare(storage)
    body = {
        "name": "By API",
        "preset": "smoke",
        "tokenizer": tokenizer.reference,
        "validation": "held@1",
        "arms": [
            {"name": "A", "inputs": [{"reference": "prose@1"}]},
            {"name": "B", "inputs": [{"reference": "other@1", "weight": 2}, {"reference": "prose@1"}]},
        ],
        "seeds": 2,
    }
    made = client.post(API, json.dumps(body), "application/json")
    assert made.status_code == 201, made.content
    assert made.json()["report"]["pending"] == 4
    ablation = Ablation.objects.get()
    end_all(ablation, [[[1.0, 2.0], [1.5, 2.5001]]])
    answer = client.get(f"{API}/{ablation.pk}").json()
    assert answer["reference"] == ablation.reference and answer["report"]["sizes"][0]["winner"] == "A"
    assert [item["id"] for item in client.get(API).json()] == [ablation.pk]
    assert client.get(API, {"before": ablation.pk}).json() == []
    bad = client.post(API, json.dumps({**body, "metric": "loss"}), "application/json")
    assert bad.status_code == 400 and client.get(f"{API}/999").status_code == 404


def test_by_the_command(storage: Storage):
    tokenizer = prepare(storage)
    quiz(storage)
    words = ["pretrain", "--name", "Typed", "--arm", "A=prose@1", "--arm", "B=other@1:2,prose@1"]
    words += [
        "--validation",
        "held@1",
        "--tokenizer",
        tokenizer.reference,
        "--preset",
        "smoke",
        "--seeds",
        "2",
    ]
    words += ["--size", "depth=1", "--eval", "quiz@1", "--eval-set", "limit=2", "--set", "steps=4", "--json"]
    out = StringIO()
    call_command("ablate", *words, stdout=out)
    said = json.loads(out.getvalue())
    made = Ablation.objects.get()
    assert said["ablation"] == made.reference and said["pending"] == 4
    assert (made.eval_settings, made.config, made.evals) == ({"limit": 2}, {"steps": 4}, ["quiz@1"])
    with pytest.raises(CommandError, match="tells nothing"):
        call_command("ablate", *words, "--metric", "loss", stdout=out)


def test_the_first_arms_size_is_what_is_estimated(storage: Storage):
    wanted = asked(storage)
    assert len(design(replace(wanted, sizes=("depth=1", "depth=3"))).parameters) == 2
