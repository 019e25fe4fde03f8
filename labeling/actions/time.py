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
    # Held until the entry stands, so that the day's sum cannot be read twice at once.
    labeler = User.objects.select_for_update(no_key=True).get(pk=person(actor).pk)
    declared = TimeEntry.objects.filter(labeler=labeler, day=day).exclude(state=Decision.REFUSED)
    before = declared.aggregate(n=Sum("minutes"))["n"] or 0
    if not 1 <= minutes <= MOST_MINUTES - before:
        had = f"; you have declared {before} of that day already" if before else ""
        raise InvalidInput(
            f"Declare 1 to {MOST_MINUTES} minutes a day{had}.", code="bad_minutes", field="minutes"
        )
    if not note.strip():
        raise InvalidInput("Say what you did; the lead reads this.", code="no_note", field="note")
    entry = TimeEntry.objects.create(
        campaign=campaign, labeler=labeler, day=day, minutes=minutes, note=note.strip()[:500]
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
    """A statement for everybody who worked in the period; drafts are computed anew.

    Approving closes a period for all: what becomes of its work afterwards, also of people who had no statement
    then, comes into their next one as a correction.
    """
    require_lead(actor, campaign)
    _lock(campaign)
    if first > last or last > timezone.now().date() or (last - first).days > 366:
        raise InvalidInput(
            "Choose a period that lies behind, of a year at most.", code="bad_period", field="first"
        )
    touched = campaign.statements.filter(first_day__lte=last, last_day__gte=first)
    if approved := touched.frozen().first():
        raise Conflict(
            f"{approved.first_day} to {approved.last_day} is approved already; choose days outside it. "
            "What changed since comes into the next statement as a correction.",
            code="overlaps",
            field="first",
        )
    touched.delete()
    terms = pay.Terms.of(campaign)
    found, late = pay.everybody(campaign, first, last, terms), pay.corrections(campaign)
    made = []
    for person_id in sorted({*found, *late}):
        work, owed = found.get(person_id) or pay.nothing(terms), late.get(person_id, [])
        if not (work.tasks or work.minutes or owed):
            continue
        row = Statement(campaign=campaign, labeler_id=person_id, first_day=first, last_day=last)
        row.lines = [work.to_json() | {"corrections": [c.to_json() for c in owed]}]
        row.total, row.currency = work.amount + row.corrected, campaign.currency
        row.save()
        made.append(row)
    audit.record(actor, "statement.draft", campaign.reference, statements=len(made))
    return made


@transaction.atomic
def approve(actor: Actor, campaign: Campaign, first: date, last: date) -> int:
    """Freeze the drafts of a period; what they correct must still be so, lest two drafts correct it twice."""
    require_lead(actor, campaign)
    _lock(campaign)
    drafts = campaign.statements.filter(first_day=first, last_day=last, state=Statement.State.DRAFT)
    late = pay.corrections(campaign)
    for row in drafts.select_related("labeler"):
        corrected = [c.to_json() for c in late.get(row.labeler_id, [])]
        if corrected != row.lines[0]["corrections"] or row.currency != campaign.currency:
            raise Conflict(
                f"What {row.labeler} is owed changed since this was drafted; draft this period again.",
                code="stale_draft",
            )
    count = drafts.update(state=Statement.State.APPROVED, approved_by=actor.user)
    if not count:
        raise Conflict("There is no draft of this period.", code="nothing")
    audit.record(actor, "statement.approve", campaign.reference, statements=count)
    return count


def _lock(campaign: Campaign) -> None:
    """One at a time makes and approves a campaign's statements, lest two periods correct the same work."""
    locked = Campaign.objects.select_for_update(no_key=True).get(pk=campaign.pk)
    campaign.pay_basis, campaign.pay_amount = locked.pay_basis, locked.pay_amount
    campaign.currency = locked.currency


@transaction.atomic
def export(actor: Actor, campaign: Campaign) -> list[Statement]:
    """The approved statements, marked as exported; exporting again gives them again."""
    require_lead(actor, campaign)
    rows = campaign.statements.frozen()
    rows.filter(state=Statement.State.APPROVED).update(state=Statement.State.EXPORTED)
    audit.record(actor, "statement.export", campaign.reference)
    return list(rows.select_related("labeler").order_by("first_day", "labeler_id"))
