"""Forms of the training pages: the filter of the list, and a launch as fields made from a stage's settings."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.http import QueryDict

from tilth.datasets.models import DatasetVersion
from tilth.errors import InvalidInput, TilthError
from tilth.ui.formats import si
from training.launch import HOLDS, PRIORITIES, Input, Wanted, config_of, kinds_of
from training.llm.checkpoints import SCORING
from training.llm.config import Setting, parse, settings_of
from training.llm.presets import preset, presets_of
from training.llm.stages import STAGES, Stage
from training.models.checkpoints import Checkpoint
from training.models.runs import RUN_STATES, Measures, Run, RunQuerySet
from training.titles import title

ACTIVE = "active"
PREFIX = "set-"
MOST_CHOICES = 500
HELD = {"validation": "Validation data", "eval": "Evaluation data", "search": "Data to search"}
"""Data beside what a stage reads in the first place, by role."""
ROW_FIELDS = ("dataset", "weight", "epochs")


class RunFilter(forms.Form):
    """Words, stage and state; everything may be empty."""

    q = forms.CharField(
        label="Search", required=False, max_length=100, widget=forms.TextInput(attrs={"type": "search"})
    )
    stage = forms.ChoiceField(label="Stage", required=False)
    state = forms.ChoiceField(
        label="State",
        required=False,
        choices=[("", "Any state"), (ACTIVE, "Checking, queued or running"), *RUN_STATES],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stages = [(item.name, item.title) for item in STAGES.values()]
        self.fields["stage"].choices = [("", "Any stage"), *stages]  # type: ignore[attr-defined]

    def narrow(self, runs: RunQuerySet) -> RunQuerySet:
        """The runs that fit; none when the filter itself is wrong."""
        if not self.is_valid():
            return runs.none()
        wanted = self.cleaned_data
        if wanted["q"]:
            runs = runs.search(wanted["q"])
        if wanted["stage"]:
            runs = runs.filter(stage=wanted["stage"])
        if wanted["state"] == ACTIVE:
            return runs.under_way()
        return runs.in_state(wanted["state"]) if wanted["state"] else runs


class LaunchForm(forms.Form):
    """A run of one stage. Settings are fields called ``set-NAME``; datasets come in rows beside the form."""

    name = forms.CharField(
        max_length=200, required=False, help_text="Empty: called by stage and data.", label="Name"
    )
    preset = forms.ChoiceField(label="Preset", help_text="Named settings to begin with.")
    priority = forms.IntegerField(
        label="Priority",
        min_value=PRIORITIES[0],
        max_value=PRIORITIES[-1],
        initial=0,
        help_text="Higher goes first.",
    )

    def __init__(self, stage: Stage, *args: Any, chosen: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = stage
        self.settings = settings_of(stage.config_class)
        begun = preset(stage.name, chosen)
        self.fields["gpus"] = forms.IntegerField(
            label="GPUs", min_value=0, max_value=stage.most_gpus, help_text="0 runs on CPU."
        )
        self.fields["preset"].choices = [(p.name, p.title) for p in presets_of(stage.name)]  # type: ignore[attr-defined]
        self.initial.setdefault("preset", begun.name)
        self.initial.setdefault("gpus", begun.gpus)
        self._add_parts()
        for item in self.settings:
            value = begun.settings.get(item.name, item.default)
            self.fields[f"{PREFIX}{item.name}"] = _setting_field(item, value)

    def _add_parts(self) -> None:
        stage = self.stage
        writing = _checkpoint_choices("base", scores=None if stage.takes_scorer else False)
        if stage.base != "none":
            self.fields["base"] = _part("Base", writing, required=stage.base == "required")
        if stage.needs_tokenizer:
            self.fields["tokenizer"] = _part("Tokenizer", _checkpoint_choices("tokenizer", scores=False))
        if stage.takes_reference:
            field = _part("Reference model", writing)
            field.help_text = "What it is compared with; the base where none is chosen."
            self.fields["reference_model"] = field
        if stage.makes_rows:
            said = "The rows become its next version." if stage.needs_dataset else "Empty: figures alone."
            self.fields["output"] = forms.CharField(
                label="Dataset to make", max_length=100, required=stage.needs_dataset, help_text=said
            )
        if stage.takes_reward_model:
            self.fields["reward_model"] = _part(
                "Reward model", _checkpoint_choices("reward_model", scores=True)
            )
        for role, label in HELD.items():
            if role != stage.role and kinds_of(stage, role):
                self.fields[role] = forms.ChoiceField(
                    label=label,
                    required=False,
                    choices=[("", "None"), *_version_choices(kinds_of(stage, role))],
                )
        if stage.can_be_measured:
            self.fields["measures"] = forms.ChoiceField(
                label="Measure on the evaluation data",
                required=False,
                choices=Measures.choices,
                help_text="By runs of their own, with the usual settings of an evaluation.",
            )

    @property
    def parts(self) -> list[forms.BoundField]:
        """The fields that choose checkpoints."""
        return [self[name] for name in HOLDS if name in self.fields]

    @property
    def held(self) -> list[forms.BoundField]:
        """The fields that choose data beside what it reads in the first place."""
        return [self[name] for name in (*HELD, "measures") if name in self.fields]

    @property
    def how(self) -> list[forms.BoundField]:
        """The fields about the run itself."""
        return [self[name] for name in ("name", "output", "priority") if name in self.fields]

    @property
    def plain(self) -> list[forms.BoundField]:
        """The settings that most people look at, and the devices, which a preset chooses too."""
        chosen = [self[f"{PREFIX}{item.name}"] for item in self.settings if not item.advanced]
        return [*chosen, self["gpus"]]

    @property
    def advanced(self) -> list[forms.BoundField]:
        """The other settings."""
        return [self[f"{PREFIX}{item.name}"] for item in self.settings if item.advanced]

    @property
    def advanced_is_wrong(self) -> bool:
        """Whether a folded setting is at fault, so that it is shown."""
        return any(bound.errors for bound in self.advanced)

    def clean(self) -> dict[str, Any]:
        """Read the settings by their types and check them together, each fault at its field."""
        data = super().clean() or {}
        values = {}
        for item in self.settings:
            field = f"{PREFIX}{item.name}"
            if field in self.errors:
                continue
            try:
                values[item.name] = _typed(item, data.get(field))
            except InvalidInput as error:
                self.add_error(field, error.message)
        if not self.errors:
            try:
                config_of(self.stage, preset(self.stage.name, data["preset"]), values)
            except TilthError as error:
                self.blame(error)
        data["settings"] = values
        return data

    def blame(self, error: TilthError) -> None:
        """Show a fault at the field that it names, else above the form."""
        named = error.field or ""
        for field in (f"{PREFIX}{named}", named):
            if field in self.fields:
                self.add_error(field, error.message)
                return
        self.add_error(None, error.message)

    def wanted(self, inputs: Iterable[Input]) -> Wanted:
        """What a valid form asks for, with the rows of datasets."""
        data = self.cleaned_data
        held = [Input(data[role], role) for role in HELD if data.get(role)]
        return Wanted(
            stage=self.stage.name,
            name=data["name"],
            preset=data["preset"],
            inputs=(*inputs, *held),
            **{role: data.get(role) or "" for role in HOLDS},
            output=data.get("output") or "",
            measures=(data.get("measures") or None) if data.get("eval") else None,
            settings=data["settings"],
            gpus=data["gpus"],
            priority=data["priority"],
        )


def read_rows(data: QueryDict) -> list[dict[str, str]]:
    """The rows of datasets as they were typed; rows without a dataset are left out."""
    columns = [data.getlist(name) for name in ROW_FIELDS]
    rows = [dict(zip(ROW_FIELDS, (*values, "", ""), strict=False)) for values in zip(*columns, strict=False)]
    return [row for row in rows if row["dataset"]]


def inputs_of(stage: Stage, rows: Iterable[Mapping[str, str]]) -> list[Input]:
    """The rows as what a stage reads in the first place; raises :class:`InvalidInput` for a weight that is no number."""
    return [Input(row["dataset"], stage.role, _weight(row), _number(row["epochs"], "epochs")) for row in rows]


def versions_for(stage: Stage) -> list[tuple[str, str]]:
    """The versions that a stage can read in the first place, as choices."""
    return _version_choices(kinds_of(stage, stage.role))


def rows_of(run: Run) -> list[dict[str, str]]:
    """A run's datasets as the form's rows."""
    return [
        {
            "dataset": item["reference"],
            "weight": f"{item['weight']:g}" if item["weight"] != 1 else "",
            "epochs": f"{item['epochs']:g}" if item["epochs"] is not None else "",
        }
        for item in run.inputs
        if item["role"] == run.stage_info.role
    ]


def initial_of(run: Run) -> dict[str, Any]:
    """A run's other answers as the form's."""
    primary = run.stage_info.role
    held = {item["role"]: item["reference"] for item in run.inputs if item["role"] != primary}
    output = {"output": run.version.dataset.name} if run.version else {}
    measures = {"measures": run.measures} if "eval" in held else {}
    parts = {role: part.reference for role, part in run.parts.items()}
    values = {f"{PREFIX}{name}": value for name, value in run.config.items()}
    job = {"gpus": run.gpus, "priority": run.priority}
    return {"name": run.name, "preset": run.preset, **output, **measures, **held, **parts, **values, **job}


def _weight(row: Mapping[str, str]) -> float:
    given = _number(row["weight"], "weight")
    return 1.0 if given is None else given


def _number(text: str, name: str) -> float | None:
    try:
        return float(text.replace(",", ".")) if text.strip() else None
    except ValueError:
        raise InvalidInput(f"{name} is a number; {text[:50]!r} is none.", field="dataset") from None


def _version_choices(kinds: Iterable[str]) -> list[tuple[str, str]]:
    published = DatasetVersion.objects.filter(
        state=DatasetVersion.State.PUBLISHED, dataset__kind__in=list(kinds), dataset__archived=False
    )
    newest = published.select_related("dataset").order_by("-published_at", "-pk")[:MOST_CHOICES]
    return [
        (version.reference, f"{version.reference} · {si(version.rows)} rows · {si(version.tokens)} tokens")
        for version in newest
    ]


def _checkpoint_choices(role: str, *, scores: bool | None) -> list[tuple[str, str]]:
    """Checkpoints that can have a role; ``scores`` narrows to reward models, or to all others."""
    found = Checkpoint.objects.kept().filter(holds__in=HOLDS[role])
    if scores is not None:
        narrow = found.filter if scores else found.exclude
        found = narrow(architecture__endswith=SCORING)
    return [(item.reference, f"{item.reference} · {item.run.name}") for item in found[:MOST_CHOICES]]


def _part(label: str, choices: list[tuple[str, str]], *, required: bool = False) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, required=required, choices=[("", "None"), *choices])


def _typed(item: Setting, value: Any) -> Any:
    return bool(value) if item.type is bool else parse(item, "" if value is None else str(value))


def _setting_field(item: Setting, value: Any) -> forms.Field:
    shared: dict[str, Any] = {
        "label": title(item.name),
        "help_text": " ".join(filter(None, (f"{item.help}.", _span(item)))),
        "initial": value,
        "required": not (item.optional or item.type in (bool, str)),
    }
    if item.type is bool:
        return forms.BooleanField(**shared)
    if item.choices:
        return forms.ChoiceField(choices=[(c, c) for c in item.choices], **{**shared, "required": True})
    if item.lines:
        return forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), **shared)
    if item.type is str:
        return forms.CharField(max_length=2000, **shared)
    attributes = {"inputmode": "decimal", "autocomplete": "off"}
    # Counts are typed as 1e9 or 10_000 too, which a number field of the browser does not take.
    return forms.CharField(max_length=40, widget=forms.TextInput(attrs=attributes), **shared)


def _span(item: Setting) -> str:
    """The numbers that a setting may have, in words."""
    if item.minimum is not None and item.maximum is not None:
        return f"({_plain(item.minimum)} to {_plain(item.maximum)})"
    return f"(At least {_plain(item.minimum)})" if item.minimum is not None else ""


def _plain(number: float) -> str:
    return f"{number:,.10g}"
