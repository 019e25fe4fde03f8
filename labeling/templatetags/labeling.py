"""What labeling's templates need beside the components: differences, and look-ups by a number as text."""

from typing import Any

from django import template
from django.template import Context
from django.urls import reverse

from labeling.models.campaigns import Campaign
from labeling.people import leads_it
from tilth.accounts.permissions import can
from tilth.text.diff import Piece
from tilth.text.diff import word_diff as differences

register = template.Library()


@register.simple_tag
def word_diff(old: object, new: object) -> list[Piece]:
    """The pieces of a word-level difference."""
    return differences(str(old or ""), str(new or ""))


@register.filter
def entry(mapping: Any, key: object) -> Any:
    """The entry of a JSON object under a key that may be a number."""
    return (mapping or {}).get(str(key)) or {}


TABS = (
    ("overview", "Overview", "labeling:campaign", "campaigns.view", False),
    ("tasks", "Tasks", "labeling:campaign_tasks", "campaigns.view", False),
    ("coverage", "Coverage", "labeling:campaign_coverage", "campaigns.view", False),
    ("roster", "Roster", "labeling:campaign_roster", "labelers.view", True),
    ("quality", "Quality", "labeling:campaign_quality", "campaigns.view", False),
    ("labelers", "Labelers", "labeling:campaign_labelers", "campaigns.view", False),
    ("time", "Time and pay", "labeling:campaign_time", "labelers.view", True),
    ("publish", "Publish", "labeling:campaign_publish", "campaigns.publish", False),
    ("settings", "Settings", "labeling:campaign_edit", "campaigns.manage", True),
)
"""Tabs of a campaign: key, label, address, permission, and whether only its leads may open it."""


@register.simple_tag(takes_context=True)
def campaign_tabs(context: Context, campaign: Campaign, active: str) -> list[dict[str, Any]]:
    """The tabs that the reader may open."""
    user = context["user"]
    leads = leads_it(user, campaign)
    return [
        {"label": label, "url": reverse(name, args=[campaign.pk]), "active": key == active}
        for key, label, name, permission, lead_only in TABS
        if can(user, permission) and (leads or not lead_only)
    ]


@register.filter
def percent(share: Any) -> str:
    """A share from 0 to 1 as whole percent; nothing where there is none."""
    return "–" if share is None else f"{float(share):.0%}"


@register.filter
def hours(seconds: Any) -> str:
    """Seconds as hours with one decimal."""
    return f"{float(seconds or 0) / 3600:.1f}"
