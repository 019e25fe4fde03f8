"""Forms of the curation pages: a new run, its knobs, and a recipe as fields made from the steps' settings."""

from dataclasses import fields
from typing import Any

from django import forms

from curation.models import CurationRun, Recipe
from curation.pipeline.recipe import Recipe as PureRecipe
from curation.pipeline.recipe import RecipeStep, builtin, parse_recipe
from curation.pipeline.step import read_settings, registry, scope
from curation.typed import check_source
from tilth.errors import TilthError
from tilth.text.reference import check_name


def lines(text: str) -> list[str]:
    """The non-empty lines of a text box."""
    return [line.strip() for line in text.splitlines() if line.strip()]


class SourcesField(forms.CharField):
    """Sources, one a line; local paths must lie under the roots that the operator allowed."""

    widget = forms.Textarea

    def clean(self, value: Any) -> list[str]:
        """The sources as a list, each checked as far as it can be without reading it."""
        sources, faults = [], []
        for line in lines(super().clean(value) or ""):
            try:
                sources.append(check_source(line))
            except TilthError as error:
                faults.append(error.message)
        if faults:
            raise forms.ValidationError(faults)
        return sources


class RunForm(forms.Form):
    """What a new run needs to know."""

    sources = SourcesField(
        label="Sources",
        widget=forms.Textarea(attrs={"rows": 4, "class": "mono", "spellcheck": "false"}),
        help_text="One a line: a file or folder under the inbox, https://…, s3://…, or a crawl such as "
        "cc:CC-MAIN-2026-20:0-3 (WARC files 0 to 3 of that crawl).",
    )
    name = forms.CharField(
        label="Dataset name",
        max_length=100,
        help_text="Lower-case letters, digits, dots, dashes and underscores.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    recipe = forms.ChoiceField(label="Recipe")
    limit = forms.IntegerField(
        label="Pages at most",
        required=False,
        min_value=1,
        help_text="Empty: all. A small number makes a quick trial.",
    )
    workers = forms.IntegerField(
        label="Processes", required=False, min_value=1, max_value=1024, help_text="Empty: one per core."
    )
    disk_budget = forms.IntegerField(
        label="Disk for downloads (bytes)",
        required=False,
        min_value=1,
        help_text="Empty: remote files are streamed. With a budget each is downloaded whole first, never beyond it.",
    )
    required_share = forms.FloatField(
        label="Share of files that must succeed",
        required=False,
        min_value=0.0001,
        max_value=1,
        initial=1.0,
        widget=forms.NumberInput(attrs={"step": "any"}),
        help_text="1 means all of them. What is missing is named in the manifest.",
    )
    new_version = forms.BooleanField(
        label="The dataset exists: make its next version",
        required=False,
        help_text="Otherwise a name in use is refused.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        stored = {row.name: f"{row.title} ({row})" for row in Recipe.objects.newest()}
        names = {**{name: name for name in builtin()}, **stored}
        recipe = self.fields["recipe"]
        assert isinstance(recipe, forms.ChoiceField)
        recipe.choices = sorted(names.items(), key=lambda pair: (pair[0] != "fineweb", pair[0]))

    def clean_name(self) -> str:
        """A well-formed name."""
        try:
            return check_name(self.cleaned_data["name"])
        except TilthError as error:
            raise forms.ValidationError(error.message) from error

    def options(self) -> dict[str, Any]:
        """The run's options, set ones only."""
        names = ("limit", "workers", "disk_budget", "required_share")
        return {name: self.cleaned_data[name] for name in names if self.cleaned_data.get(name) is not None}


class AppendForm(forms.Form):
    """More sources for a finished run."""

    sources = RunForm.base_fields["sources"]


class ThrottleForm(forms.Form):
    """How many processes a run may use from now on."""

    workers = forms.IntegerField(
        label="Processes",
        min_value=1,
        max_value=1024,
        widget=forms.NumberInput(attrs={"class": "narrow-number"}),
    )


class RetryForm(forms.Form):
    """How many of the files must succeed for the run to publish."""

    required_share = forms.FloatField(required=False, min_value=0.0001, max_value=1)


class RunFilter(forms.Form):
    """Search and filter of the list of runs."""

    q = forms.CharField(label="Search", required=False)
    state = forms.ChoiceField(
        required=False,
        widget=forms.Select(attrs={"aria-label": "State"}),
        choices=[("", "Any state")]
        + [
            (s, s)
            for s in ("draft", "queued", "running", "paused", "succeeded", "failed", "cancelled", "discarded")
        ],
    )

    def apply(self) -> Any:
        """The runs that match."""
        runs = CurationRun.objects.with_objects()
        if not self.is_valid():
            return runs.kept()
        if words := self.cleaned_data["q"]:
            runs = runs.filter(dataset_name__icontains=words) | runs.filter(recipe__name__icontains=words)
        state = self.cleaned_data["state"]
        if state == "discarded":
            return runs.discarded()
        runs = runs.kept()
        if state == "draft":
            return runs.filter(job=None)
        return runs.filter(job__state=state) if state else runs


class TomlForm(forms.Form):
    """A recipe as text, for those who like it better."""

    toml = forms.CharField(
        label="Recipe (TOML)",
        strip=False,  # the lines are numbered as they were typed
        widget=forms.Textarea(attrs={"rows": 30, "class": "mono", "spellcheck": "false"}),
    )

    def clean_toml(self) -> str:
        """The text as it is when it is a recipe; else what is wrong with it."""
        try:
            parse_recipe(self.cleaned_data["toml"])
        except TilthError as error:
            raise forms.ValidationError(error.message) from error
        return self.cleaned_data["toml"]


class RecipeForm(forms.Form):
    """A recipe as fields: every known step with a switch, its place, and one field per setting."""

    name = forms.CharField(max_length=100, help_text="Another name makes another recipe.")
    title = forms.CharField(max_length=200)
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}))

    def __init__(self, *args: Any, recipe: PureRecipe, **kwargs: Any) -> None:
        self.recipe = recipe
        used = {step.name: (place, step) for place, step in enumerate(recipe.steps, 1)}
        kwargs.setdefault(
            "initial", {"name": recipe.name, "title": recipe.title, "description": recipe.description}
        )
        super().__init__(*args, **kwargs)
        unused = sorted(
            set(registry()) - set(used), key=lambda name: (scope(registry()[name]) == "corpus", name)
        )
        self.order = [*used, *unused]
        for name in self.order:
            place, step = used.get(name, (0, None))
            self._add_step(name, place or 10 * len(self.order), step)

    def _add_step(self, name: str, place: int, step: RecipeStep | None) -> None:
        module = registry()[name]
        self.fields[f"{name}.use"] = forms.BooleanField(
            label="Use this step", required=False, initial=step is not None
        )
        self.fields[f"{name}.place"] = forms.IntegerField(
            label="Place",
            min_value=1,
            initial=place,
            widget=forms.NumberInput(attrs={"class": "narrow-number"}),
        )
        values = step.values() if step else {}
        for spec in fields(module.Settings):
            self.fields[f"{name}.{spec.name}"] = _setting_field(spec, values.get(spec.name, spec.default))

    def groups(self) -> list[dict[str, Any]]:
        """The steps for the template: module texts, the switch, the place, the settings' bound fields."""
        made = []
        for name in self.order:
            module = registry()[name]
            settings = [self[f"{name}.{spec.name}"] for spec in fields(module.Settings)]
            made.append(
                {
                    "name": name,
                    "title": module.TITLE,
                    "source": module.SOURCE,
                    "scope": scope(module),
                    "reasons": module.REASONS,
                    "use": self[f"{name}.use"],
                    "place": self[f"{name}.place"],
                    "settings": settings,
                    "used": bool(self[f"{name}.use"].value()),
                    "wrong": any(bound.errors for bound in settings),
                }
            )
        return made

    def clean(self) -> dict[str, Any]:
        """Check every step that is used with the pipeline's own checks, then the recipe as a whole."""
        data = super().clean() or {}
        if self.errors:
            return data
        steps = sorted((n for n in self.order if data[f"{n}.use"]), key=lambda n: (data[f"{n}.place"], n))
        checked = [step for name in steps if (step := self._read_step(name, data))]
        if self.errors:
            return data
        draft = PureRecipe(
            data["name"], self.recipe.version, data["title"], data.get("description", ""), tuple(checked)
        )
        try:
            data["recipe"] = parse_recipe(draft.to_toml())
        except TilthError as error:
            self.add_error("name" if error.field == "name" else None, error.message)
        return data

    def _read_step(self, name: str, data: dict[str, Any]) -> RecipeStep | None:
        module = registry()[name]
        values = {spec.name: data[f"{name}.{spec.name}"] for spec in fields(module.Settings)}
        try:
            return RecipeStep(module, read_settings(module, values))
        except TilthError as error:
            self.add_error(error.field if error.field in self.fields else f"{name}.use", error.message)
            return None


class _ListField(forms.CharField):
    """A list of words, one a line."""

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list | tuple) else value

    def clean(self, value: Any) -> Any:
        return lines(super().clean(value) or "")


def _span(low: float | None, high: float | None) -> str:
    """The numbers that a setting may have, in words."""
    if low is None and high is None:
        return ""
    if high is None:
        return f"(at least {_plain(low)})"
    return f"(at most {_plain(high)})" if low is None else f"({_plain(low)} to {_plain(high)})"


def _plain(number: float | None) -> str:
    """A number as people write it: no exponent, thousands set apart."""
    return f"{number:,.12f}".rstrip("0").rstrip(".") if isinstance(number, float) else f"{number:,}"


def _setting_field(spec: Any, value: Any) -> forms.Field:
    """The form field that fits one setting of a step."""
    low, high = spec.metadata["minimum"], spec.metadata["maximum"]
    help_text = " ".join(filter(None, (spec.metadata["help"], _span(low, high))))
    shared: dict[str, Any] = {"label": spec.name.replace("_", " "), "help_text": help_text, "initial": value}
    if isinstance(spec.default, bool):
        return forms.BooleanField(required=False, **shared)
    if isinstance(spec.default, int):
        return forms.IntegerField(min_value=low, max_value=high, **shared)
    if isinstance(spec.default, float):
        widget = forms.NumberInput(attrs={"step": "any"})
        return forms.FloatField(min_value=low, max_value=high, widget=widget, **shared)
    if isinstance(spec.default, tuple):
        return _ListField(required=False, widget=forms.Textarea(attrs={"rows": 2, "class": "mono"}), **shared)
    if spec.metadata["choices"]:
        return forms.ChoiceField(choices=[(c, c) for c in spec.metadata["choices"]], **shared)
    return forms.CharField(required=False, **shared)
