"""The form of an ablation: a launch form for what all runs share, with arms, sizes, seeds and the metric."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict

from training.ablating import ARMS, SEEDS, Arm, WantedAblation
from training.forms import LaunchForm
from training.llm.stages import Stage

LOWER, HIGHER = "lower", "higher"
EMPTY_ARM = {"name": "", "data": ""}


class AblationForm(LaunchForm):
    """What is asked, and how it is answered. The arms come in rows beside the form."""

    question = forms.CharField(
        label="Question",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What the answer is for.",
    )
    sizes = forms.CharField(
        label="Sizes",
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
        help_text="One a line, as settings: depth=4, depth=8. Empty: the one size that is set below. Two or more show a trend.",
    )
    seeds = forms.IntegerField(
        label="Seeds",
        min_value=SEEDS[0],
        max_value=SEEDS[-1],
        initial=3,
        help_text="Each arm runs with each of them, counted from the seed below.",
    )
    metric = forms.CharField(
        label="Metric",
        max_length=200,
        initial="bits_per_byte",
        help_text="bits_per_byte, validation_loss, or a figure of the evaluation data: NAME@V/accuracy. It decides, and is fixed.",
    )
    better = forms.ChoiceField(
        label="Better is", choices=[(LOWER, "lower"), (HIGHER, "higher")], initial=LOWER
    )

    def __init__(self, stage: Stage, *args: Any, **kwargs: Any) -> None:
        super().__init__(stage, *args, **kwargs)
        self.fields["name"].required = True
        self.fields["name"].help_text = ""
        self.fields.pop("output", None)
        self.fields.pop("search", None)

    @property
    def asked(self) -> list[forms.BoundField]:
        """The fields about the question."""
        return [self[name] for name in ("name", "question", "metric", "better", "seeds", "sizes")]

    @property
    def how(self) -> list[forms.BoundField]:
        """The fields about the runs themselves."""
        return [self["priority"]]

    def wanted_ablation(self, arms: Iterable[Arm]) -> WantedAblation:
        """What a valid form asks for, with its arms."""
        data = self.cleaned_data
        shared = super().wanted(())
        held = {item.role: item.reference for item in shared.inputs}
        return WantedAblation(
            name=data["name"],
            question=data["question"],
            common=shared,
            arms=tuple(arms),
            sizes=tuple(line.strip() for line in data["sizes"].splitlines() if line.strip()),
            seeds=data["seeds"],
            metric=data["metric"],
            lower_is_better=data["better"] == LOWER,
            validation=held.get("validation", ""),
            evals=(held["eval"],) if "eval" in held else (),
        )


def read_arms(data: QueryDict) -> list[dict[str, str]]:
    """The arms as they were typed, empty rows left out."""
    rows = zip(data.getlist("arm_name"), data.getlist("arm_data"), strict=False)
    return [{"name": name, "data": text} for name, text in rows if name.strip() or text.strip()]


def arms_of(rows: Iterable[dict[str, str]]) -> list[Arm]:
    """The rows as arms; raises :class:`InvalidInput` for one that names no data."""
    return [Arm.parse(row["data"], row["name"]) for row in rows]


def shown_rows(rows: list[dict[str, str]], wanted: int = 0) -> list[dict[str, str]]:
    """The rows to show, filled up with empty ones to as many as are wanted: two at least."""
    short = min(max(ARMS[0], wanted), ARMS[-1]) - len(rows)
    return [*rows, *([EMPTY_ARM] * short)]
