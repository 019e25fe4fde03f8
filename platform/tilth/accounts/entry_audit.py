"""Audit entries of what allauth and axes do by themselves: sign-ins, sign-outs, lock-outs, second factors.

They announce these by signals and by nothing else, so this is the one place that listens to any.
"""

from typing import Any

from allauth.account.signals import user_logged_in
from allauth.mfa.signals import authenticator_added, authenticator_removed, authenticator_reset
from axes.signals import user_locked_out
from django.conf import settings
from django.contrib.auth.signals import user_logged_out
from django.http import HttpRequest
from django.utils import timezone

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.lockout import client_ip
from tilth.accounts.models import AuditEntry, User


def signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Somebody came in through the sign-in page."""
    audit.record(Actor(user=user), "user.signed_in", user.reference, ip=client_ip(request))


def signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Somebody left."""
    if user is not None:
        audit.record(Actor(user=user), "user.signed_out", user.reference)


def locked_out(sender: Any, request: HttpRequest, username: str, **kwargs: Any) -> None:
    """Too many wrong passwords for a person's address: one entry per lock-out, however long it is hammered.

    Addresses that are nobody's leave no trace: a stranger must not be able to fill the log.
    """
    user = User.objects.filter(email__iexact=username).first()
    since = timezone.now() - settings.AXES_COOLOFF_TIME
    if user is None:
        return
    entry = {"verb": "user.locked_out", "target": user.reference}
    if not AuditEntry.objects.filter(at__gte=since, **entry).exists():
        audit.record(Actor.system("sign-in"), **entry, ip=client_ip(request))


def factor_changed(verb: str, user: User, authenticator: Any) -> None:
    """A second factor was turned on, off, or its recovery codes replaced."""
    audit.record(Actor(user=user), verb, user.reference, type=str(authenticator.type))


def factor_added(sender: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    """A second factor was turned on."""
    factor_changed("user.second_factor_added", user, authenticator)


def factor_removed(sender: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    """A second factor was turned off."""
    factor_changed("user.second_factor_removed", user, authenticator)


def factor_reset(sender: Any, user: User, authenticator: Any, **kwargs: Any) -> None:
    """Recovery codes were replaced."""
    factor_changed("user.second_factor_reset", user, authenticator)


def connect() -> None:
    """Start listening; called once, when the app is ready."""
    user_logged_in.connect(signed_in)
    user_logged_out.connect(signed_out)
    user_locked_out.connect(locked_out)
    authenticator_added.connect(factor_added)
    authenticator_removed.connect(factor_removed)
    authenticator_reset.connect(factor_reset)
