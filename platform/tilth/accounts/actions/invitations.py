"""Writers of invitations: the only way to an account. A link is shown and mailed once; its hash is kept."""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPException

from django.conf import settings
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from tilth.accounts import audit, tokens
from tilth.accounts.actions.checks import clean_email, clean_name, clean_role
from tilth.accounts.actions.passwords import check_password
from tilth.accounts.actors import Actor
from tilth.accounts.models import Invitation, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, NotFound

logger = logging.getLogger(__name__)


@dataclass
class Issued:
    """A new link to hand over. ``mailed`` is known once the transaction has ended."""

    invitation: Invitation
    link: str
    mailed: bool = False


def _expiry() -> datetime:
    return timezone.now() + timedelta(days=settings.INVITATION_DAYS)


def _issue(invitation: Invitation, token: str) -> Issued:
    """Put the link together, and mail it when the transaction has ended."""
    link = settings.SITE_URL + reverse("accounts:accept", args=[token])
    issued = Issued(invitation, link)
    transaction.on_commit(lambda: _mail(issued))
    return issued


def _mail(issued: Issued) -> None:
    """Mail the link where mail is set up; a failing mail server leaves the link on the screen."""
    if not settings.EMAIL_URL:
        return
    context = {"invitation": issued.invitation, "link": issued.link, "site": settings.SITE_URL}
    body = render_to_string("accounts/email/invitation.txt", context)
    try:
        send_mail("Tilth: your invitation", body, None, [issued.invitation.email])
        issued.mailed = True
    except (SMTPException, OSError) as error:
        logger.warning("the invitation could not be mailed: %s", error)


@transaction.atomic
def invite(actor: Actor, email: str, role: str) -> Issued:
    """Invite an address with a role. One open invitation per address; none for those with an account."""
    require(actor, "people.manage")
    address, chosen = clean_email(email), clean_role(role)
    if User.objects.filter(email__iexact=address).exists():
        raise Conflict(f"{address} has an account already.", code="has_account", field="email")
    token = tokens.new_token("")
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                email=address,
                role=chosen,
                token_hash=tokens.digest(token),
                invited_by=actor.user,
                expires_at=_expiry(),
            )
    except IntegrityError:
        raise Conflict(
            f"{address} has an open invitation; resend or revoke that one.",
            code="already_invited",
            field="email",
        ) from None
    audit.record(actor, "invitation.created", f"invitation:{invitation.pk}", email=address, role=chosen)
    return _issue(invitation, token)


@transaction.atomic
def resend(actor: Actor, invitation: Invitation) -> Issued:
    """A new link with a new expiry; the old link stops working."""
    require(actor, "people.manage")
    token = tokens.new_token("")
    values = {"token_hash": tokens.digest(token), "expires_at": _expiry()}
    if not Invitation.objects.open().filter(pk=invitation.pk).update(**values):
        raise Conflict("This invitation was accepted or revoked meanwhile.", code="not_open")
    invitation.refresh_from_db()
    audit.record(actor, "invitation.resent", f"invitation:{invitation.pk}")
    return _issue(invitation, token)


@transaction.atomic
def revoke(actor: Actor, invitation: Invitation) -> Invitation:
    """The link stops working."""
    require(actor, "people.manage")
    if not Invitation.objects.open().filter(pk=invitation.pk).update(revoked_at=timezone.now()):
        raise Conflict("This invitation was accepted or revoked meanwhile.", code="not_open")
    audit.record(actor, "invitation.revoked", f"invitation:{invitation.pk}")
    invitation.refresh_from_db()
    return invitation


def find(token: str) -> Invitation:
    """The invitation behind a link that still works, else :class:`NotFound`."""
    found = Invitation.objects.usable().filter(token_hash=tokens.digest(token)).first()
    if found is None:
        raise NotFound(
            "This invitation has been used, revoked or has expired. Ask whoever invited you for a new one.",
            code="invitation_over",
        )
    return found


@transaction.atomic
def accept(token: str, *, name: str, password: str) -> User:
    """Turn an invitation into an account; the link works once.

    The holder of the link is nobody yet, so this action has no actor but the person it makes.
    """
    invitation = find(token)
    draft = User(email=invitation.email, name=clean_name(name), role=invitation.role)
    check_password(password, draft)
    if not Invitation.objects.usable().filter(pk=invitation.pk).update(accepted_at=timezone.now()):
        raise Conflict("This invitation was used or revoked meanwhile.", code="not_open")
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise Conflict(f"{invitation.email} has an account already; sign in.", code="has_account")
    user = User.objects.create_user(invitation.email, password, name=draft.name, role=invitation.role)
    Invitation.objects.filter(pk=invitation.pk).update(accepted_by=user)
    audit.record(Actor(user=user), "invitation.accepted", f"invitation:{invitation.pk}", role=user.role)
    return user
