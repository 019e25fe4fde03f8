"""Whether somebody may work in a campaign, and if not, everything that is missing, in words for them."""

from datetime import timedelta
from typing import Any

from django.db.models import Q, Sum
from django.utils import timezone

from labeling.models.campaigns import Campaign, Member, Profile, Tally
from labeling.models.tasks import Assignment, AssignmentState
from tilth.accounts.models import Skill


def missing(user: Any, campaign: Campaign, member: Member | None = None) -> list[str]:
    """What stands between this person and the campaign's tasks; empty when nothing does."""
    member = member or Member.objects.filter(campaign=campaign, user=user).first()
    found = _membership(campaign, member) + abilities(user, campaign)
    if member is not None and member.weekly_minutes:
        found += _capacity(user, campaign, member)
    return found


def abilities(user: Any, campaign: Campaign) -> list[str]:
    """Skills and languages of the campaign that this person lacks, in words for them."""
    found = _skills(user, campaign) if campaign.needs_skills else []
    if campaign.languages:
        spoken = Profile.objects.filter(user=user).values_list("languages", flat=True).first() or []
        lacking = [language for language in campaign.languages if language not in spoken]
        if lacking:
            found.append(f"It needs these languages in your profile: {', '.join(lacking)}.")
    return found


def _membership(campaign: Campaign, member: Member | None) -> list[str]:
    if member is None or member.state in {Member.State.INVITED, Member.State.LEFT}:
        may_join = campaign.open_to_all or (member is not None and member.state == Member.State.INVITED)
        return ["Join this campaign first." if may_join else "Ask a lead to invite you to this campaign."]
    if member.state == Member.State.PAUSED:
        return [paused(member.reason)]
    if campaign.consent and member.consent_text != campaign.consent:
        return ["Read and accept what taking part means first."]
    return []


def paused(reason: str) -> str:
    """What somebody is told whose new tasks are paused."""
    return f"New tasks are paused for you. {reason}".strip()


def _skills(user: Any, campaign: Campaign) -> list[str]:
    """What of the campaign's skills, and of the one that its exam grants, the person lacks; one query."""
    asked = Skill.objects.filter(Q(campaigns=campaign) | Q(exams__campaigns=campaign)).distinct()
    lacking = dict(asked.exclude(people=user).values_list("pk", "name"))
    if not lacking:
        return []
    found = []
    if campaign.exam is not None and campaign.exam.skill_id in lacking:
        del lacking[campaign.exam.skill_id]
        found.append(f"Pass the exam “{campaign.exam.title}” first.")
    if lacking:
        found.append(f"It needs these skills: {', '.join(lacking.values())}; a lead can grant them.")
    return found


def week_start() -> Any:
    """Monday of this week (UTC)."""
    today = timezone.now().date()
    return today - timedelta(days=today.weekday())


def _capacity(user: Any, campaign: Campaign, member: Member) -> list[str]:
    week = Tally.objects.filter(campaign=campaign, labeler=user, day__gte=week_start())
    # Days count what has ended; a draft of hours is work of this week, too.
    going_on = Assignment.objects.filter(campaign=campaign, labeler=user, state=AssignmentState.HELD)
    sums = [rows.aggregate(seconds=Sum("active_seconds"))["seconds"] or 0 for rows in (week, going_on)]
    used = sum(sums) / 60
    if used < member.weekly_minutes:
        return []
    return [f"You have worked the {member.weekly_minutes} minutes agreed for this week; more on Monday."]
