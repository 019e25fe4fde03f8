"""The table of a campaign's labelers: counts out of daily tallies, never out of the annotations themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Sum

from labeling import gold
from labeling.models.campaigns import Campaign, Tally
from tilth.accounts.models import User
from tilth.stats.intervals import Share, share

SUMS = ("submitted", "accepted", "returned", "rejected", "skipped", "active_seconds", "idle_seconds")


@dataclass(frozen=True, slots=True)
class Line:
    """One labeler in one campaign."""

    user: User
    state: str
    counts: dict[str, Any]
    accepted: Share
    gold: Share

    @property
    def per_hour(self) -> float | None:
        """Submissions per active hour."""
        hours = self.counts["active_seconds"] / 3600
        return self.counts["submitted"] / hours if hours > 0.05 else None


def sums(days: QuerySet[Tally]) -> dict[str, int]:
    """All counters of these days together."""
    return {name: value or 0 for name, value in days.aggregate(**{name: Sum(name) for name in SUMS}).items()}


def accepted(counts: Mapping[str, int]) -> Share:
    """Of all decisions on somebody's work, those that accepted it: the one meaning of "accepted rate" everywhere.

    Work returned and then accepted was decided on twice. A decision between answers counts for and against nobody:
    it says which one is the result, not whether the others were good.
    """
    return share(counts["accepted"], counts["accepted"] + counts["returned"] + counts["rejected"])


def labelers(campaign: Campaign) -> list[Line]:
    """Everybody in the campaign, those with most work first."""
    summed = Tally.objects.filter(campaign=campaign).values_list("labeler", *(Sum(name) for name in SUMS))
    counts = {
        labeler: {name: value or 0 for name, value in zip(SUMS, sums, strict=True)}
        for labeler, *sums in summed
    }
    golds = gold.by_labeler(campaign)
    lines = []
    for member in campaign.members.select_related("user"):
        mine = counts.get(member.user_id) or dict.fromkeys(SUMS, 0)
        lines.append(
            Line(
                member.user,
                member.get_state_display(),
                mine,
                accepted(mine),
                golds.get(member.user_id) or share(0, 0),
            )
        )
    return sorted(lines, key=lambda line: (-line.counts["submitted"], line.user.pk))
