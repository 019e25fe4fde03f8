"""Writers of API tokens: made and revoked by their owner, never able to do more than the owner."""

from collections.abc import Iterable
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from tilth.accounts import audit, tokens
from tilth.accounts.actions.checks import clean_name
from tilth.accounts.actors import Actor
from tilth.accounts.models import ApiToken
from tilth.accounts.permissions import permissions_of, require
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied

LONGEST_DAYS = 366
LAST_USED_STEP = timedelta(minutes=1)


@transaction.atomic
def create_token(actor: Actor, *, name: str, scopes: Iterable[str], days: int) -> tuple[ApiToken, str]:
    """Make a token for the actor; returns it with its secret, which is shown once and kept nowhere."""
    require(actor, "account.own")
    if actor.user is None or actor.token:
        raise PermissionDenied("Only a person signed in to the browser makes API tokens.")
    title, wanted = clean_name(name, 100), sorted(set(scopes))
    beyond = [scope for scope in wanted if scope not in permissions_of(actor.user)]
    if not wanted or beyond:
        problem = f"Your role does not allow {', '.join(beyond)}." if beyond else "Choose at least one scope."
        raise InvalidInput(problem, code="bad_scopes", field="scopes")
    if not 1 <= days <= LONGEST_DAYS:
        raise InvalidInput(f"A token lives 1 to {LONGEST_DAYS} days.", code="bad_days", field="days")
    secret = tokens.new_token()
    try:
        with transaction.atomic():
            token = ApiToken.objects.create(
                user=actor.user,
                name=title,
                token_hash=tokens.digest(secret),
                start=secret[:12],
                scopes=wanted,
                expires_at=timezone.now() + timedelta(days=days),
            )
    except IntegrityError:
        raise Conflict(
            f"You have a live token named {title} already.", code="name_taken", field="name"
        ) from None
    audit.record(actor, "token.created", f"token:{token.pk}", name=title, scopes=wanted, days=days)
    return token, secret


@transaction.atomic
def revoke_token(actor: Actor, token: ApiToken) -> ApiToken:
    """End a token at once; its owner may, and an admin."""
    require(actor, "account.own")
    if actor.user is None or token.user_id != actor.user.pk:
        require(actor, "people.manage")
    if not ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=timezone.now()):
        raise Conflict("This token was revoked already.", code="revoked")
    audit.record(actor, "token.revoked", f"token:{token.pk}", name=token.name)
    token.refresh_from_db()
    return token


def token_actor(secret: str) -> Actor:
    """Who acts with this secret: the owner, limited to the token's scopes; notes that it was used.

    Raises :class:`NotFound` for a token that is unknown, expired, revoked or whose owner is inactive.
    The note is not audited and at most a minute behind, so that a busy script does not write each time.
    """
    token = ApiToken.objects.usable().select_related("user").filter(token_hash=tokens.digest(secret)).first()
    if token is None:
        raise NotFound("This API token is unknown, expired or revoked.", code="bad_token", status=401)
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > LAST_USED_STEP:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return Actor(user=token.user, token=token.name, scopes=frozenset(token.scopes))
