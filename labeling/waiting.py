"""What asks for a lead's decision, campaign by campaign; closed ones too, for people wait there as well."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet

from labeling.models.annotations import Annotation, Flag, Thread
from labeling.models.campaigns import Campaign, Member
from labeling.models.time import Decision, TimeEntry


@dataclass(slots=True)
class Waiting:
    """One campaign: open conversations, flags nobody has looked at, contested reviews, time, paused people."""

    campaign: Campaign
    threads: int = 0
    flags: int = 0
    contested: int = 0
    time: int = 0
    paused: int = 0


def by_campaign(led: QuerySet[Campaign]) -> list[Waiting]:
    """Those of the campaigns in which anything waits, the newest first; one query for each thing."""
    rows: dict[str, QuerySet[Any]] = {
        "threads": Thread.objects.filter(open=True),
        "flags": Flag.objects.open(),
        "contested": Annotation.objects.to_review().filter(contested=True),
        "time": TimeEntry.objects.filter(state=Decision.PENDING),
        "paused": Member.objects.filter(state=Member.State.PAUSED),
    }
    counts: dict[int, dict[str, int]] = {}
    for name, found in rows.items():
        mine = found.filter(campaign__in=led.order_by().values("pk")).order_by()
        for campaign, count in mine.values_list("campaign").annotate(n=Count("pk")):
            counts.setdefault(campaign, {})[name] = count
    campaigns = Campaign.objects.in_bulk(counts)
    return [Waiting(campaigns[pk], **counts[pk]) for pk in sorted(counts, reverse=True)]


def total(found: list[Waiting], name: str) -> int:
    """How much of one thing waits in all."""
    return sum(getattr(one, name) for one in found)
