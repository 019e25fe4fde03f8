"""Work as labelers do it, through the product's own actions."""

from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from labeling import pay
from labeling.actions import claims, submissions
from labeling.actions.drafts import Save
from labeling.actions.submissions import Handed
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign
from labeling.models.tasks import Assignment
from tests.labeling.test_kinds import GOOD
from tilth.accounts.actors import Actor
from tilth.accounts.models import User


def hand_in(user: User, held: Assignment, payload: dict[str, Any] | None = None, **fields: Any) -> Annotation:
    """Submit what is held; its minute is over at once."""
    held.refresh_from_db()
    body = GOOD[held.campaign.kind] if payload is None else payload
    save = Save(held.hold_token, held.draft_revision, body, inputs=fields.pop("inputs", None))
    key = f"{held.pk}-{held.draft_revision}-{user.pk}-key"
    made = submissions.submit(Actor(user=user), held, Handed(save, key=key, noticed=True, **fields))
    settle(made)
    return made


def settle(*annotations: Annotation) -> None:
    """Let the minute pass in which submissions can be taken back."""
    for made in annotations:
        Annotation.objects.filter(pk=made.pk).update(submitted_at=timezone.now() - timedelta(minutes=2))
        made.refresh_from_db()


def label(user: User, made: Campaign, payload: dict[str, Any] | None = None, **fields: Any) -> Annotation:
    """Claim the next task and submit it."""
    return hand_in(user, claims.claim(Actor(user=user), made), payload, **fields)


def earned(made: Campaign, user: User, first: date, last: date) -> pay.Earned:
    """What somebody's work in a campaign is worth, from the first to the last day."""
    terms = pay.Terms.of(made)
    return pay.everybody(made, first, last, terms).get(user.pk) or pay.nothing(terms)
