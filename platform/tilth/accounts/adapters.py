"""Fits allauth to Tilth: no sign-up, passwords through our actions, second factors encrypted at rest."""

from typing import Any
from urllib.parse import quote

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from tilth.accounts import secrets
from tilth.accounts.actions import passwords
from tilth.accounts.actors import Actor
from tilth.accounts.lockout import client_ip


class AccountAdapter(DefaultAccountAdapter):
    """Passwords and links."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Accounts come from invitations alone."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Leave the counting of wrong passwords to django-axes, which answers with our own page."""

    def get_client_ip(self, request: HttpRequest) -> str:
        """The same address that the lock-out counts."""
        return client_ip(request) or "unknown"

    def clean_password(self, password: str, user: Any = None) -> str:
        """Whoever must change the password must choose another one."""
        if user is not None and user.must_change_password and user.check_password(password):
            raise ValidationError("Choose a password other than the one-time password.")
        return super().clean_password(password, user)

    def set_password(self, user: Any, password: str) -> None:
        """Every change of a password is an audited action."""
        passwords.set_own_password(Actor(user=user), password)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        """Back to the profile."""
        return reverse("accounts:profile")

    def get_reset_password_from_key_url(self, key: str) -> str:
        """A link under the site's own address, whatever Host header asked for it."""
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": "UID", "key": "KEY"})
        return settings.SITE_URL + path.replace("UID-KEY", quote(key))


class MfaAdapter(DefaultMFAAdapter):
    """Second factors."""

    def encrypt(self, text: str) -> str:
        """Keep authenticator secrets and recovery codes unreadable in a stolen database."""
        return secrets.encrypt(text)

    def decrypt(self, encrypted_text: str) -> str:
        """The counterpart."""
        return secrets.decrypt(encrypted_text)
