"""Forms of campaigns and their rosters."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django import forms

from labeling.forms.fields import JSONField
from labeling.models.campaigns import PayBasis, Visibility
from labeling.models.guidelines import GuidelineVersion
from labeling.models.quality import Exam
from labeling.protocol.registry import all_kinds
from tilth.accounts.fields import SeveralField
from tilth.accounts.models import Role, Skill, User

LANGUAGE = re.compile(r"[a-z]{2,3}")


class LanguagesField(forms.CharField):
    """ISO 639 codes, set apart by spaces or commas."""

    def prepare_value(self, value: Any) -> Any:
        return " ".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        codes = [code for code in re.split(r"[\s,;]+", super().clean(value).lower()) if code]
        wrong = [code for code in codes if not LANGUAGE.fullmatch(code)]
        if wrong:
            raise forms.ValidationError(f"{wrong[0]!r} is no language code; write en or de.")
        return codes


class KindForm(forms.Form):
    """The first question: which kind of task."""

    kind = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [(kind.name, kind.title) for kind in all_kinds().values()]  # type: ignore[attr-defined]


class CampaignForm(forms.Form):
    """Everything about a campaign; ``schema`` is written by the page's script as JSON."""

    title = forms.CharField(max_length=200)
    name = forms.CharField(max_length=100, help_text="Lower-case letters, digits and dashes.")
    guideline = forms.ModelChoiceField(
        GuidelineVersion.objects.none(), required=False, help_text="Work is labelled by this version."
    )
    instructions = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        help_text="A short word; Markdown.",
    )
    schema = JSONField(required=False, widget=forms.HiddenInput)
    seen = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)
    overlap = forms.IntegerField(label="People per task", min_value=1, max_value=50, initial=1)
    hold_minutes = forms.IntegerField(
        label="Hold in minutes", min_value=5, max_value=43_200, initial=120,
        help_text="How long a claimed task waits for its first word. Work in it is kept for as long as it takes.",
    )  # fmt: skip
    expected_minutes = forms.IntegerField(
        label="Expected minutes per task", min_value=1, max_value=10_000, initial=10
    )
    due = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}))
    skills = SeveralField(
        Skill.objects.filter(archived=False), required=False, widget=forms.CheckboxSelectMultiple
    )
    languages = LanguagesField(
        required=False, help_text="Codes such as en de; labelers must speak all of them."
    )
    exam = forms.ModelChoiceField(
        Exam.objects.filter(archived=False), required=False, help_text="Labelers must have passed it."
    )
    open_to_all = forms.BooleanField(label="Whoever is eligible may join", required=False)
    labelers_write_prompts = forms.BooleanField(
        label="Labelers may write the prompts themselves", required=False
    )
    consent = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
        help_text="What labelers agree to when they join. A new text is asked for again.",
    )  # fmt: skip
    gold_rate = forms.FloatField(
        label="Share of tasks with a known answer", min_value=0, max_value=1, initial=0,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )  # fmt: skip
    gold_floor = forms.FloatField(
        label="Share that must be right", min_value=0, max_value=1, initial=0.7,
        widget=forms.NumberInput(attrs={"step": "0.01"}), help_text="Below it, new tasks pause.",
    )  # fmt: skip
    gold_minimum = forms.IntegerField(
        label="Known answers before that counts", min_value=1, max_value=1000, initial=5
    )
    review_rate = forms.FloatField(
        label="Share that is reviewed", min_value=0, max_value=1, initial=0,
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )  # fmt: skip
    reviews_each = forms.IntegerField(label="Reviewers each", min_value=1, max_value=5, initial=1)
    blind_review = forms.BooleanField(
        label="Reviewers do not learn whose work it is", required=False, initial=True
    )
    visibility = forms.ChoiceField(label="Labelers see what others answered", choices=Visibility.choices)
    stream_rate = forms.IntegerField(
        label="Answers appear at tokens per second", min_value=0, max_value=1000, initial=0,
        help_text="0 shows them whole.",
    )  # fmt: skip
    pay_basis = forms.ChoiceField(label="Pay", choices=PayBasis.choices)
    pay_amount = forms.DecimalField(label="Amount", min_value=0, max_digits=10, decimal_places=2, initial=0)
    currency = forms.RegexField(
        r"^[A-Z]{3}$", initial="EUR", error_messages={"invalid": "A code such as EUR."}
    )
    budget = forms.DecimalField(
        required=False, min_value=Decimal("0.01"), max_digits=12, decimal_places=2,
        help_text="Once what is done and what is held would cost it, nothing more is claimed. Empty: no limit.",
    )  # fmt: skip

    SECTIONS = (
        ("What it is", ("title", "name", "guideline", "instructions")),
        ("People and time", ("overlap", "hold_minutes", "expected_minutes", "due", "skills", "languages", "exam",
                             "open_to_all", "labelers_write_prompts", "consent")),
        ("Quality", ("review_rate", "reviews_each", "blind_review", "gold_rate", "gold_floor", "gold_minimum",
                     "visibility", "stream_rate")),
        ("Pay", ("pay_basis", "pay_amount", "currency", "budget")),
    )  # fmt: skip

    def __init__(self, *args: Any, editing: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        versions = GuidelineVersion.objects.filter(guideline__archived=False).select_related("guideline")
        self.fields["guideline"].queryset = versions.order_by("guideline__name", "-number")  # type: ignore[attr-defined]
        if editing:
            del self.fields["name"], self.fields["guideline"]

    def sections(self) -> list[tuple[str, list[forms.BoundField]]]:
        """Headings with their bound fields."""
        return [
            (head, [self[name] for name in names if name in self.fields]) for head, names in self.SECTIONS
        ]


class LeadsForm(forms.Form):
    """Who leads a campaign."""

    leads = SeveralField(
        User.objects.filter(role__in=[Role.LEAD, Role.ADMIN], is_active=True),
        widget=forms.CheckboxSelectMultiple,
    )


class PersonForm(forms.Form):
    """Somebody to invite who has an account."""

    user = forms.ModelChoiceField(
        User.objects.filter(is_active=True, role__in=[Role.LABELER, Role.REVIEWER, Role.LEAD]).order_by(
            "name", "email"
        ),
        label="Person",
    )
    weekly_minutes = forms.IntegerField(
        label="Minutes per week",
        min_value=0,
        max_value=10_080,
        required=False,
        help_text="Empty: not limited.",
    )


class RosterFileForm(forms.Form):
    """A table of addresses."""

    file = forms.FileField(
        label="CSV table", help_text="Columns: email, name, weekly_minutes, languages, expertise, region."
    )

    def clean_file(self) -> str:
        """The text of the table."""
        upload = self.cleaned_data["file"]
        if upload.size > 2_000_000:
            raise forms.ValidationError("The table is larger than 2 MB.")
        try:
            return upload.read().decode("utf-8-sig")
        except UnicodeDecodeError:
            raise forms.ValidationError("Save the table as UTF-8 and send it again.") from None


class ProfileForm(forms.Form):
    """What labeling asks about a person; ``known`` are the answers offered to each field, for one word a group."""

    languages = LanguagesField(required=False, help_text="Codes such as en de fr.")
    language = forms.CharField(label="First language", max_length=12, required=False)
    expertise = forms.CharField(max_length=80, required=False, help_text="Such as physics or nursing.")
    region = forms.CharField(max_length=80, required=False)

    def __init__(self, *args: Any, known: Mapping[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.known = known
        for name in known:
            self.fields[name].widget.attrs["list"] = f"known-{name}"
