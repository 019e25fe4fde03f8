"""Routes about the caller: who this token or session is, and what it may do."""

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from tilth.accounts.actors import Actor
from tilth.accounts.api_auth import bearer
from tilth.accounts.permissions import permissions_of

router = Router(tags=["accounts"])


class Me(Schema):
    """The caller: ``permissions`` are those of the role, cut down to the token's scopes."""

    email: str
    name: str
    role: str
    token: str | None
    permissions: list[str]


@router.get("/me", response=Me, auth=bearer("account.own"))
def me(request: HttpRequest) -> dict[str, Any]:
    """Who is calling, and what they may do."""
    actor: Actor = request.auth  # type: ignore[attr-defined]
    user = actor.user
    assert user is not None
    granted = permissions_of(user)
    return {
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "token": actor.token or None,
        "permissions": [p for p in granted if actor.scopes is None or p in actor.scopes],
    }
