"""Campaigns: made, edited and moved through their states by those who lead them."""

import hashlib
import json
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from labeling import pay
from labeling.actions.guards import require_lead, require_unclosed
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, CampaignState, PayBasis, Quota
from labeling.models.tasks import Assignment, Task
from labeling.models.time import Statement
from labeling.protocol.registry import collisions, kind_of
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.text.reference import check_name
from tilth.text.storable import storable

State = CampaignState

MOVES: dict[str, dict[str, str]] = {
    State.DRAFT: {State.PILOT: "Start the pilot", State.LIVE: "Go live"},
    State.PILOT: {State.LIVE: "Go live", State.PAUSED: "Pause"},
    State.LIVE: {State.PAUSED: "Pause", State.CLOSED: "Close"},
    State.PAUSED: {State.LIVE: "Go live", State.PILOT: "Back to the pilot", State.CLOSED: "Close"},
    State.CLOSED: {State.PAUSED: "Reopen"},
}
"""From each state, where a campaign can go and what the button says."""

PLAIN = [
    "title",
    "instructions",
    "overlap",
    "hold_minutes",
    "expected_minutes",
    "due",
    "languages",
    "exam",
    "gold_rate",
    "gold_floor",
    "gold_minimum",
    "review_rate",
    "reviews_each",
    "blind_review",
    "visibility",
    "stream_rate",
    "labelers_write_prompts",
    "open_to_all",
    "consent",
    "pay_basis",
    "pay_amount",
    "currency",
    "budget",
]
"""Fields that are written as they are given."""


@transaction.atomic
def create(
    actor: Actor, *, name: str, kind: str, schema: dict[str, Any] | None = None, **fields: Any
) -> Campaign:
    """A campaign in draft, led by whoever makes it."""
    require(actor, "campaigns.manage")
    check_name(name)
    campaign = Campaign(name=name, kind=kind_of(kind).name, created_by=actor.user)
    campaign.schema = checked_schema(kind, schema or {})
    _write(campaign, fields)
    try:
        with transaction.atomic():
            campaign.save()
    except IntegrityError:
        raise Conflict(
            f"A campaign called {name} is there already.", code="name_taken", field="name"
        ) from None
    campaign.skills.set(fields.get("skills", ()))
    _note_skills(campaign)
    if actor.user is not None:
        campaign.leads.add(actor.user)
    audit.record(actor, "campaign.create", campaign.reference, name=name, kind=kind)
    return campaign


def checked_schema(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """An answer schema completed by its kind; keys that would mean two things are refused."""
    full = kind_of(kind).check_schema(storable(schema))
    clash = collisions(kind_of(kind), full)
    if clash:
        raise InvalidInput(
            f"With this schema {clash[0]}; use fewer entries.", code="key_collision", field="schema"
        )
    return full


def settings_of(campaign: Campaign) -> dict[str, Any]:
    """Every setting as it stands, by name."""
    skills = sorted(campaign.skills.values_list("name", flat=True)) if campaign.pk else []
    return {**{name: getattr(campaign, name) for name in PLAIN}, "schema": campaign.schema, "skills": skills}


def stamp(campaign: Campaign) -> str:
    """A short text that changes with any setting: whoever edits says by it what they have seen."""
    text = json.dumps(settings_of(campaign), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@transaction.atomic
def edit(
    actor: Actor,
    campaign: Campaign,
    *,
    schema: dict[str, Any] | None = None,
    seen: str = "",
    **fields: Any,
) -> Campaign:
    """Change a campaign; what is not given stays.

    The answer schema stays once anything was submitted under it; overlap can rise at any time, and fall
    only as far as no open task has more people already. Pay can rise at any time, and fall only once what
    was done for it is in approved statements. ``seen`` is the :func:`stamp` of what the change is based on:
    where somebody else has changed the settings since, nothing is written.
    """
    require_lead(actor, campaign)
    locked = require_unclosed(campaign, "change its settings")
    before = settings_of(locked)
    if seen and seen != stamp(locked):
        raise Conflict(_overtaken(locked, {**fields, "schema": schema}), code="moved")
    currency = locked.currency
    if schema is not None:
        full = checked_schema(locked.kind, schema)
        if full != locked.schema and locked.annotations.exists():
            raise Conflict(
                "Annotations were made under the present answer schema; start a new campaign like this one to change it.",
                code="schema_in_use",
                field="schema",
            )
        locked.schema = full
    _write(locked, fields)
    if locked.currency != currency and Statement.objects.frozen().filter(campaign=locked).exists():
        raise Conflict(
            f"Statements in {currency} are approved, and their corrections are paid in it too; "
            "start a new campaign like this one to pay in another currency.",
            code="currency_in_use",
            field="currency",
        )
    if locked.overlap != before["overlap"]:
        _change_overlap(locked)
    if _pays_less(before, locked) and pay.is_owed(locked, before["pay_basis"]):
        raise Conflict(
            f"{locked} pays {before['pay_amount']} {before['currency']} for work that no approved statement holds yet; "
            "approve its statements first, then change the pay.",
            code="pay_promised",
            field="pay_amount",
        )
    locked.budget_left = locked.budget_due = None  # what there is room for is counted anew
    locked.save()
    if "skills" in fields:
        locked.skills.set(fields["skills"])
    _note_skills(locked)
    after = settings_of(locked)
    changed = sorted(name for name, value in after.items() if value != before[name])
    pays = {
        name: str(after[name])
        for name in changed
        if name in {"pay_basis", "pay_amount", "currency", "budget"}
    }
    audit.record(actor, "campaign.edit", locked.reference, changed=changed, **pays)
    return locked


def _overtaken(now: Campaign, wanted: dict[str, Any]) -> str:
    """What is said where somebody else was quicker: which settings stand otherwise than wanted."""
    apart = [
        f"{name.replace('_', ' ')} (now {getattr(now, name) or 'empty'})"
        for name in PLAIN
        if name in wanted and wanted[name] != getattr(now, name)
    ]
    apart += ["the answer schema"] if wanted["schema"] is not None and wanted["schema"] != now.schema else []
    differ = f" Yours differ in {', '.join(apart)[:400]}." if apart else ""
    return f"Somebody else changed these settings meanwhile.{differ} Save again to put yours in place."


def _pays_less(before: dict[str, Any], now: Campaign) -> bool:
    """Whether work that is done would be paid less, or for something else, than was said when it was claimed."""
    if before["pay_basis"] == PayBasis.NONE:
        return False
    return before["pay_basis"] != now.pay_basis or Decimal(now.pay_amount) < Decimal(before["pay_amount"])


def _note_skills(campaign: Campaign) -> None:
    campaign.needs_skills = campaign.exam_id is not None or campaign.skills.exists()
    campaign.save(update_fields=["needs_skills"])


def _write(campaign: Campaign, fields: dict[str, Any]) -> None:
    for name in PLAIN:
        if name in fields:
            setattr(campaign, name, storable(fields[name]))
    if "guideline" in fields and campaign.pk is None:
        campaign.guideline = fields["guideline"]
    campaign.title = campaign.title.strip()
    if not 0 < len(campaign.title) <= 200:
        raise InvalidInput("A title has 1 to 200 characters.", code="bad_title", field="title")
    _within(campaign, "overlap", 1, 50)
    _within(campaign, "hold_minutes", 5, 43_200)
    _within(campaign, "expected_minutes", 1, 10_000)
    _within(campaign, "stream_rate", 0, 1_000)
    _within(campaign, "reviews_each", 1, 5)
    _within(campaign, "gold_minimum", 1, 1_000)
    _within(campaign, "pay_amount", 0, 99_999_999)
    if campaign.budget is not None and campaign.budget <= 0:
        raise InvalidInput("A budget is more than nothing; leave it empty for no limit.", field="budget")
    for name in ("gold_rate", "gold_floor", "review_rate"):
        _within(campaign, name, 0, 1)
    if campaign.gold_rate and not campaign.task_kind.closed:
        raise InvalidInput(
            "Tasks with a known answer are for kinds whose answers can be compared; written work is reviewed instead.",
            code="no_gold",
            field="gold_rate",
        )


def _within(campaign: Campaign, name: str, low: float, high: float) -> None:
    value = getattr(campaign, name)
    if value is None or not low <= value <= high:
        raise InvalidInput(
            f"{name.replace('_', ' ').capitalize()} must lie between {low:g} and {high:g}.", field=name
        )


def _change_overlap(campaign: Campaign) -> None:
    ordinary = campaign.tasks.filter(role=Task.Role.NORMAL).exclude(state=Task.State.WITHDRAWN)
    crowded = ordinary.filter(live__gt=campaign.overlap).count()
    if crowded:
        raise Conflict(
            f"{crowded:,} tasks have more people than {campaign.overlap} already; overlap cannot fall below that.",
            code="overlap_in_use",
            field="overlap",
        )
    ordinary.update(overlap=campaign.overlap)
    ordinary.filter(submitted__gte=F("overlap")).update(state=Task.State.DONE)
    ordinary.filter(submitted__lt=F("overlap"), state=Task.State.DONE).update(state=Task.State.OPEN)


def lacking(campaign: Campaign, to: str) -> list[str]:
    """What a campaign still needs before it can move to a state."""
    found = []
    if to in {State.PILOT, State.LIVE} and campaign.guideline is None:
        found.append("Choose the guideline version that it is labelled by.")
    if to == State.PILOT and not campaign.tasks.filter(role=Task.Role.PILOT, state=Task.State.OPEN).exists():
        found.append("Add the few tasks that everybody does in the pilot.")
    ordinary = campaign.tasks.filter(role=Task.Role.NORMAL, state=Task.State.OPEN)
    if to == State.LIVE and not campaign.labelers_write_prompts and not ordinary.exists():
        found.append("Add tasks.")
    if to == State.LIVE and campaign.gold_rate and not campaign.tasks.filter(role=Task.Role.GOLD).exists():
        found.append("Add tasks with a known answer, or set their rate to 0.")
    return found


@transaction.atomic
def move(actor: Actor, campaign: Campaign, to: str) -> Campaign:
    """Take a campaign to its next state; what is missing for that is named."""
    require_lead(actor, campaign)
    if to not in MOVES.get(campaign.state, {}):
        raise Conflict(
            f"{campaign} is {campaign.get_state_display().lower()} and cannot become {to}.", code="bad_move"
        )
    missing = lacking(campaign, to)
    if missing:
        raise Conflict(" ".join(missing), code="not_ready")
    moved = Campaign.objects.filter(pk=campaign.pk, state=campaign.state)
    if not moved.update(state=to, state_at=timezone.now()):
        raise Conflict(f"Somebody else moved {campaign} just now; load the page again.", code="moved")
    audit.record(actor, "campaign.move", campaign.reference, before=campaign.state, after=to)
    campaign.refresh_from_db()
    return campaign


@transaction.atomic
def duplicate(actor: Actor, campaign: Campaign, *, name: str) -> Campaign:
    """A new draft with the same settings, without tasks and people."""
    require(actor, "campaigns.manage")
    fields = {field: getattr(campaign, field) for field in PLAIN}
    made = create(
        actor,
        name=name,
        kind=campaign.kind,
        schema=campaign.schema,
        guideline=campaign.guideline,
        skills=list(campaign.skills.all()),
        **fields,
    )
    for quota in campaign.quotas.all():
        Quota.objects.create(
            campaign=made,
            topic=quota.topic,
            difficulty=quota.difficulty,
            language=quota.language,
            target=quota.target,
        )
        Campaign.objects.filter(pk=made.pk).update(has_quotas=True)
    return made


@transaction.atomic
def set_leads(actor: Actor, campaign: Campaign, leads: list[User]) -> Campaign:
    """Who leads the campaign; there is always somebody."""
    require_lead(actor, campaign)
    if not leads:
        raise InvalidInput("A campaign needs a lead.", code="no_lead", field="leads")
    wrong = [user for user in leads if user.role not in {Role.LEAD, Role.ADMIN} or not user.is_active]
    if wrong:
        raise InvalidInput(
            f"{wrong[0]} is no lead; an admin can change the role.", code="wrong_role", field="leads"
        )
    campaign.leads.set(leads)
    audit.record(actor, "campaign.leads", campaign.reference, leads=[user.pseudonym for user in leads])
    return campaign


@transaction.atomic
def set_quota(
    actor: Actor, campaign: Campaign, *, topic: str, difficulty: str, language: str, target: int
) -> Quota | None:
    """Ask for so many submissions in a cell; a target of 0 takes the cell away. Counts what is there already."""
    require_lead(actor, campaign)
    require_unclosed(campaign, "ask for submissions")
    cell: dict[str, Any] = {
        "topic": topic.strip(),
        "difficulty": difficulty.strip(),
        "language": language.strip(),
    }
    audit.record(actor, "campaign.quota", campaign.reference, **cell, wanted=target)
    if target == 0:
        campaign.quotas.filter(**cell).delete()
        Campaign.objects.filter(pk=campaign.pk).update(has_quotas=campaign.quotas.exists())
        return None
    if not 0 < target <= 10_000_000:
        raise InvalidInput("Ask for 1 to 10,000,000 submissions.", code="bad_target", field="target")
    Campaign.objects.filter(pk=campaign.pk).update(has_quotas=True)
    quota, made = campaign.quotas.update_or_create(**cell, defaults={"target": target})
    _count_quota(quota.pk)
    if made:
        transaction.on_commit(lambda: _count_again(quota))
    quota.refresh_from_db()
    return quota


def _count_again(quota: Quota) -> None:
    """Count a new cell once more: what was being handed in while it was made knew nothing of it."""
    open_ = Assignment.objects.open().filter(campaign=quota.campaign_id)
    with transaction.atomic():
        before = set(open_.values_list("pk", flat=True))
        idle = open_.select_for_update(of=("self",), skip_locked=True).values_list("pk", flat=True)
        busy = before.difference(idle)
    for pk in busy:  # one at a time, so that this never holds one row and waits for another
        with transaction.atomic():
            Assignment.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    _count_quota(quota.pk)


@transaction.atomic
def _count_quota(pk: int) -> None:
    """Count what a cell holds, under its row's lock: a submission counts itself before this, or after it."""
    quota = Quota.objects.select_for_update(of=("self",)).filter(pk=pk).first()
    if quota is None:
        return
    parts = ("topic", "difficulty", "language")
    inside = {f"task__{name}": value for name in parts if (value := getattr(quota, name))}
    there = Annotation.objects.filter(
        campaign=quota.campaign_id, current=True, assignment__slot__isnull=False, **inside
    )
    Quota.objects.filter(pk=pk).update(filled=there.count())
