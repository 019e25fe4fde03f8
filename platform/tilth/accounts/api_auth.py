"""Who calls the API: a script with a bearer token, or the signed-in browser (which must show its CSRF token).

Every route declares ``auth=bearer("permission")``; inside it, ``request.auth`` is the :class:`Actor`.
"""

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from ninja.security.base import AuthBase

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
    if _lacks_csrf_token(request):
        raise PermissionDenied("The CSRF token is missing; send it as X-CSRFToken.", code="csrf")
    return Actor.of(request)


class _CsrfCheck(CsrfViewMiddleware):
    """Django's own check, answering with a bare refusal: the API writes its own error."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return HttpResponse(reason, status=403)


def _any_view(request: HttpRequest) -> HttpResponse:
    """Stands for the route: the check only looks whether a view is exempt."""
    return HttpResponse()


def _lacks_csrf_token(request: HttpRequest) -> bool:
    """ninja exempts its routes from the middleware, so a session has to be checked here."""
    check = _CsrfCheck(_any_view)
    request.csrf_processing_done = False  # type: ignore[attr-defined]
    check.process_request(request)
    return check.process_view(request, _any_view, (), {}) is not None
