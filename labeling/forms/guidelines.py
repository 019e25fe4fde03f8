"""Forms of guidelines."""

from django import forms


class NewGuidelineForm(forms.Form):
    """A guideline to begin with."""

    name = forms.CharField(
        max_length=100,
        help_text="Lower-case letters, digits and dashes; references use it: guideline:NAME@1.",
    )
    title = forms.CharField(max_length=200)
    starter = forms.BooleanField(
        label="Begin with an example",
        required=False,
        initial=True,
        help_text="Six clauses to change, not to keep.",
    )


class DraftForm(forms.Form):
    """The text being written, and the revision that it is based on."""

    source = forms.CharField(
        label="Text",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 28, "class": "mono", "spellcheck": "true", "dir": "auto"}),
    )
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)


class PublishForm(forms.Form):
    """What goes with a new version."""

    note = forms.CharField(label="What changed and why", required=False, max_length=500)
    revision = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
