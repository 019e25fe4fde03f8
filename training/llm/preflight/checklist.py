"""Which checks a stage has, in their order, and how one after another is made.

Adding a check is a function that returns a :class:`Check`, and an entry in ``CHECKS``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

from tilth.errors import TilthError
from training.llm import checkpoints
from training.llm.bases import Base
from training.llm.config import Config
from training.llm.configs.evaluate import EvaluateConfig
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.pretrain import PretrainConfig
from training.llm.configs.tokenizer import TokenizerConfig
from training.llm.preflight import (
    contamination,
    disk,
    masks,
    overlap,
    rehearsal,
    schema,
    sources,
    tasks,
    verifiers,
)
from training.llm.preflight.result import Check, State, failed
from training.llm.preflight.survey import Reading, Survey, survey
from training.llm.preflight.titles import TITLES
from training.llm.program import Workspace
from training.llm.stages import stage
from training.llm.vocabulary import Vocabulary

CHAT = ("sft", "reward", "dpo", "grpo")
TRAINED = ("pretrain", *CHAT)
READING = ("tokenizer", *TRAINED, "sample", "evaluate")
HOLDING = ("tokenizer", *TRAINED)
ANSWERED = ("sft", "reward", "dpo")


@dataclass(frozen=True)
class Facts:
    """What the checks of a run share; each part is found once, when the first check asks for it."""

    work: Workspace

    @cached_property
    def config(self) -> Config:
        """The stage's settings."""
        return stage(self.work.spec.stage).config_class.from_json(self.work.spec.config)

    @property
    def posttraining(self) -> PosttrainingConfig:
        """The settings of a stage after pretraining."""
        assert isinstance(self.config, PosttrainingConfig)
        return self.config

    @cached_property
    def reading(self) -> Reading:
        """How its conversations are read."""
        return Reading.of(self.work, self.posttraining)

    @cached_property
    def survey(self) -> Survey:
        """Its conversations as its model will see them."""
        return survey(self.work, self.reading)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokenizer of pretraining."""
        return Base.of(self.work).vocabulary

    @property
    def decoder(self) -> Vocabulary | None:
        """What reads documents that are stored as tokens; only pretraining takes such."""
        return self.vocabulary if isinstance(self.config, PretrainConfig) else None

    @cached_property
    def parameters(self) -> int:
        """How large its model is; 0 for a stage that trains none."""
        spec = self.work.spec
        if stage(spec.stage).makes != "checkpoint":
            return 0
        if spec.base is not None:
            stored = checkpoints.read(self.work.report.storage, spec.base.folder)
            return stored.parameters or stored.bytes // disk.MODEL
        if isinstance(self.config, PretrainConfig):
            return self.config.shape(self.vocabulary.size).parameters
        return self.config.vocabulary if isinstance(self.config, TokenizerConfig) else 0


Made = Callable[[Facts], Check]


@dataclass(frozen=True, slots=True)
class Item:
    """A check: its name, and the stages that it makes sense for."""

    name: str
    stages: tuple[str, ...]
    make: Made


def _padding(facts: Facts) -> Check:
    if facts.work.spec.stage != "pretrain":
        return masks.padding_of(facts.reading)
    vocabulary = facts.vocabulary
    named = {"eos_token": str(vocabulary.tokenizer.id_to_token(vocabulary.end))}
    if vocabulary.pad is None:
        return masks.unpadded(named["eos_token"])
    named["pad_token"] = str(vocabulary.tokenizer.id_to_token(vocabulary.pad))
    return masks.padding(named, vocabulary.tokenizer)


def _drawn(facts: Facts) -> Check:
    if isinstance(facts.config, PretrainConfig):
        return sources.drawn_windows(facts.work, facts.config, facts.vocabulary)
    return sources.drawn_rows(facts.work, facts.posttraining, facts.survey)


def _tasks(facts: Facts) -> Check:
    assert isinstance(facts.config, EvaluateConfig)
    return tasks.tasks(facts.work, facts.config)


def _disk(facts: Facts) -> Check:
    config, work = facts.config, facts.work
    wanted = disk.need(config, facts.parameters, getattr(config, "steps", None))
    return disk.disk(wanted, work.report.storage, work.report.work_dir)


def _rehearsal(facts: Facts) -> Check:
    pretrains = isinstance(facts.config, PretrainConfig)
    return rehearsal.rehearsal(facts.work, facts.config, facts.vocabulary if pretrains else facts.survey)


CHECKS: tuple[Item, ...] = (
    Item("schema", READING, lambda f: schema.schema(f.work.spec, f.work.inputs)),
    Item("template", CHAT, lambda f: masks.template(f.survey)),
    Item("trained", CHAT, lambda f: masks.trained(f.survey, f.reading)),
    Item("stop", ANSWERED, lambda f: masks.stop(f.survey, f.reading.chat)),
    Item("pad", TRAINED, _padding),
    Item("bos", CHAT, lambda f: masks.beginning(f.survey, f.reading)),
    Item("lengths", CHAT, lambda f: masks.lengths(f.survey, f.reading)),
    Item("sources", TRAINED, _drawn),
    Item("overlap", HOLDING, lambda f: overlap.overlap(f.work, f.decoder)),
    Item("contamination", TRAINED, lambda f: contamination.contamination(f.work, f.decoder)),
    Item("verifiers", ("grpo", "evaluate"), lambda f: verifiers.verifiers(f.work)),
    Item("tasks", ("evaluate",), _tasks),
    Item("disk", (), _disk),
    Item("rehearsal", TRAINED, _rehearsal),
)
"""In the order of the page; each name has its title. No stages: for every one."""

WITHOUT_ROWS = ("disk",)
"""Checks that make sense even where the rows cannot be read."""


def of_stage(name: str) -> list[Item]:
    """The checks of a stage."""
    return [item for item in CHECKS if not item.stages or name in item.stages]


def made(work: Workspace) -> Iterator[Check]:
    """Every check of a run, one after another.

    Where the rows are not what the stage reads, the checks that look into them are left out: put that right first.
    """
    facts, unreadable = Facts(work), False
    items = of_stage(work.spec.stage)
    for number, item in enumerate(items):
        work.report.progress(number, len(items), "preflight", TITLES[item.name])
        work.stop_if_asked()
        if unreadable and item.name not in WITHOUT_ROWS:
            continue
        try:
            check = item.make(facts)
        except TilthError as error:
            check = failed(item.name, error.message)
        unreadable |= item.name == "schema" and check.state == State.FAILED
        yield check
