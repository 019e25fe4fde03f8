"""Adds to one labeler's day in one campaign; call it inside the transaction of what is counted."""

import datetime
from functools import cache
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling.models.campaigns import Tally
from tilth.statements import Update, given


def add(campaign: int, labeler: int, day: datetime.date | None = None, **amounts: int) -> None:
    """Add amounts to counters by name; negative ones take back what was added on the same day."""
    key = {"campaign_id": campaign, "labeler_id": labeler, "day": day or timezone.now().date()}
    adding = _adding(tuple(sorted(amounts)))
    if adding.execute(**key, **amounts):
        return
    try:
        with transaction.atomic():
            Tally.objects.create(**key, **amounts)
    except IntegrityError:  # the day's first two events came at once
        adding.execute(**key, **amounts)


@cache
def _adding(names: tuple[str, ...]) -> Update:
    """Adds to these counters of one labeler's day."""
    day = {
        name: given(name, Tally, name.removesuffix("_id")) for name in ("campaign_id", "labeler_id", "day")
    }
    changes = {name: F(name) + given(name, Tally) for name in names}
    return Update(lambda: (Tally.objects.filter(**day), changes))


def seconds_since(last: Any, now: Any) -> dict[str, int]:
    """Whole seconds of work between an assignment's last submission (or none) and now.

    Each total is rounded by itself, so that the days' seconds add up to the whole, whatever was counted when.
    """
    return {
        name: round(getattr(now, name)) - (round(getattr(last, name)) if last is not None else 0)
        for name in ("active_seconds", "idle_seconds")
    }
