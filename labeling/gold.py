"""How labelers do against known answers, read from their annotations themselves: what is taken back, submitted
again, withdrawn or corrected counts as it stands now.

Nobody shall learn which tasks have a known answer. So the floor is not looked at when one is submitted but at
every fifth claim: a pause says how many known answers were met and how many agreed, never with which task.
"""

from django.db.models import Count, QuerySet, Sum

from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Task
from tilth.stats.intervals import Share, share

LOOKS = 5
"""Claims from one look at the record to the next."""

NEWEST = 50
"""Known answers that the floor counts, so that a long good record does not outweigh what is done today."""


def scored(campaign: Campaign) -> QuerySet[Annotation]:
    """Annotations of tasks with a known answer; a withdrawn task counts for and against nobody, nor does a pilot."""
    rows = Annotation.objects.filter(
        campaign=campaign, role=Task.Role.GOLD, current=True, gold_score__isnull=False
    )
    return rows.exclude(task__state=Task.State.WITHDRAWN)


def by_labeler(campaign: Campaign) -> dict[int, Share]:
    """Everybody's agreement with known answers."""
    sums = scored(campaign).order_by().values("labeler").annotate(met=Count("pk"), agreed=Sum("gold_score"))
    return {row["labeler"]: share(round(row["agreed"]), row["met"]) for row in sums}


def record(member: Member) -> QuerySet[Annotation]:
    """What the floor counts: the newest since the member's last pause was lifted."""
    rows = scored(member.campaign).filter(labeler=member.user_id)
    if member.gold_since is not None:
        rows = rows.filter(submitted_at__gt=member.gold_since)
    return rows.order_by("-submitted_at")[: max(NEWEST, member.campaign.gold_minimum)]


def is_due(member: Member) -> bool:
    """Whether this claim looks at the record."""
    return member.claims > 0 and member.claims % LOOKS == 0


def below_floor(member: Member) -> tuple[int, float] | None:
    """How many known answers were met and which share agreed, if enough were met and too few agreed."""
    scores = [score or 0.0 for score in record(member).values_list("gold_score", flat=True)]
    if len(scores) < max(1, member.campaign.gold_minimum):
        return None
    agreed = sum(scores) / len(scores)
    return (len(scores), agreed) if agreed < member.campaign.gold_floor else None
