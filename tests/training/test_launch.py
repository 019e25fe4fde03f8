"""What may be launched: every reference and setting is checked before anything is made, and the fault is named."""

import dataclasses
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.tilth.published import conversation, publish
from tests.training.conftest import ROOT
from tests.training.launching import ACTOR, checkpoint, launched, prose, wanted
from tilth.datasets import actions as datasets
from tilth.datasets.schemas import row_id
from tilth.errors import InvalidInput, TilthError
from tilth.storage import Storage
from training.actions.runs import RELATIONS
from training.forms import LaunchForm
from training.launch import ROLES, Input, Wanted, check, offered, spec_of, wanted_of
from training.llm import stages
from training.llm.config import settings_of
from training.llm.presets import PRESETS, preset, presets_of
from training.llm.stages import STAGES, Stage
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def rooted(settings: Any, storage: Storage) -> None:
    settings.STORAGE = storage.url


@pytest.mark.parametrize(
    ("text", "weight", "epochs"),
    [("prose@1", 1, None), ("prose@1:2.5", 2.5, None), ("prose@1:3x", 1, 3), ("prose@1:1e-1x", 1, 0.1)],
)
def test_an_input_is_read_as_it_is_typed(text: str, weight: float, epochs: float | None):
    read = Input.parse(text, "validation")
    assert read == Input("prose@1", "validation", weight, epochs)
    assert Input.parse(str(read), "validation") == read


@pytest.mark.parametrize("text", ["", "prose@1:", "prose@1:x", "prose@1:much", "prose@1:1.2.3", "a:b:c"])
def test_an_input_that_makes_no_sense_is_refused(text: str):
    with pytest.raises(InvalidInput) as caught:
        Input.parse(text)
    assert caught.value.field == "dataset"


def test_a_plan_becomes_what_the_program_reads(storage: Storage):
    prose(storage)
    prose(storage, "held", 20, 500)
    plan = check(wanted(inputs=(Input("prose@1", weight=2.0), Input("held@1", "validation")), name="  Mine "))
    spec = spec_of(plan, 7)
    assert (spec.stage, spec.run, plan.name, plan.gpus) == ("tokenizer", 7, "Mine", 0)
    assert [(s.reference, s.folder, s.role, s.weight) for s in spec.sources] == [
        ("prose@1", "datasets/prose/1", "train", 2.0),
        ("held@1", "datasets/held/1", "validation", 1.0),
    ]
    assert spec.config["vocabulary"] == 300 and spec.config["sample_bytes"] == 2_000_000
    assert set(spec.config) == {item.name for item in settings_of(plan.stage.config_class)}


def test_a_run_without_a_name_is_called_by_what_it_reads(storage: Storage):
    prose(storage)
    assert check(wanted()).name == "Tokenizer on prose@1"


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"stage": "teach"}, "stage", "no stage 'teach'"),
        ({"preset": "huge"}, "preset", "default, smoke, small, large"),
        ({"inputs": ()}, "dataset", "needs a dataset of documents"),
        ({"inputs": (Input("nothing@1"),)}, "dataset", "no dataset version nothing@1"),
        ({"inputs": (Input("prose"),)}, "dataset", "not a reference"),
        ({"inputs": (Input("run:1"),)}, "dataset", "write NAME@NUMBER"),
        ({"inputs": (Input("chats@1"),)}, "dataset", "holds conversations; Tokenizer takes documents"),
        ({"inputs": (Input("building@1"),)}, "dataset", "is building"),
        ({"inputs": (Input("prose@1"), Input("prose@1"))}, "dataset", "named twice"),
        ({"inputs": (Input("prose@1"), Input("prose@1", "validation"))}, "validation", "held out"),
        ({"inputs": (Input("prose@1"), Input("chats@1", "eval"))}, "eval", "takes no eval dataset"),
        ({"inputs": (Input("prose@1", "guess"),)}, "role", "no role"),
        ({"inputs": (Input("prose@1", weight=0),)}, "dataset", "above zero"),
        ({"inputs": (Input("prose@1", weight=float("nan")),)}, "dataset", "above zero"),
        ({"inputs": (Input("prose@1", epochs=float("inf")),)}, "dataset", "at most"),
        ({"gpus": 2}, "gpus", "from 0 (on CPU) to 1 for Tokenizer"),
        ({"settings": {"vocabulary": 3}}, "vocabulary", "at least"),
        ({"settings": {"words": 3}}, "words", "no setting 'words'"),
        ({"settings": {"seed": 2**63}}, "seed", "lies beyond"),
        ({"settings": {"sample_bytes": 10**400}}, "sample_bytes", "lies beyond"),
        ({"settings": {"vocabulary": "many"}}, "vocabulary", "whole number"),
        ({"base": "checkpoint:9/9"}, "base", "no checkpoint checkpoint:9/9"),
        ({"base": "9/9/9"}, "base", "looks like checkpoint:12/400"),
        ({"reward_model": "run:1"}, "reward_model", "no checkpoint"),
        ({"gpus": 1000}, "gpus", "GPUs"),
        ({"gpus": -1}, "gpus", "GPUs"),
        ({"priority": 1000}, "priority", "between -100 and 100"),
    ],
)
def test_what_cannot_be_run_is_refused_by_its_field(
    storage: Storage, changes: dict[str, Any], field: str, says: str
):
    prose(storage)
    publish(storage, "chats", "conversations", [conversation("hi", "hello")])
    datasets.reserve_version(ACTOR, datasets.create_dataset(ACTOR, "building", "documents"))
    with pytest.raises(TilthError) as caught:
        check(wanted(**changes))
    assert caught.value.field == field and says in caught.value.message
    assert not Run.objects.exists()


def add_stage(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """The stage ``taught``: the tokenizer's program with other needs."""
    made = dataclasses.replace(STAGES["tokenizer"], name="taught", title="Teaching", **changes)
    monkeypatch.setitem(stages.STAGES, "taught", made)


def made(storage: Storage) -> dict[str, Checkpoint]:
    """A model, a tokenizer and a reward model."""
    run = launched(storage)
    scorer = checkpoint(run, 20, "model", architecture="LlamaForSequenceClassification")
    return {"model": checkpoint(run, 10, "model"), "tokenizer": checkpoint(run, 0), "scorer": scorer}


@pytest.mark.parametrize(
    ("needs", "given", "field", "says"),
    [
        ({"base": "required"}, {}, "base", "starts from a model"),
        ({"base": "required"}, {"base": "tokenizer"}, "base", "holds tokenizer, not model"),
        ({"base": "none"}, {"base": "model"}, "base", "starts from nothing"),
        ({"base": "optional", "needs_tokenizer": True}, {}, "tokenizer", "needs a tokenizer"),
        (
            {"base": "optional", "needs_tokenizer": True},
            {"base": "model", "tokenizer": "tokenizer"},
            "tokenizer",
            "brings its own",
        ),
        ({"base": "none"}, {"tokenizer": "tokenizer"}, "tokenizer", "uses none"),
        ({"base": "required"}, {"base": "model", "reward_model": "model"}, "reward_model", "no reward model"),
        (
            {"base": "required", "takes_reward_model": True},
            {"base": "model", "reward_model": "model"},
            "reward_model",
            "writes and does not score",
        ),
        ({"base": "required"}, {"base": "scorer"}, "base", "scores and does not write"),
        (
            {"base": "required"},
            {"base": "model", "reference_model": "model"},
            "reference_model",
            "compares with no other",
        ),
    ],
)
def test_a_stage_gets_the_checkpoints_that_it_needs_and_no_others(
    storage: Storage,
    monkeypatch: pytest.MonkeyPatch,
    needs: dict[str, Any],
    given: dict[str, str],
    field: str,
    says: str,
):
    add_stage(monkeypatch, **needs)
    found = {name: item.reference for name, item in made(storage).items()}
    with pytest.raises(TilthError) as caught:
        check(wanted(stage="taught", preset="", **{role: found[name] for role, name in given.items()}))
    assert caught.value.field == field and says in caught.value.message


def test_a_plan_names_the_folders_of_its_checkpoints(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    add_stage(monkeypatch, base="required", takes_reward_model=True, takes_reference=True)
    found = made(storage)
    roles = {"base": "model", "reference_model": "model", "reward_model": "scorer"}
    given = {role: found[name].reference for role, name in roles.items()}
    spec = spec_of(check(wanted(stage="taught", preset="", **given)), 9)
    for role, name in roles.items():
        part = getattr(spec, role)
        assert (part.reference, part.folder) == (found[name].reference, found[name].path)


def test_a_pruned_checkpoint_is_no_base(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    add_stage(monkeypatch, base="required")
    model = made(storage)["model"]
    Checkpoint.objects.update(state=Checkpoint.State.PRUNED)
    with pytest.raises(InvalidInput, match="were pruned"):
        check(wanted(stage="taught", preset="", base=model.reference))


def test_only_stages_with_a_program_are_offered(monkeypatch: pytest.MonkeyPatch):
    missing = Stage("ghost", "Ghost", "Nothing there", "no_such_program:Config", train=())
    monkeypatch.setitem(stages.STAGES, "ghost", missing)
    names = {item.name for item in offered()}
    assert "tokenizer" in names and "ghost" not in names
    with pytest.raises(InvalidInput, match="cannot be run yet; these can: tokenizer") as caught:
        check(Wanted(stage="ghost"))
    assert caught.value.field == "stage"


def test_devices_share_a_batch_evenly(storage: Storage, monkeypatch: pytest.MonkeyPatch):
    made = dataclasses.replace(STAGES["pretrain"], name="taught", needs_tokenizer=False)
    monkeypatch.setitem(stages.STAGES, "taught", made)
    monkeypatch.setattr(Stage, "is_ready", True)
    prose(storage)
    given = {"stage": "taught", "preset": "", "settings": {"batch": 8, "micro_batch": 4}}
    assert check(wanted(**given, gpus=4)).gpus == 4
    with pytest.raises(InvalidInput, match="3 GPUs share a batch of 8") as caught:
        check(wanted(**given, gpus=3))
    assert caught.value.field == "batch"


def test_every_preset_is_a_set_of_settings_of_its_stage():
    for name, presets in PRESETS.items():
        assert len({item.name for item in presets}) == len(presets)
        for item in presets:
            STAGES[name].config_class.from_json(item.settings)
    assert preset("tokenizer").name == "default"
    assert [item.name for item in presets_of("a stage without presets")] == ["default"]


def test_a_run_whose_preset_is_no_more_is_asked_for_by_its_settings(storage: Storage):
    run = launched(storage)
    Run.objects.filter(pk=run.pk).update(preset="gone")
    again = wanted_of(Run.objects.with_objects().get(pk=run.pk))
    assert check(again).config == check(wanted()).config


def test_what_a_run_was_asked_for_can_be_asked_for_again(storage: Storage):
    run = launched(storage, name="Mine", priority=3, inputs=(Input("prose@1", epochs=2.0),))
    again = wanted_of(run)
    assert check(again).config == check(wanted()).config
    assert (again.name, again.priority, again.gpus, again.preset) == ("Mine", 3, 0, "smoke")
    assert again.inputs == (Input("prose@1", epochs=2.0),)


def test_the_app_works_where_no_training_package_is_installed():
    """Web servers do without the extra: nothing of it is loaded by pages, API, jobs or commands.

    Nor is what only heavy work needs (compiler, scipy, HTTP client): it would double the time that each start takes.
    """
    extra = ("torch", "transformers", "tokenizers", "trl", "peft", "safetensors", "huggingface_hub")
    heavy = ("numba", "scipy", "datasketch", "aiohttp")
    program = (
        "import sys\n"
        f"for name in {extra + heavy}:\n"
        "    sys.modules[name] = None\n"
        "import django; django.setup()\n"
        "import tilth.urls, training.jobs, training.management.commands.train\n"
        "from training.launch import offered\n"
        "from training.llm.config import settings_of\n"
        "print([stage.name for stage in offered() if settings_of(stage.config_class)])\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": f"{ROOT}:{ROOT}/platform",
    }
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "'tokenizer'" in done.stdout and "'sft'" in done.stdout


def test_what_a_tool_searches_is_named_together_with_the_tool(storage: Storage):
    prose(storage)
    asked = {"stage": "sample", "preset": "", "output": "made"}
    searched = Input("prose@1", "search")
    for settings, field in (({"tools": "search"}, "search"), ({"tools": ""}, "tools")):
        inputs = () if field == "search" else (searched,)
        with pytest.raises(InvalidInput) as caught:
            check(
                wanted(**asked, settings=settings, inputs=(*inputs, Input(prompts(storage, field), "train")))
            )
        assert caught.value.field == field
    with pytest.raises(InvalidInput, match="takes no search dataset"):
        check(wanted(inputs=(Input("prose@1"), searched)))
    assert set(RELATIONS) == set(ROLES)
    for name in ("grpo", "sample", "evaluate"):
        assert LaunchForm(STAGES[name]).fields["search"].choices[1][0] == "prose@1"


def prompts(storage: Storage, name: str) -> str:
    """A version of prompts."""
    row = {"id": row_id(name), "messages": [{"role": "user", "content": "Hello"}]}
    return publish(storage, f"prompts-{name}", "prompts", [row]).reference
