"""The form of the tokenizer explorer: which tokenizers, and the text or the turns that they cut."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict

from tilth.errors import InvalidInput
from training.launch import HOLDS
from training.models.checkpoints import Checkpoint

TEXT, CONVERSATION = "text", "conversation"
ROLES = ("system", "user", "assistant")
MOST_CHARACTERS = 20_000
MOST_TURNS = 20
MOST_CHOICES = 500
BEGINNING = [{"role": role, "content": ""} for role in ROLES]


class ExploreForm(forms.Form):
    """One tokenizer, perhaps a second, and what to cut."""

    tokenizer = forms.ChoiceField(label="Tokenizer")
    other = forms.ChoiceField(label="Beside it", required=False, help_text="A second one to compare with.")
    kind = forms.ChoiceField(
        choices=[(TEXT, "Text"), (CONVERSATION, "Conversation")], widget=forms.HiddenInput
    )
    text = forms.CharField(
        label="Text",
        required=False,
        strip=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 6, "dir": "auto", "spellcheck": "false"}),
        help_text=f"At most {MOST_CHARACTERS:,} characters. Nothing of it is kept.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        found = Checkpoint.objects.kept().filter(holds__in=HOLDS["tokenizer"])[:MOST_CHOICES]
        listed = [(item.reference, f"{item.reference} · {item.run.name}") for item in found]
        self.fields["tokenizer"].choices = listed  # type: ignore[attr-defined]
        self.fields["other"].choices = [("", "None"), *listed]  # type: ignore[attr-defined]

    @property
    def is_talk(self) -> bool:
        """Whether turns are shown, and not one text."""
        return bool(self["kind"].value() == CONVERSATION)

    def clean_text(self) -> str:
        """The text as it was typed: browsers send every line end as two characters."""
        return str(self.cleaned_data["text"]).replace("\r\n", "\n")

    @property
    def chosen(self) -> list[Checkpoint]:
        """The checkpoints of a valid form, the first one first."""
        named = [self.cleaned_data["tokenizer"], self.cleaned_data["other"]]
        found = [Checkpoint.objects.by_reference(name) for name in dict.fromkeys(named) if name]
        return [item for item in found if item is not None]


def read_turns(data: QueryDict) -> list[dict[str, str]]:
    """The turns as they were typed, empty ones included; raises :class:`InvalidInput` for too many."""
    roles, contents = data.getlist("role"), data.getlist("content")
    turns = [
        {"role": role, "content": content.replace("\r\n", "\n")}
        for role, content in zip(roles, contents, strict=False)
    ]
    if len(turns) > MOST_TURNS or sum(len(turn["content"]) for turn in turns) > MOST_CHARACTERS:
        raise InvalidInput(f"At most {MOST_TURNS} turns of {MOST_CHARACTERS:,} characters together.")
    if any(turn["role"] not in ROLES for turn in turns):
        raise InvalidInput(f"A turn is of {', '.join(ROLES)}.", field="role")
    return turns


def filled(turns: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The turns in which something was said."""
    return [turn for turn in turns if turn["content"]]
