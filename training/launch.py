"""From what somebody wants to run to what the program will read: everything is checked before anything is made.

The page, the command line and the API all fill in a :class:`Wanted`; :func:`check` resolves its references
and raises the first fault, with the field to change.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from tilth.datasets.models import DatasetVersion
from tilth.errors import InvalidInput, NotFound, TilthError
from tilth.text.reference import check_name, parse_reference
from tilth.text.storable import storable
from training.llm.config import Config
from training.llm.configs.tooling import check_searched
from training.llm.presets import Preset, preset, presets_of
from training.llm.spec import Part, Source, Spec
from training.llm.stages import STAGES, Stage, stage
from training.measures import measures_of
from training.models.checkpoints import Checkpoint
from training.models.runs import Measures, Run

ROLES = ("train", "validation", "eval", "search")
HOLDS: dict[str, tuple[str, ...]] = {
    "base": ("model",),
    "tokenizer": ("tokenizer", "model"),
    "reference_model": ("model",),
    "reward_model": ("model",),
}
"""What a checkpoint must hold, by the role that it has in a run."""
MOST_WEIGHT = 1_000_000
PRIORITIES = range(-100, 101)
_INPUT = re.compile(r"(?P<reference>[^:]+)(?::(?P<number>[0-9.eE+-]+)(?P<times>x?))?")


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset version to read: drawn by ``weight``, or each row ``epochs`` times where that is given."""

    reference: str
    role: str = "train"
    weight: float = 1.0
    epochs: float | None = None

    @classmethod
    def parse(cls, text: str, role: str = "train") -> "Input":
        """Read ``NAME@V``, ``NAME@V:2`` (weight 2) or ``NAME@V:3x`` (three epochs)."""
        match = _INPUT.fullmatch(text.strip())
        try:
            number = float(match["number"]) if match and match["number"] else None
        except ValueError:
            match = None
        if match is None:
            raise InvalidInput(
                f"{text!r} is no input: write NAME@V, NAME@V:2 for weight 2, or NAME@V:3x for three epochs.",
                field="dataset",
            )
        reference = match["reference"].strip()
        if match["times"]:
            return cls(reference, role, epochs=number)
        return cls(reference, role, 1.0 if number is None else number)

    def __str__(self) -> str:
        if self.epochs is not None:
            return f"{self.reference}:{self.epochs:g}x"
        return self.reference if self.weight == 1 else f"{self.reference}:{self.weight:g}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What somebody asks for. References are texts; ``settings`` replace the preset's, by name.

    ``gpus`` is the preset's where not given; ``output`` names the dataset that gets the rows of a stage which
    makes some; ``measures`` is one of :class:`Measures`, the last checkpoint where it is not given and there is
    something to measure on.
    """

    stage: str
    name: str = ""
    preset: str = ""
    inputs: tuple[Input, ...] = ()
    base: str = ""
    tokenizer: str = ""
    reference_model: str = ""
    reward_model: str = ""
    output: str = ""
    measures: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    gpus: int | None = None
    priority: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A run that may be launched: every reference resolved, every setting checked."""

    stage: Stage
    preset: Preset
    config: Config
    name: str
    sources: tuple[Source, ...]
    versions: tuple[DatasetVersion, ...]
    base: Checkpoint | None
    tokenizer: Checkpoint | None
    reference_model: Checkpoint | None
    reward_model: Checkpoint | None
    output: str
    measures: Measures
    gpus: int
    priority: int

    @property
    def seed(self) -> int:
        """The seed in its settings; 0 for a stage that draws nothing."""
        return int(getattr(self.config, "seed", 0))

    @property
    def inputs(self) -> list[dict[str, Any]]:
        """Its sources as the run's row keeps them."""
        kept = ("reference", "kind", "role", "weight", "epochs")
        return [{name: asdict(source)[name] for name in kept} for source in self.sources]


def offered() -> list[Stage]:
    """The stages whose program is there, in their order."""
    return [item for item in STAGES.values() if item.is_ready]


def check(wanted: Wanted) -> Plan:
    """The plan of a run, or the first fault as :class:`TilthError` with the field to change."""
    found = ready_stage(wanted.stage)
    chosen = preset(found.name, wanted.preset)
    config = config_of(found, chosen, wanted.settings)
    read = [_source(found, item) for item in wanted.inputs]
    _check_inputs(found, config, wanted.inputs)
    parts = {role: _part(getattr(wanted, role), role) for role in HOLDS}
    _check_parts(found, **parts)
    return Plan(
        stage=found,
        preset=chosen,
        config=config,
        name=_name(found, config, wanted),
        sources=tuple(source for source, _ in read),
        versions=tuple(version for _, version in read),
        **parts,
        output=_output(found, wanted.output.strip()),
        measures=measures_of(
            found, wanted.measures, [source.kind for source, _ in read if source.role == "eval"]
        ),
        gpus=_gpus(chosen.gpus if wanted.gpus is None else wanted.gpus, found, config),
        priority=_priority(wanted.priority),
    )


def ready_stage(name: str) -> Stage:
    """A stage that can be run; raises :class:`InvalidInput` naming those there are."""
    found = stage(name)
    if not found.is_ready:
        names = ", ".join(item.name for item in offered())
        raise InvalidInput(f"{found.title} cannot be run yet; these can: {names}.", field="stage")
    return found


def config_of(found: Stage, chosen: Preset, changes: Mapping[str, Any]) -> Config:
    """The stage's settings: its defaults, the preset's, and the changes over both."""
    return found.config_class.from_json({**chosen.settings, **storable(dict(changes))})


def spec_of(
    plan: Plan, run: int, version: DatasetVersion | None = None, source_roots: Iterable[str] = ()
) -> Spec:
    """The plan as the program of run number ``run`` reads it.

    ``version`` is the one reserved for its rows, ``source_roots`` the folders of the server that it may read.
    """
    return Spec(
        stage=plan.stage.name,
        run=run,
        config=plan.config.to_json(),
        sources=list(plan.sources),
        base=_as_part(plan.base),
        tokenizer=_as_part(plan.tokenizer),
        reference_model=_as_part(plan.reference_model),
        reward_model=_as_part(plan.reward_model),
        dataset={"name": version.dataset.name, "number": version.number} if version else None,
        source_roots=list(source_roots) if plan.stage.folder else [],
        prunes=False,
    )


def wanted_of(run: Run) -> Wanted:
    """What a run was asked for, to ask for it again."""
    known = {item.name for item in presets_of(run.stage)}
    return Wanted(
        stage=run.stage,
        name=run.name,
        preset=run.preset if run.preset in known else "",
        inputs=tuple(
            Input(item["reference"], item["role"], item["weight"], item["epochs"]) for item in run.inputs
        ),
        **{role: part.reference for role, part in run.parts.items()},
        output=run.version.dataset.name if run.version else "",
        measures=run.measures if any(item["role"] == "eval" for item in run.inputs) else None,
        settings=run.config,
        gpus=run.gpus,
        priority=run.priority,
    )


def kinds_of(found: Stage, role: str) -> tuple[str, ...]:
    """The kinds of datasets that a stage reads in a role."""
    return found.kinds(role)


def _source(found: Stage, item: Input) -> tuple[Source, DatasetVersion]:
    where = _field(found, item.role)
    if item.role not in ROLES:
        raise InvalidInput(f"{item.role!r} is no role; there are: {', '.join(ROLES)}.", field="role")
    if not (0 < item.weight <= MOST_WEIGHT and (item.epochs is None or 0 < item.epochs <= MOST_WEIGHT)):
        raise InvalidInput(
            f"{item.reference}: weight and epochs are above zero and at most {MOST_WEIGHT:,}.", field=where
        )
    version = _version(item.reference, where)
    kinds, kind = kinds_of(found, item.role), version.dataset.kind
    if not kinds:
        raise InvalidInput(f"{found.title} takes no {item.role} dataset: leave it out.", field=where)
    if kind not in kinds:
        raise InvalidInput(
            f"{item.reference} holds {kind}; {found.title} takes {' or '.join(kinds)} for {item.role}.",
            field=where,
        )
    source = Source(version.reference, kind, version.folder, item.role, item.weight, item.epochs)
    return source, version


def _version(reference: str, where: str) -> DatasetVersion:
    try:
        parsed = parse_reference(reference)
    except TilthError as error:
        raise InvalidInput(error.message, code=error.code, field=where) from None
    if parsed.prefix != "dataset" or parsed.version is None:
        raise InvalidInput(f"{reference} is no dataset version: write NAME@NUMBER.", field=where)
    version = DatasetVersion.objects.filter(dataset__name=parsed.key, number=parsed.version)
    found = version.select_related("dataset").first()
    if found is None:
        raise NotFound(f"There is no dataset version {reference}.", field=where)
    if found.state != DatasetVersion.State.PUBLISHED:
        raise InvalidInput(
            f"{reference} is {found.state}: only a published version can be read.", field=where
        )
    return found


def _check_inputs(found: Stage, config: Config, inputs: Iterable[Input]) -> None:
    by_role = {role: [item.reference for item in inputs if item.role == role] for role in ROLES}
    if not by_role[found.role]:
        _check_nothing_chosen(found, config)
    for role, references in by_role.items():
        twice = {reference for reference in references if references.count(reference) > 1}
        if twice:
            raise InvalidInput(
                f"{min(twice)} is named twice: give it a larger weight instead.", field=_field(found, role)
            )
    if found.search:
        check_searched(getattr(config, "tools", ""), bool(by_role["search"]))
    for role in ("validation", "eval"):
        shared = set(by_role["train"]) & set(by_role[role])
        if shared:
            raise InvalidInput(
                f"{min(shared)} is trained on: what is measured must be held out.", field=_field(found, role)
            )


def _check_nothing_chosen(found: Stage, config: Config) -> None:
    """Without a dataset a stage reads the folder that its settings name, if it can."""
    kinds = kinds_of(found, found.role)
    if found.folder and getattr(config, found.folder).strip():
        return
    if not kinds:
        if found.folder:
            raise InvalidInput("Name a folder or a Hub id.", field=found.folder)
        return
    otherwise = f", or name a folder in the setting {found.folder}" if found.folder else ""
    raise InvalidInput(
        f"{found.title} needs a dataset of {' or '.join(kinds)}: choose one{otherwise}.", field="dataset"
    )


def _field(found: Stage, role: str) -> str:
    """The form's field for a role: what a stage reads in the first place comes in rows."""
    return "dataset" if role in ("train", found.role) else role


def _output(found: Stage, name: str) -> str:
    if not name:
        if found.needs_dataset:
            raise InvalidInput(f"{found.title} makes a dataset: name it.", field="output")
        return ""
    if not found.makes_rows:
        raise InvalidInput(f"{found.title} makes checkpoints and no dataset: leave it out.", field="output")
    try:
        return check_name(name)
    except TilthError as error:
        raise InvalidInput(error.message, code=error.code, field="output") from None


def _part(reference: str, role: str) -> Checkpoint | None:
    if not reference:
        return None
    found = Checkpoint.objects.by_reference(reference)
    if found is None:
        raise NotFound(f"There is no checkpoint {reference}; one looks like checkpoint:12/400.", field=role)
    if not found.is_kept:
        raise InvalidInput(f"The files of {reference} were pruned: choose another checkpoint.", field=role)
    if found.holds not in HOLDS[role]:
        raise InvalidInput(f"{reference} holds {found.holds}, not {' or '.join(HOLDS[role])}.", field=role)
    return found


def _check_parts(
    found: Stage,
    base: Checkpoint | None,
    tokenizer: Checkpoint | None,
    reference_model: Checkpoint | None,
    reward_model: Checkpoint | None,
) -> None:
    _check_base(found, base)
    _check_tokenizer(found, base, tokenizer)
    if reference_model is not None and not found.takes_reference:
        raise InvalidInput(
            f"{found.title} compares with no other model: leave it out.", field="reference_model"
        )
    if reward_model is not None and not found.takes_reward_model:
        raise InvalidInput(f"{found.title} takes no reward model: leave it out.", field="reward_model")
    if reward_model is not None and not reward_model.scores:
        raise InvalidInput(
            f"{reward_model.reference} writes and does not score: choose a reward model.",
            field="reward_model",
        )


def _check_base(found: Stage, base: Checkpoint | None) -> None:
    if found.base == "required" and base is None:
        raise InvalidInput(f"{found.title} starts from a model: choose a base checkpoint.", field="base")
    if found.base == "none" and base is not None:
        raise InvalidInput(f"{found.title} starts from nothing: leave the base out.", field="base")
    if base is not None and base.scores and not found.takes_scorer:
        raise InvalidInput(f"{base.reference} scores and does not write: choose another base.", field="base")


def _check_tokenizer(found: Stage, base: Checkpoint | None, tokenizer: Checkpoint | None) -> None:
    if tokenizer is not None and (base is not None or not found.needs_tokenizer):
        why = "its base brings its own" if base is not None else "it uses none"
        raise InvalidInput(f"{found.title} takes no tokenizer here: {why}.", field="tokenizer")
    if found.needs_tokenizer and base is None and tokenizer is None:
        raise InvalidInput(
            f"{found.title} from nothing needs a tokenizer: choose a tokenizer checkpoint.", field="tokenizer"
        )


def _gpus(wanted: int, found: Stage, config: Config) -> int:
    if not 0 <= wanted <= found.most_gpus:
        raise InvalidInput(f"GPUs: from 0 (on CPU) to {found.most_gpus} for {found.title}.", field="gpus")
    batch = getattr(config, "batch", None)
    if wanted > 1 and batch is not None and batch % wanted:
        raise InvalidInput(f"{wanted} GPUs share a batch of {batch}: make it a multiple.", field="batch")
    return wanted


def _priority(wanted: int) -> int:
    if wanted not in PRIORITIES:
        raise InvalidInput(
            f"The priority lies between {PRIORITIES[0]} and {PRIORITIES[-1]}.", field="priority"
        )
    return wanted


def _name(found: Stage, config: Config, wanted: Wanted) -> str:
    read = [item.reference for item in wanted.inputs if item.role == found.role]
    if found.folder and (folder := getattr(config, found.folder).strip()):
        read.append(PurePath(folder).name or folder)
    more = f" and {len(read) - 2} more" if len(read) > 2 else ""
    given = storable(wanted.name).strip() or (
        f"{found.title} on {' and '.join(read[:2])}{more}" if read else found.title
    )
    return given[:200]


def _as_part(checkpoint: Checkpoint | None) -> Part | None:
    return Part(checkpoint.reference, checkpoint.path) if checkpoint else None
