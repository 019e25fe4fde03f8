"""The way of a model through the command, stage by stage: every link from its evaluation back to every version is there.

In short each run stands for itself: launched by the command, let through, its checkpoint a row. In full it is carried
out, preflight and all.
"""

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from tests.tilth.published import publish
from tests.training.conftest import sentences
from tests.training.journey import answered, small, sums
from tests.training.launching import ACTOR, let_through
from tilth.datasets.lineage import ancestors, descendants
from tilth.datasets.schemas import row_id
from tilth.storage import Storage
from training.actions.checkpoints import register
from training.llm.checkpoints import Checkpoint as Stored
from training.models.runs import Run

pytestmark = pytest.mark.django_db(transaction=True)

CarryOut = Callable[[str, list[str]], str]
"""Launch a stage with arguments of the command; the reference of the checkpoint or version that it makes."""


@pytest.fixture(autouse=True)
def rooted(storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("STORAGE", storage.url),
        ("SCRATCH", tmp_path / "scratch"),
        ("JOBS_POLL_SECONDS", 0.05),
    ):
        monkeypatch.setattr(settings, name, value)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def versions(storage: Storage) -> None:
    """What the stages read, as version 1 of its dataset."""
    of = small()
    made: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "prose": ("documents", documents(of.prose)),
        "talks": ("conversations", of.talks),
        "known-sums": ("conversations", answered(sums(of.below))[::2]),
        "pairs": ("preferences", of.train_pairs),
        "held-pairs": ("preferences", of.held_pairs),
        "sums": ("problems", sums(of.below)),
        "texts": ("documents", documents(sentences(20, 1000))),
    }
    for name, (kind, rows) in made.items():
        publish(storage, name, kind, [{"id": row_id(name, n), **row} for n, row in enumerate(rows)])


def documents(texts: list[str]) -> list[dict[str, Any]]:
    return [
        {"text": text, "language": "en", "source": "p", "record_offset": n} for n, text in enumerate(texts)
    ]


def command(*arguments: str) -> dict[str, Any]:
    out = StringIO()
    call_command("train", *arguments, "--json", stdout=out, stderr=StringIO())
    said: dict[str, Any] = json.loads(out.getvalue())
    return said


def stands_for_itself(stage: str, arguments: list[str]) -> str:
    run = let_through(Run.objects.get(pk=command(stage, *arguments)["run"].removeprefix("run:")))
    if stage == "evaluate":
        return run.reference
    stored = Stored(
        run=run.pk,
        step=1,
        stage=stage,
        holds="tokenizer" if stage == "tokenizer" else "model",
        architecture="LlamaForSequenceClassification" if stage == "reward" else "LlamaForCausalLM",
    )
    Storage(settings.STORAGE).write_json(f"{stored.folder}/checkpoint.json", stored.to_json())
    return register(ACTOR, run, 1).reference


def carried_out(stage: str, arguments: list[str]) -> str:
    given = [f"--set={name}={str(value).lower()}" for name, value in small().settings.get(stage, {}).items()]
    said = command(stage, *arguments, *given, "--wait")
    assert said["state"] == "succeeded", said
    return str(said["version"] or said["checkpoints"][-1])


def walk(carry_out: CarryOut) -> dict[str, str]:
    """Every stage on what the ones before made; what each made."""
    made: dict[str, str] = {}
    for stage, arguments in (
        ("tokenizer", "--dataset=prose@1"),
        ("pretrain", "--dataset=prose@1 --tokenizer={tokenizer}"),
        ("sft", "--dataset=talks@1 --dataset=known-sums@1:200x --base={pretrain}"),
        ("reward", "--dataset=pairs@1 --validation=held-pairs@1 --base={sft}"),
        ("dpo", "--dataset=pairs@1 --validation=held-pairs@1 --base={sft} --reference-model={sft}"),
        ("grpo", "--dataset=sums@1 --base={dpo} --reward-model={reward} --set=rewards=both"),
        ("evaluate", "--eval=texts@1 --base={grpo} --output=marks"),
    ):
        made[stage] = carry_out(stage, arguments.format(**made).split())
    return made


def check(made: dict[str, str]) -> None:
    """Every link back from the evaluation and no other, and the way forward from the first version."""
    run = {found.stage: found.reference for found in Run.objects.all()}
    expected = {(made[stage], run[stage], "made_by") for stage in made if stage != "evaluate"}
    expected |= {
        (run["tokenizer"], "prose@1", "trained_on"),
        (run["pretrain"], "prose@1", "trained_on"),
        (run["pretrain"], made["tokenizer"], "tokenized_by"),
        (run["sft"], "talks@1", "trained_on"),
        (run["sft"], "known-sums@1", "trained_on"),
        (run["sft"], made["pretrain"], "started_from"),
        (run["reward"], "pairs@1", "trained_on"),
        (run["reward"], "held-pairs@1", "validated_on"),
        (run["reward"], made["sft"], "started_from"),
        (run["dpo"], "pairs@1", "trained_on"),
        (run["dpo"], "held-pairs@1", "validated_on"),
        (run["dpo"], made["sft"], "started_from"),
        (run["dpo"], made["sft"], "compared_with"),
        (run["grpo"], "sums@1", "trained_on"),
        (run["grpo"], made["dpo"], "started_from"),
        (run["grpo"], made["reward"], "rewarded_by"),
        (run["evaluate"], "texts@1", "evaluated_on"),
        (run["evaluate"], made["grpo"], "started_from"),
    }
    found = {(edge.child, edge.parent, edge.relation) for edge in ancestors(made["evaluate"])}
    assert found >= expected
    beyond = {edge for edge in found - expected if edge[0] != made["evaluate"]}
    assert not beyond
    if made["evaluate"] != run["evaluate"]:
        assert (made["evaluate"], run["evaluate"], "derived") in found
    assert {*run.values(), *made.values()} <= {edge.child for edge in descendants("prose@1")}


def test_every_link_is_there_from_an_evaluation_back_to_every_version(versions: None):
    check(walk(stands_for_itself))


@pytest.mark.full
def test_a_model_grows_by_the_command_and_every_link_is_there(versions: None):
    check(walk(carried_out))
