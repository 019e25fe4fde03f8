"""Forms of people, invitations, profile and tokens: they shape input; the actions judge it."""

from typing import Any

from django import forms

from tilth.accounts.actions.api_tokens import LONGEST_DAYS
from tilth.accounts.fields import SeveralField
from tilth.accounts.models import Role, Skill, User
from tilth.accounts.permissions import permissions_of


class PeopleFilter(forms.Form):
    """What the list of people is narrowed to."""

    q = forms.CharField(required=False, label="Name or e-mail")
    role = forms.ChoiceField(required=False, choices=[("", "Any role"), *Role.choices])
    state = forms.ChoiceField(
        required=False,
        choices=[("", "Active"), ("inactive", "Deactivated"), ("all", "Everybody")],
    )


class InviteForm(forms.Form):
    """Whom to invite and as what."""

    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.LABELER)


class RoleForm(forms.Form):
    """Another role for a person."""

    role = forms.ChoiceField(choices=Role.choices)


class SkillsForm(forms.Form):
    """What a person can do."""

    skills = SeveralField(
        Skill.objects.filter(archived=False), required=False, widget=forms.CheckboxSelectMultiple
    )


class SkillForm(forms.Form):
    """A skill's name and what it means."""

    name = forms.CharField(max_length=80)
    description = forms.CharField(
        max_length=300, required=False, help_text="What somebody with this skill can be asked to do."
    )


class AcceptForm(forms.Form):
    """What a newcomer adds to their invitation."""

    name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters, and no common password.",
    )


class ProfileForm(forms.Form):
    """A person's own details."""

    name = forms.CharField(max_length=150, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    theme = forms.ChoiceField(choices=User._meta.get_field("theme").choices or [])


class TokenForm(forms.Form):
    """A new API token."""

    name = forms.CharField(max_length=100, help_text="Where it will be used, such as “nightly export”.")
    days = forms.IntegerField(
        min_value=1,
        max_value=LONGEST_DAYS,
        initial=90,
        label="Valid for days",
        help_text=f"At most {LONGEST_DAYS}.",
    )
    scopes = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, help_text="What the token may do; choose as little as it needs."
    )

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scopes"].choices = [(p, p) for p in permissions_of(user)]  # type: ignore[attr-defined]


class AuditFilter(forms.Form):
    """What the audit log is narrowed to."""

    actor = forms.CharField(
        required=False, label="Who", widget=forms.TextInput({"placeholder": "Person, token, system part"})
    )
    verb = forms.CharField(
        required=False, label="Did", widget=forms.TextInput({"placeholder": "user.role_changed, or user."})
    )
    target = forms.CharField(required=False, label="To", widget=forms.TextInput({"placeholder": "job:91"}))
    since = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(required=False, label="Until", widget=forms.DateInput(attrs={"type": "date"}))
