"""Forms of tasks, imports and quotas."""

from collections.abc import Mapping
from typing import Any

from django import forms

from labeling.forms.fields import JSONField
from labeling.models.tasks import Task
from labeling.protocol import taskfields
from labeling.protocol.taskrows import FIELDS


class FacetsForm(forms.Form):
    """What every edit of a task has beside its texts."""

    topic = forms.CharField(max_length=80, required=False)
    difficulty = forms.CharField(max_length=40, required=False)
    language = forms.CharField(max_length=12, required=False)
    note = forms.CharField(label="What was changed", max_length=300, required=False)
    version = forms.IntegerField(widget=forms.HiddenInput)


class TextsForm(FacetsForm):
    """The texts of a task, one field each; everything else in its payload stays as it is."""

    def __init__(self, data: Any, *, payload: Mapping[str, Any], initial: dict[str, Any]) -> None:
        super().__init__(data, initial=initial)
        self.payload = payload
        self.paths: dict[str, str] = {}
        for number, found in enumerate(taskfields.fields(payload)):
            rows = min(20, 2 + found.text.count("\n") + len(found.text) // 90)
            widget = forms.Textarea(attrs={"rows": rows, "dir": "auto"})
            self.fields[f"text_{number}"] = forms.CharField(
                label=found.label, initial=found.text, required=False, strip=False, widget=widget
            )
            self.paths[f"text_{number}"] = found.path

    def texts(self) -> list[forms.BoundField]:
        """The fields of the payload."""
        return [self[name] for name in self.paths]

    def values(self) -> dict[str, Any]:
        """What the edit action takes."""
        data = {name: value for name, value in self.cleaned_data.items() if name not in self.paths}
        texts = {path: self.cleaned_data[name] for name, path in self.paths.items()}
        return {**data, "payload": taskfields.replace(self.payload, texts)}


class PayloadForm(FacetsForm):
    """What a task says, as JSON; answers are not part of it."""

    payload = JSONField(
        label="Task", widget=forms.Textarea(attrs={"rows": 16, "class": "mono"}), help_text="JSON."
    )

    def texts(self) -> list[forms.BoundField]:
        """The fields of the payload."""
        return [self["payload"]]

    def values(self) -> dict[str, Any]:
        """What the edit action takes."""
        return self.cleaned_data


SEVERAL = ("answers", "models")
MAPPED = (*FIELDS, *SEVERAL)


def posted_mapping(data: Mapping[str, Any]) -> dict[str, str]:
    """The columns that somebody chose; an empty one says that no column is that field."""
    return {name: str(data[f"map_{name}"]).strip() for name in MAPPED if f"map_{name}" in data}


class ImportForm(forms.Form):
    """What an import is for, which of its rows are taken, and which column is what."""

    role = forms.ChoiceField(
        label="What they are for",
        required=False,
        choices=Task.Role.choices,
        help_text="A row that has a known answer becomes a task with a known answer in any case.",
    )
    limit = forms.IntegerField(label="Rows at most", min_value=1, required=False)
    sample = forms.BooleanField(label="Take them at random, not the first ones", required=False)
    seed = forms.IntegerField(
        label="Seed of the random sample",
        min_value=0,
        max_value=2**31,
        required=False,
        help_text="0 if empty.",
    )

    def __init__(self, data: Any, *, columns: list[str], mapping: Mapping[str, str]) -> None:
        super().__init__(data)
        choices = [("", "–"), *((name, name) for name in columns if name)]
        for name in MAPPED:
            label = f"Column of {name}"
            chosen = mapping.get(name, "")
            if name in SEVERAL:
                self.fields[f"map_{name}"] = forms.CharField(
                    label=f"{label} (several, with commas)", max_length=300, required=False, initial=chosen
                )
            else:
                self.fields[f"map_{name}"] = forms.ChoiceField(
                    label=label, choices=choices, required=False, initial=chosen
                )

    def options(self) -> dict[str, Any]:
        """What the import action takes beside the mapping."""
        data = self.cleaned_data
        role, limit = data["role"] or Task.Role.NORMAL.value, data["limit"] or 0
        return {"role": role, "limit": limit, "sample": data["sample"], "seed": data["seed"] or 0}

    def map_fields(self) -> list[forms.BoundField]:
        """The fields of the mapping."""
        return [self[f"map_{name}"] for name in MAPPED]


class QuotaForm(forms.Form):
    """How many submissions are wanted in a cell."""

    topic = forms.CharField(max_length=80, required=False, help_text="Empty means any.")
    difficulty = forms.CharField(max_length=40, required=False, help_text="Empty means any.")
    language = forms.CharField(max_length=12, required=False, help_text="Empty means any.")
    target = forms.IntegerField(label="Submissions", min_value=0, help_text="0 takes the quota away.")
