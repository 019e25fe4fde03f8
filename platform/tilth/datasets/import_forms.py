"""The forms of the import page: what is read, and how it becomes a dataset."""

from typing import Any

from django import forms
from django.conf import settings

from tilth.datasets.columns import Column
from tilth.datasets.import_.preview import Preview
from tilth.datasets.import_.sources import Source
from tilth.datasets.licences import LICENCES, known_or_unknown
from tilth.datasets.schemas import KINDS, schema

MAP = "map_"
KNOWN = {
    ("documents", "source"): ". Left empty: the file's hash",
    ("documents", "record_offset"): ". Left empty: the row's number",
    ("preferences", "prompt"): ". Left empty: what both answers begin with",
}
"""Required columns that the import can fill by itself."""


class SourceForm(forms.Form):
    """Which file or folder is read."""

    upload = forms.CharField(required=False, widget=forms.HiddenInput, max_length=64)
    path = forms.CharField(
        required=False,
        label="Path on the server",
        max_length=1000,
        widget=forms.TextInput({"class": "mono", "spellcheck": "false", "autocomplete": "off"}),
    )
    part = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roots = ", ".join(map(str, settings.SOURCE_ROOTS))
        self.fields["path"].help_text = (
            f"A file or a Hugging Face folder under {roots}."
            if roots
            else "The operator has opened no folder for this (TILTH_SOURCE_ROOTS)."
        )


class ImportForm(forms.Form):
    """How the rows are read and where they go; one ``map_<column>`` field a column of the kind."""

    kind = forms.ChoiceField(
        choices=[(name, found.title) for name, found in KINDS.items()],
        widget=forms.Select({"data-preview-on-change": ""}),
        help_text="What a row is. Another kind reads the file anew.",
    )
    name = forms.CharField(
        label="Dataset name",
        max_length=100,
        help_text="Lower-case letters, digits, dots, dashes and underscores.",
        widget=forms.TextInput({"autocomplete": "off", "spellcheck": "false"}),
    )
    title = forms.CharField(required=False, max_length=200)
    licence = forms.ChoiceField(
        choices=[
            ("", "Choose…"),
            *((name, title if title == name else f"{name}: {title}") for name, title in LICENCES.items()),
        ]
    )
    max_bad_share = forms.FloatField(
        label="Bad rows allowed (%)",
        min_value=0,
        max_value=100,
        initial=5,
        help_text="Bad rows are left out and reported; with more than this share nothing is published.",
    )
    append = forms.BooleanField(
        required=False, label="Add to the dataset if it is there already, as its next version"
    )
    tokenizer = forms.CharField(
        required=False, max_length=200, help_text="Name or reference of what made them."
    )
    vocabulary = forms.IntegerField(required=False, min_value=2, max_value=1 << 32)

    def __init__(self, preview: Preview, source: Source, *args: Any, **kwargs: Any) -> None:
        stem = source.name.lower().split(".")[0]
        first = {
            "kind": preview.kind,
            "name": "".join(c if c.isalnum() and c.isascii() else "-" for c in stem).strip("-")[:100],
            "title": source.title,
            "licence": known_or_unknown(source.licence) if source.licence else "",
        }
        kwargs["initial"] = first | kwargs.get("initial", {})
        super().__init__(*args, **kwargs)
        for column in schema(preview.kind).columns:
            self.fields[MAP + column.name] = _mapping_field(column, preview)
        if preview.kind != "tokens":
            del self.fields["tokenizer"], self.fields["vocabulary"]

    @property
    def mapped(self) -> list[Any]:
        """The fields of the mapping, for the template."""
        return [self[name] for name in self.fields if name.startswith(MAP)]


def _mapping_field(column: Column, preview: Preview) -> forms.CharField:
    inner = [
        f"{k.partition('.')[2]}={v}" for k, v in preview.mapping.items() if k.startswith(f"{column.name}.")
    ]
    return forms.CharField(
        label=column.title,
        required=column.required and (preview.kind, column.name) not in KNOWN and column.name != "id",
        max_length=500,
        help_text=column.description + KNOWN.get((preview.kind, column.name), ""),
        initial=preview.mapping.get(column.name, "; ".join(inner)),
        widget=forms.TextInput({"class": "mono", "spellcheck": "false", "list": "file-fields"}),
    )


def mapping_of(data: Any, kind: str) -> dict[str, str] | None:
    """The mapping typed into the form, or ``None`` where it belongs to another kind or to none.

    A field of a struct column is typed as ``a=len_a; b=len_b``.
    """
    if data.get("mapped_kind") != kind:
        return None
    found: dict[str, str] = {}
    for column in schema(kind).columns:
        text = data.get(MAP + column.name, "").strip()
        if not text:
            continue
        pieces = [piece.partition("=") for piece in text.split(";")]
        names = {field.name for field in column.type} if hasattr(column.type, "fields") else set()
        if names and all(equals and name.strip() in names for name, equals, _ in pieces):
            found |= {f"{column.name}.{name.strip()}": value.strip() for name, _, value in pieces}
        else:
            found[column.name] = text
    return found
