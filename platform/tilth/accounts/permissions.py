"""The one table of who may do what, and the guards that read it.

Every view is wrapped in :func:`requires` or :func:`public`; every action calls :func:`require`.
A view without either is refused by a test that walks all URLs.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase

from tilth.accounts.actors import Actor
from tilth.accounts.models import Role
from tilth.errors import PermissionDenied

EVERYONE = frozenset(Role)
STAFF = frozenset({Role.RESEARCHER, Role.ADMIN})
LEADS = frozenset({Role.LEAD, Role.ADMIN})
REVIEWERS = LEADS | {Role.REVIEWER}
LABELERS = REVIEWERS | {Role.LABELER}
ADMIN = frozenset({Role.ADMIN})

PERMISSIONS: dict[str, frozenset[Role]] = {
    "home.view": EVERYONE,
    "account.own": EVERYONE,
    "data.view": STAFF | {Role.LEAD},
    "data.import": STAFF,
    "files.upload": STAFF | {Role.LEAD},
    "data.publish": STAFF,
    "data.export": STAFF,
    "data.archive": STAFF,
    "curation.view": STAFF,
    "curation.run": STAFF,
    "recipes.edit": STAFF,
    "models.view": STAFF,
    "training.run": STAFF,
    "labeling.work": LABELERS,
    "labeling.review": REVIEWERS,
    "campaigns.view": LEADS | {Role.RESEARCHER},
    "campaigns.manage": LEADS,
    "campaigns.publish": LEADS | {Role.RESEARCHER},
    "labelers.view": LEADS,
    "guidelines.view": EVERYONE,
    "guidelines.edit": LEADS,
    "jobs.view": STAFF,
    "jobs.control": STAFF,
    "workers.view": STAFF,
    "people.manage": ADMIN,
    "audit.view": ADMIN,
}


def can(user: Any, permission: str) -> bool:
    """Whether an active user's role grants the permission; unknown permissions are a bug and raise."""
    roles = PERMISSIONS[permission]
    return bool(getattr(user, "is_authenticated", False) and user.is_active and user.role in roles)


def permissions_of(user: Any) -> list[str]:
    """Everything that an active user's role grants, in alphabetical order."""
    return sorted(permission for permission in PERMISSIONS if can(user, permission))


def require(actor: Actor, permission: str) -> None:
    """Raise :class:`PermissionDenied` unless the actor may do this. System actors may do everything."""
    roles = PERMISSIONS[permission]
    if actor.is_system:
        return
    if actor.user is None or not actor.user.is_active or actor.user.role not in roles:
        raise PermissionDenied(f"Your role does not allow this ({permission}); ask an admin.")
    if actor.scopes is not None and permission not in actor.scopes:
        raise PermissionDenied(f"This API token does not allow {permission}; make one that does.")


def allows(actor: Actor, permission: str) -> bool:
    """Whether the actor may do this, where that only widens what they see or may do; an API token by its scopes."""
    try:
        require(actor, permission)
    except PermissionDenied:
        return False
    return True


View = Callable[..., HttpResponseBase]


def requires(permission: str) -> Callable[[View], View]:
    """Guard a view: strangers are sent to sign in, others without the permission get a 403."""
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            require(Actor.of(request), permission)
            return view(request, *args, **kwargs)

        guarded.tilth_permission = permission  # type: ignore[attr-defined]
        return guarded

    return decorate


def public(view: View) -> View:
    """Mark a view that strangers may see."""
    view.tilth_permission = "public"  # type: ignore[attr-defined]
    return view
