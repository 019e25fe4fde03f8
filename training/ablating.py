"""From the question somebody has to the runs that answer it: an ablation is checked whole before anything is made.

What is compared must be comparable: the same length of training for all, the same held-out texts, and a metric
that is not the loss on data which differs from arm to arm.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tilth.errors import InvalidInput, TilthError
from tilth.text.storable import storable
from training.estimates import estimate
from training.launch import Input, Wanted, check, config_of, offered, ready_stage
from training.llm.config import read_assignments
from training.llm.presets import preset
from training.llm.stages import Stage

ARMS = range(2, 9)
MOST_SIZES = 6
SEEDS = range(2, 21)
MOST_RUNS = 200
HELD_OUT = ("validation", "bits_per_byte")
"""How curves begin that are measured on held-out texts."""
FIXED = ("seed", "tokens", "steps", "epochs", "time_limit")
"""Settings that no size may change: all sizes are trained for as long, on the same seeds."""


@dataclass(frozen=True, slots=True)
class Arm:
    """One side of the comparison: a dataset version, or several with weights."""

    name: str
    inputs: tuple[Input, ...]

    @classmethod
    def parse(cls, text: str, name: str = "") -> "Arm":
        """Read ``NAME=DATA`` or ``DATA``; ``DATA`` is ``A@1`` or a mixture such as ``A@1:2, B@3``."""
        before, equals, after = text.partition("=")
        if equals and not name:
            name, text = before.strip(), after
        words = text.replace(",", " ").split()
        if not words:
            raise InvalidInput("An arm names a dataset version: prose@1, or prose@1:2, web@3.", field="arms")
        return cls(name.strip() or " + ".join(words), tuple(Input.parse(word) for word in words))

    def to_json(self) -> dict[str, Any]:
        """As the ablation's row keeps it."""
        inputs = [
            {"reference": item.reference, "weight": item.weight, "epochs": item.epochs}
            for item in self.inputs
        ]
        return {"name": self.name, "inputs": inputs}


@dataclass(frozen=True, slots=True)
class Size:
    """One size: what it changes of the settings, and the checkpoint that it starts from where it names one."""

    label: str
    settings: Mapping[str, Any]
    base: str = ""

    @classmethod
    def parse(cls, found: Stage, text: str) -> "Size":
        """Read ``depth=4 width=128``, or ``base=checkpoint:3/100``; empty is the size that the settings have."""
        words = text.split()
        base = next((word.removeprefix("base=") for word in words if word.startswith("base=")), "")
        assigned = [word for word in words if not word.startswith("base=")]
        try:
            settings = read_assignments(found.config_class, assigned)
        except TilthError as error:
            raise InvalidInput(error.message, field="sizes") from None
        fixed = next((name for name in settings if name in FIXED), None)
        if fixed:
            raise InvalidInput(f"{fixed} is the same for all sizes: set it once.", field="sizes")
        return cls(" ".join(words) or "as set", settings, base)


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedAblation:
    """What somebody asks. ``common`` is what all runs share, without inputs; its seed is the first one.

    ``sizes`` are texts as :meth:`Size.parse` reads them; none is one size.
    """

    name: str
    common: Wanted
    arms: tuple[Arm, ...]
    metric: str
    lower_is_better: bool = True
    question: str = ""
    sizes: tuple[str, ...] = ()
    seeds: int = 3
    validation: str = ""
    evals: tuple[str, ...] = ()
    eval_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run to launch, with the places of its arm, size and seed."""

    arm: int
    size: int
    seed: int
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class Design:
    """An ablation that may be launched. ``parameters`` are those of each size, ``None`` where not known."""

    wanted: WantedAblation
    name: str
    sizes: tuple[Size, ...]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    parameters: tuple[int | None, ...]


def ablatable() -> list[Stage]:
    """The stages whose runs can be compared: those that train a model on data."""
    return [found for found in offered() if found.can_be_measured]


def design(wanted: WantedAblation) -> Design:
    """The runs of an ablation, or the first fault as :class:`TilthError` with the field to change."""
    found = ready_stage(wanted.common.stage)
    if found not in ablatable():
        raise InvalidInput(f"{found.title} cannot be compared: it trains no model on data.", field="stage")
    name = storable(wanted.name).strip()[:200]
    if not name:
        raise InvalidInput("Give the ablation a name.", field="name")
    sizes = tuple(Size.parse(found, text) for text in wanted.sizes or ("",))
    _check_counts(wanted, sizes)
    _check_metric(wanted)
    seeds = _check_settings(found, wanted, sizes)
    cells = tuple(_cells(replace(wanted, name=name), sizes, seeds))
    parameters = tuple(
        estimate(check(next(cell.wanted for cell in cells if cell.size == place))).parameters
        for place in range(len(sizes))
    )
    return Design(wanted, name, sizes, seeds, cells, parameters)


def _check_counts(wanted: WantedAblation, sizes: tuple[Size, ...]) -> None:
    arms = wanted.arms
    if len(arms) not in ARMS:
        raise InvalidInput(f"An ablation has {ARMS[0]} to {ARMS[-1]} arms.", field="arms")
    if len({arm.name for arm in arms}) < len(arms):
        raise InvalidInput("Two arms have the same name.", field="arms")
    if len({frozenset(arm.inputs) for arm in arms}) < len(arms):
        raise InvalidInput("Two arms have the same data: there is nothing to compare.", field="arms")
    if len(sizes) > MOST_SIZES or len({size.label for size in sizes}) < len(sizes):
        raise InvalidInput(f"At most {MOST_SIZES} sizes, each once.", field="sizes")
    if wanted.seeds not in SEEDS:
        raise InvalidInput(f"{SEEDS[0]} to {SEEDS[-1]} seeds: one alone shows no spread.", field="seeds")
    runs = len(arms) * len(sizes) * wanted.seeds
    if runs > MOST_RUNS:
        raise InvalidInput(f"That is {runs} runs; at most {MOST_RUNS} at once.", field="seeds")


def _check_metric(wanted: WantedAblation) -> None:
    metric = wanted.metric.strip()
    reference, slash, figure = metric.partition("/")
    if "@" in reference:
        if not (slash and figure and reference in wanted.evals):
            raise InvalidInput(
                f"{metric} is no figure of a chosen evaluation: write NAME@V/FIGURE, such as "
                "problems@1/pass@1, and choose NAME@V as evaluation data.",
                field="metric",
            )
        return
    if not metric.startswith(HELD_OUT) or len(metric) > 200:
        raise InvalidInput(
            "The metric is a curve on held-out texts (bits_per_byte, validation_loss) or a figure NAME@V/FIGURE: "
            "what is trained on differs from arm to arm, and so its loss tells nothing.",
            field="metric",
        )
    if not wanted.validation:
        raise InvalidInput(
            "Choose validation data: arms are compared on the same held-out texts.", field="validation"
        )


def _check_settings(found: Stage, wanted: WantedAblation, sizes: tuple[Size, ...]) -> tuple[int, ...]:
    """The seeds; raises where the runs would not be trained for as long."""
    chosen = preset(found.name, wanted.common.preset)
    configs = [config_of(found, chosen, {**wanted.common.settings, **size.settings}) for size in sizes]
    config: Any = configs[0]
    if getattr(config, "tokens", None) is None and getattr(config, "steps", None) is None:
        raise InvalidInput(
            "Set tokens or steps: otherwise each arm is trained for as long as its data is.",
            field="tokens" if hasattr(config, "tokens") else "steps",
        )
    if getattr(config, "time_limit", None) is not None:
        raise InvalidInput(
            "A time limit ends some runs earlier than others: leave it empty.", field="time_limit"
        )
    first = int(config.seed)
    return tuple(range(first, first + wanted.seeds))


def _cells(wanted: WantedAblation, sizes: tuple[Size, ...], seeds: tuple[int, ...]) -> Iterator[Cell]:
    held = [Input(wanted.validation, "validation")] if wanted.validation else []
    held += [Input(reference, "eval") for reference in wanted.evals]
    for place, size in enumerate(sizes):
        for number, arm in enumerate(wanted.arms):
            for turn, seed in enumerate(seeds):
                shown = f" · {size.label}" if len(sizes) > 1 else ""
                asked = replace(
                    wanted.common,
                    name=f"{wanted.name[:100]} · {arm.name[:40]}{shown[:40]} · seed {seed}",
                    inputs=(*arm.inputs, *held),
                    base=size.base or wanted.common.base,
                    settings={**wanted.common.settings, **size.settings, "seed": seed},
                    measures="none",  # the ablation does it itself, once a run has ended well
                )
                yield Cell(number, place, turn, asked)
