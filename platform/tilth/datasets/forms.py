"""The forms of the dataset pages."""

from typing import Any

from django import forms

from tilth.datasets.export.formats import FORMATS, formats_for
from tilth.datasets.models import Dataset
from tilth.datasets.schemas import KINDS, schema

SORTS = {"name": "Name", "-created_at": "Newest first", "-newest": "Last published", "-rows": "Most rows"}


class DatasetFilter(forms.Form):
    """Search and filters of the list of datasets."""

    q = forms.CharField(
        required=False, label="Search", max_length=200, widget=forms.TextInput({"type": "search"})
    )
    kind = forms.ChoiceField(
        required=False, choices=[("", "Any kind"), *((name, kind.title) for name, kind in KINDS.items())]
    )
    state = forms.ChoiceField(
        required=False,
        choices=[
            ("", "With a version"),
            ("published", "Published"),
            ("building", "Building"),
            ("empty", "Without a version"),
            ("all", "All"),
        ],
    )
    archived = forms.ChoiceField(
        required=False, label="Archive", choices=[("", "Not archived"), ("yes", "Archived"), ("all", "All")]
    )
    sort = forms.ChoiceField(required=False, choices=list(SORTS.items()))


class DatasetForm(forms.ModelForm):
    """What people read about a dataset."""

    class Meta:
        model = Dataset
        fields = ["title", "licence", "description"]
        widgets = {"description": forms.Textarea({"rows": 10})}


class ExportForm(forms.Form):
    """A new export: format and choices. Columns and splits that a format has no use for are left out."""

    format = forms.ChoiceField(widget=forms.RadioSelect)
    columns = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all columns. Chat formats have columns of their own.",
    )
    validation = forms.FloatField(
        required=False,
        min_value=0,
        max_value=0.5,
        label="Validation share",
        help_text="0.05 puts one row in twenty into a validation split; pairs of one prompt stay together.",
        widget=forms.NumberInput({"step": "any"}),
    )
    seed = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31,
        help_text="Another seed picks other rows for validation.",
    )
    gzip = forms.BooleanField(required=False, label="Compress JSON lines (gzip)")

    def __init__(self, kind: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(entry.name, f"{entry.title}: {entry.help}") for entry in formats_for(kind)]
        self.fields["format"].choices = choices  # type: ignore[attr-defined]
        self.fields["format"].initial = choices[0][0]
        columns = [(column.name, column.title) for column in schema(kind).columns]
        self.fields["columns"].choices = columns  # type: ignore[attr-defined]
        offered = {option for entry in formats_for(kind) for option in entry.options}
        for name in {"columns", "validation", "seed", "gzip"} - offered:
            del self.fields[name]

    @property
    def options(self) -> dict[str, Any]:
        """The choices that the chosen format honours."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return {name: given[name] for name in FORMATS[given["format"]].options if name in given}
