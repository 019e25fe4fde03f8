"""Announcements as their readers meet them: what is new to one person, and how many have read each."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet

from labeling.models.campaigns import Announcement, Campaign, Member

State = Member.State
READERS = (State.ACTIVE, State.PAUSED)
"""Who is expected to read: whoever takes part."""


@dataclass(frozen=True, slots=True)
class News:
    """One campaign's announcements that somebody has not read, newest first."""

    campaign: Campaign
    rows: list[Announcement]

    @property
    def newest(self) -> int:
        """What is marked as read up to; others may come while these are on the screen."""
        return self.rows[0].pk


def unread(user: Any) -> QuerySet[Announcement]:
    """Announcements in this person's campaigns, whatever their state, that they have not read; newest first."""
    there = (State.INVITED, *READERS)
    # One filter: person, state and mark are of the same membership.
    return Announcement.objects.filter(
        campaign__members__user=user,
        campaign__members__state__in=there,
        pk__gt=F("campaign__members__news_read"),
    )


def news(user: Any) -> list[News]:
    """The same by campaign."""
    found: dict[int, News] = {}
    for row in unread(user).select_related("campaign"):
        found.setdefault(row.campaign_id, News(row.campaign, [])).rows.append(row)
    return list(found.values())


def read_by(campaign: Campaign, rows: list[Announcement]) -> list[tuple[Announcement, int, int]]:
    """Announcements with how many have read each, and of how many; one query for all of them."""
    readers = campaign.members.filter(state__in=READERS)
    counts = {f"read_{row.pk}": Count("pk", filter=Q(news_read__gte=row.pk)) for row in rows}
    found = readers.aggregate(everybody=Count("pk"), **counts)
    return [(row, found[f"read_{row.pk}"], found["everybody"]) for row in rows]
