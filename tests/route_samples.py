"""Objects for the route walk: which arguments a URL needs, and the rows behind them.

Each app adds a function per group of URLs that take arguments; the walk fails for a URL without one.
Pages are named as in ``{% url %}``; API routes by their path, such as ``/api/v1/jobs/<int:pk>``.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.utils import timezone
from tilth.accounts import tokens
from tilth.accounts.actions import api_tokens
from tilth.accounts.actors import Actor
from tilth.accounts.models import Invitation, Skill, User

Sample = Callable[[dict[str, User]], dict[str, Any]]
SAMPLES: dict[str, Sample] = {}

MAY_ANSWER: dict[str, set[int]] = {"loop:readyz": {503}}
"""Statuses that a route may give besides the ordinary ones: nothing runs behind the walk, so it is not ready."""


def sample(*names: str) -> Callable[[Sample], Sample]:
    """Register a function that makes rows and returns the keyword arguments of these URLs."""

    def keep(function: Sample) -> Sample:
        SAMPLES.update(dict.fromkeys(names, function))
        return function

    return keep


@sample(
    "accounts:person",
    "accounts:role",
    "accounts:person_skills",
    "accounts:deactivate",
    "accounts:reactivate",
    "accounts:anonymise",
)
def a_person(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": people["reviewer"].pk}


@sample("accounts:skill", "accounts:skill_archive")
def a_skill(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": Skill.objects.create(name="Dutch").pk}


@sample("accounts:resend", "accounts:revoke")
def an_invitation(people: dict[str, User]) -> dict[str, Any]:
    return {"pk": _invitation("walk").pk}


@sample("accounts:accept")
def an_invitation_link(people: dict[str, User]) -> dict[str, Any]:
    _invitation("walk")
    return {"token": "walk"}


def _invitation(token: str) -> Invitation:
    return Invitation.objects.create(
        email="new@example.org",
        role="labeler",
        token_hash=tokens.digest(token),
        expires_at=timezone.now() + timedelta(days=1),
    )


@sample("accounts:token_revoke")
def a_token(people: dict[str, User]) -> dict[str, Any]:
    actor = Actor(user=people["labeler"])
    return {"pk": api_tokens.create_token(actor, name="t", scopes=["account.own"], days=1)[0].pk}


@sample("account_reset_password_from_key")
def a_reset_link(people: dict[str, User]) -> dict[str, Any]:
    return {"uidb36": "1", "key": "set-password"}
