"""allauth's forms in Tilth's words: plain labels, no placeholders that repeat them."""

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp

LABELS = {
    "login": "E-mail address",
    "email": "E-mail address",
    "password": "Password",
    "remember": "Stay signed in on this browser",
    "oldpassword": "Current password",
    "password1": "New password",
    "password2": "New password, once more",
    "code": "Code",
}


class PlainWords:
    """Relabels the fields of a form of allauth's."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():  # type: ignore[attr-defined]
            field.label = LABELS.get(name, field.label)
            field.widget.attrs.pop("placeholder", None)
            if name in {"password", "oldpassword"}:
                field.help_text = ""


class LoginForm(PlainWords, account.LoginForm):
    """Sign in."""


class ChangePasswordForm(PlainWords, account.ChangePasswordForm):
    """Change one's password."""


class ResetPasswordForm(PlainWords, account.ResetPasswordForm):
    """Ask for a reset link."""


class ResetPasswordKeyForm(PlainWords, account.ResetPasswordKeyForm):
    """Choose a new password by a link."""


class ReauthenticateForm(PlainWords, account.ReauthenticateForm):
    """Type the password once more."""


class AuthenticateForm(PlainWords, mfa.AuthenticateForm):
    """Type the second factor's code."""


class ReauthenticateCodeForm(PlainWords, mfa.ReauthenticateForm):
    """Type the second factor's code once more."""


class ActivateTotpForm(PlainWords, totp.ActivateTOTPForm):
    """Turn the second factor on."""
