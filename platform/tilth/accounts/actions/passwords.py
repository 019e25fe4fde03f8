"""Writers of passwords: the first admin, one-time passwords, and a person's own choice."""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actions.checks import clean_email
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied


def new_one_time_password() -> str:
    """A password to be typed once: 20 characters of lower-case letters and digits, in groups of five."""
    alphabet = "abcdefghjkmnpqrstuvwxyz23456789"
    letters = "".join(secrets.choice(alphabet) for _ in range(20))
    return "-".join(letters[i : i + 5] for i in range(0, 20, 5))


def check_password(password: str, user: User) -> None:
    """Raise :class:`InvalidInput` with every reason why this password is too weak for this person."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages), code="weak_password", field="password") from None


@transaction.atomic
def create_first_admin(actor: Actor, email: str) -> tuple[User, str]:
    """Make the first admin with a one-time password, which is returned and kept nowhere.

    Raises :class:`Conflict` when there is an admin already.
    """
    if not actor.is_system:
        raise PermissionDenied("Only the command line makes the first admin.")
    if User.objects.active_admins().exists():
        raise Conflict(
            "There is an admin already; use reset_password to let them in again.", code="has_admin"
        )
    address = clean_email(email)
    if User.objects.filter(email__iexact=address).exists():
        raise Conflict(f"{address} has an account already; choose another --email.", code="email_taken")
    password = new_one_time_password()
    user = User.objects.create_user(address, password, role=Role.ADMIN, must_change_password=True)
    audit.record(actor, "user.created", user.reference, role=Role.ADMIN)
    return user, password


@transaction.atomic
def reset_password(actor: Actor, email: str) -> str:
    """Give a person a new one-time password, which is returned; their old one stops working.

    Raises :class:`NotFound` for an address without an active account.
    """
    require(actor, "people.manage")
    user = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
    if user is None:
        raise NotFound(f"Nobody active has the e-mail address {email}.", field="email")
    password = new_one_time_password()
    user.set_password(password)
    user.must_change_password = True
    user.save(update_fields=["password", "must_change_password"])
    audit.record(actor, "user.password_reset", user.reference)
    return password


@transaction.atomic
def set_own_password(actor: Actor, password: str) -> User:
    """Set the actor's own password; the one-time password, if there was one, is over."""
    require(actor, "account.own")
    if actor.user is None:
        raise PermissionDenied("Only a person has a password of their own.")
    user = actor.user
    check_password(password, user)
    user.set_password(password)
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    audit.record(actor, "user.password_changed", user.reference)
    return user
