"""The answers by which groups of people are compared, offered where the next one is typed: one word for one group."""

from collections.abc import Iterable
from typing import Any

from labeling.models.campaigns import Campaign, Member, Profile
from labeling.protocol.cohort import NOT_GIVEN, cohorts
from tilth.accounts.permissions import can
from tilth.stats.bias import SMALLEST_CELL

FIELDS = ("expertise", "region", "language")
MOST = 50


def known_to(viewer: Any, campaigns: Iterable[Campaign]) -> dict[str, list[str]]:
    """What members of these campaigns say of themselves, the most frequent first, as most spell it.

    Whoever may not see labelers is told only what so many say that it points at nobody.
    """
    members = Member.objects.filter(campaign__in=campaigns).exclude(state=Member.State.LEFT).values("user")
    said = list(Profile.objects.filter(user__in=members).values_list("user_id", *FIELDS))
    least = 1 if can(viewer, "labelers.view") else SMALLEST_CELL
    found = {}
    for column, name in enumerate(FIELDS, start=1):
        groups = cohorts({row[0]: row[column] for row in said})
        sizes = {word: len(people) for word, people in groups.items() if word != NOT_GIVEN}
        words = sorted(sizes, key=lambda word: (-sizes[word], word))
        found[name] = [word for word in words if sizes[word] >= least][:MOST]
    return found
