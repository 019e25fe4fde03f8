"""Where people hear of alerts: their own mailbox, or a webhook whose address and secret are kept encrypted."""

import secrets as random

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import allows, require
from tilth.accounts.secrets import encrypt
from tilth.errors import Conflict, InvalidInput, PermissionDenied, TilthError
from tilth.guards.outbound import Guard
from training.models.alerts import AlertChannel

Kind = AlertChannel.Kind
MOST = 20


def open_to(actor: Actor) -> QuerySet[AlertChannel]:
    """The channels that notices go to and that somebody may see and end: one's own, as an admin everybody's."""
    found = AlertChannel.objects.filter(ended_at=None).select_related("owner")
    return found if allows(actor, "people.manage") else found.filter(owner=actor.user)


@transaction.atomic
def add_mailbox(actor: Actor, all_runs: bool = False) -> AlertChannel:
    """Send alerts to the person's own address."""
    owner = _owner(actor)
    try:
        with transaction.atomic():
            channel = AlertChannel.objects.create(kind=Kind.EMAIL, all_runs=all_runs, owner=owner)
    except IntegrityError:
        raise Conflict("Alerts go to your address already.", field="kind") from None
    audit.record(actor, "alert_channel.add", "", kind=Kind.EMAIL, all_runs=all_runs)
    return channel


@transaction.atomic
def add_webhook(actor: Actor, url: str, all_runs: bool = False) -> tuple[AlertChannel, str]:
    """Post alerts to an address; the secret that signs them is answered once.

    Raises :class:`InvalidInput` for an address that the server may not reach.
    """
    owner = _owner(actor)
    try:
        guard = Guard(tuple(settings.OUTBOUND_ALLOW))
        target = guard.check_url(url)
        if target.host == "localhost" or target.host.endswith(".localhost"):
            guard.check_address(target.host, target.port, "127.0.0.1")
    except TilthError as error:
        raise InvalidInput(error.message, code=error.code, field="url") from None
    secret = random.token_urlsafe(32)
    channel = AlertChannel.objects.create(
        kind=Kind.WEBHOOK,
        host=target.host[:255],
        url=encrypt(url),
        secret=encrypt(secret),
        all_runs=all_runs,
        owner=owner,
    )
    audit.record(actor, "alert_channel.add", "", kind=Kind.WEBHOOK, host=channel.host, all_runs=all_runs)
    return channel, secret


@transaction.atomic
def end(actor: Actor, channel: AlertChannel) -> None:
    """Send nothing there any more; one's own, or as an admin anybody's. Address and secret are forgotten."""
    require(actor, "training.run")
    own = actor.user is not None and channel.owner_id == actor.user.pk
    if not own and not allows(actor, "people.manage"):
        raise PermissionDenied("This is somebody else's; an admin can end it.")
    open_ = AlertChannel.objects.filter(pk=channel.pk, ended_at=None)
    if not open_.update(ended_at=timezone.now(), url="", secret=""):
        raise Conflict("Nothing is sent there any more.")
    audit.record(actor, "alert_channel.end", "", kind=channel.kind, host=channel.host)


def _owner(actor: Actor) -> User:
    require(actor, "training.run")
    if actor.user is None:
        raise InvalidInput("Only a person hears of alerts.")
    if AlertChannel.objects.filter(owner=actor.user, ended_at=None).count() >= MOST:
        raise Conflict(f"You have {MOST} already: end one first.")
    return actor.user
