"""Forms of tasks, imports and quotas."""

from typing import Any

from django import forms

from labeling.models.tasks import Task
from labeling.protocol.taskrows import FIELDS


class TaskForm(forms.Form):
    """What a task says, as JSON; answers are not part of it."""

    payload = forms.JSONField(
        label="Task", widget=forms.Textarea(attrs={"rows": 16, "class": "mono"}), help_text="JSON."
    )
    topic = forms.CharField(max_length=80, required=False)
    difficulty = forms.CharField(max_length=40, required=False)
    language = forms.CharField(max_length=12, required=False)
    note = forms.CharField(label="What was changed", max_length=300, required=False)
    version = forms.IntegerField(widget=forms.HiddenInput)


class ImportForm(forms.Form):
    """A source of tasks, which column is what, and what the tasks are for."""

    upload = forms.RegexField(r"^[0-9a-f]{64}$", required=False, widget=forms.HiddenInput)
    version = forms.CharField(max_length=120, required=False, widget=forms.HiddenInput)
    role = forms.ChoiceField(
        label="What they are for",
        required=False,
        choices=Task.Role.choices,
        help_text="A row that has a known answer becomes a task with a known answer in any case.",
    )
    limit = forms.IntegerField(label="Rows at most", min_value=1, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in (*FIELDS, "answers", "models"):
            several = " (several, with commas)" if name in {"answers", "models"} else ""
            self.fields[f"map_{name}"] = forms.CharField(
                label=f"Column of {name}{several}", max_length=200, required=False
            )

    def mapping(self) -> dict[str, str]:
        """Columns named outright."""
        names = (*FIELDS, "answers", "models")
        return {name: value for name in names if (value := self.cleaned_data.get(f"map_{name}", "").strip())}

    def show_guesses(self, mapping: dict[str, str]) -> None:
        """Put what was guessed into the empty fields."""
        for name, column in mapping.items():
            self.fields[f"map_{name}"].widget.attrs["placeholder"] = column

    def map_fields(self) -> list[forms.BoundField]:
        """The fields of the mapping."""
        return [self[f"map_{name}"] for name in (*FIELDS, "answers", "models")]


class QuotaForm(forms.Form):
    """How many submissions are wanted in a cell; empty parts mean any."""

    topic = forms.CharField(max_length=80, required=False)
    difficulty = forms.CharField(max_length=40, required=False)
    language = forms.CharField(max_length=12, required=False)
    target = forms.IntegerField(label="Submissions", min_value=0, help_text="0 takes the quota away.")
