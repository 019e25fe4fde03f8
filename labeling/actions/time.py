"""Off-screen work declared and approved; statements made, approved and exported."""

from datetime import date, timedelta

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from labeling import pay
from labeling.actions.guards import person, require_lead
from labeling.models.campaigns import Campaign, Member
from labeling.models.time import Decision, Statement, TimeEntry
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput, PermissionDenied

OLDEST = timedelta(days=60)
MOST_MINUTES = 720
"""Work away from the screen that one person may declare for one day, in all campaigns together."""


@transaction.atomic
def declare(actor: Actor, campaign: Campaign, *, day: date, minutes: int, note: str) -> TimeEntry:
    """Work away from the screen; it counts once a lead approves it."""
    require(actor, "labeling.work")
    today = timezone.now().date()
    if not campaign.members.filter(user=actor.user).exclude(state=Member.State.INVITED).exists():
        raise PermissionDenied(f"You do not take part in {campaign}.")
    if not today - OLDEST <= day <= today:
        raise InvalidInput("Declare work of the last 60 days, up to today.", code="bad_day", field="day")
    declared = TimeEntry.objects.filter(labeler=actor.user, day=day).exclude(state=Decision.REFUSED)
    before = declared.aggregate(n=Sum("minutes"))["n"] or 0
    if not 1 <= minutes <= MOST_MINUTES - before:
        had = f"; you have declared {before} of that day already" if before else ""
        raise InvalidInput(
            f"Declare 1 to {MOST_MINUTES} minutes a day{had}.", code="bad_minutes", field="minutes"
        )
    if not note.strip():
        raise InvalidInput("Say what you did; the lead reads this.", code="no_note", field="note")
    entry = TimeEntry.objects.create(
        campaign=campaign, labeler=person(actor), day=day, minutes=minutes, note=note.strip()[:500]
    )
    audit.record(actor, "time.declare", campaign.reference, minutes=minutes)
    return entry


@transaction.atomic
def decide(actor: Actor, entry: TimeEntry, *, approved: bool) -> TimeEntry:
    """Approve declared work, or not; nobody decides on their own."""
    require_lead(actor, entry.campaign)
    if actor.user is not None and actor.user.pk == entry.labeler_id:
        raise PermissionDenied("This is your own time; another lead or an admin decides on it.")
    state = Decision.APPROVED if approved else Decision.REFUSED
    pending = TimeEntry.objects.filter(pk=entry.pk, state=Decision.PENDING)
    if not pending.update(state=state, decided_by=actor.user):
        raise Conflict("Somebody has decided on this already.", code="decided")
    entry.refresh_from_db()
    audit.record(actor, "time.decide", entry.campaign.reference, approved=approved, minutes=entry.minutes)
    return entry


@transaction.atomic
def draft_statements(actor: Actor, campaign: Campaign, first: date, last: date) -> list[Statement]:
    """A statement for everybody who worked in the period; drafts are computed anew, approved ones stay.

    What became of work after its statement was approved comes into the next one as a correction.
    """
    require_lead(actor, campaign)
    if first > last or last > timezone.now().date() or (last - first).days > 366:
        raise InvalidInput(
            "Choose a period that lies behind, of a year at most.", code="bad_period", field="first"
        )
    touched = campaign.statements.filter(first_day__lte=last, last_day__gte=first)
    if touched.frozen().exclude(first_day=first, last_day=last).exists():
        raise Conflict(
            "A part of this period stands in an approved statement.", code="overlaps", field="first"
        )
    touched.filter(state=Statement.State.DRAFT).delete()
    settled = set(touched.values_list("labeler", flat=True))
    made = []
    for user in User.objects.filter(memberships__campaign=campaign).exclude(pk__in=settled).distinct():
        found, late = pay.earned(campaign, user, first, last), pay.corrections(campaign, user)
        if not (found.tasks or found.minutes or late):
            continue
        row = Statement(campaign=campaign, labeler=user, first_day=first, last_day=last)
        row.lines = [found.to_json(campaign) | {"corrections": [c.to_json() for c in late]}]
        row.total, row.currency = found.amount + row.corrected, campaign.currency
        row.save()
        made.append(row)
    audit.record(actor, "statement.draft", campaign.reference, statements=len(made))
    return made


@transaction.atomic
def approve(actor: Actor, campaign: Campaign, first: date, last: date) -> int:
    """Freeze the drafts of a period; what they correct must still be so, lest two drafts correct it twice."""
    require_lead(actor, campaign)
    drafts = campaign.statements.filter(first_day=first, last_day=last, state=Statement.State.DRAFT)
    for row in drafts:
        late = [c.to_json() for c in pay.corrections(campaign, row.labeler)]
        if late != row.lines[0].get("corrections", []):
            raise Conflict(
                f"Work of an earlier period of {row.labeler} was decided since; draft this period again.",
                code="stale_draft",
            )
    count = drafts.update(state=Statement.State.APPROVED, approved_by=actor.user)
    if not count:
        raise Conflict("There is no draft of this period.", code="nothing")
    audit.record(actor, "statement.approve", campaign.reference, statements=count)
    return count


@transaction.atomic
def export(actor: Actor, campaign: Campaign) -> list[Statement]:
    """The approved statements, marked as exported; exporting again gives them again."""
    require_lead(actor, campaign)
    rows = campaign.statements.frozen()
    rows.filter(state=Statement.State.APPROVED).update(state=Statement.State.EXPORTED)
    audit.record(actor, "statement.export", campaign.reference)
    return list(rows.select_related("labeler").order_by("first_day", "labeler_id"))
