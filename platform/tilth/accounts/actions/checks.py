"""Checks that several account actions share: addresses, names, roles, permissions."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from tilth.accounts.models import Role
from tilth.errors import InvalidInput


def clean_email(email: str) -> str:
    """The address trimmed and in lower case, or :class:`InvalidInput`."""
    address = email.strip().lower()
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidInput(f"{email!r} is not an e-mail address.", code="bad_email", field="email") from None
    return address


def clean_name(name: str, longest: int = 150) -> str:
    """A name trimmed, not empty and not too long, or :class:`InvalidInput`."""
    trimmed = " ".join(name.split())
    if not trimmed:
        raise InvalidInput("Give it a name.", code="no_name", field="name")
    if len(trimmed) > longest:
        raise InvalidInput(f"The name is longer than {longest} characters.", code="long_name", field="name")
    return trimmed


def clean_role(role: str) -> Role:
    """One of the roles, or :class:`InvalidInput`."""
    if role not in Role.values:
        known = ", ".join(Role.values)
        raise InvalidInput(f"{role!r} is no role; choose one of {known}.", code="bad_role", field="role")
    return Role(role)
