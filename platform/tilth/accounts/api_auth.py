"""Who calls the API: a script with a bearer token, or the signed-in browser (which must show its CSRF token).

Every route declares ``auth=bearer("permission")``; inside it, ``request.auth`` is the :class:`Actor`.
"""

from django.http import HttpRequest
from ninja.security.base import AuthBase
from ninja.utils import check_csrf

from tilth.accounts.actions.api_tokens import token_actor
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import PERMISSIONS, require
from tilth.errors import PermissionDenied, TilthError


class NotSignedIn(TilthError):
    """Neither a token nor a session."""

    code = "not_signed_in"
    status = 401


class Bearer(AuthBase):
    """Lets through whoever holds one permission."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, permission: str) -> None:
        if permission not in PERMISSIONS:
            raise KeyError(permission)
        self.tilth_permission = permission
        super().__init__()

    def __call__(self, request: HttpRequest) -> Actor:
        """The actor behind the request; raises a :class:`TilthError` with 401 or 403."""
        actor = _actor(request)
        require(actor, self.tilth_permission)
        return actor


def bearer(permission: str) -> Bearer:
    """The ``auth=`` of a route that needs ``permission``."""
    return Bearer(permission)


def _actor(request: HttpRequest) -> Actor:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token_actor(secret.strip())
    if not request.user.is_authenticated:
        raise NotSignedIn("Send an API token (Authorization: Bearer …) or sign in.")
    if check_csrf(request):
        raise PermissionDenied("The CSRF token is missing; send it as X-CSRFToken.", code="csrf")
    return Actor.of(request)
