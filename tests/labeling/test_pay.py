"""Time and pay: what counts, statements, their corrections, and who decides."""

import csv
from datetime import timedelta
from decimal import Decimal

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling import pay
from labeling.actions import reviews, time
from labeling.actions.reviews import Verdict
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Tally
from tests.labeling.campaigns import campaign, join
from tests.labeling.work import label
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput, PermissionDenied


@pytest.fixture
def paid(people, cast):
    made = campaign(tasks=3, lead=people["lead"], pay_basis="task", pay_amount="2.50", review_rate=1.0)
    join(made, *cast)
    return made


def test_tasks_are_paid_unless_returned_or_rejected(paid, cast, people, as_role):
    first, second, third = (label(cast[0], paid) for _ in range(3))
    reviews.decide(as_role("reviewer"), first, Verdict("reject", note="No."))
    reviews.decide(as_role("reviewer"), second, Verdict("return", note="Why?"))
    today = timezone.now().date()
    found = pay.earned(paid, cast[0], today - timedelta(days=1), today)
    assert (found.tasks, found.amount) == (1, Decimal("2.50"))
    assert third.state == "submitted"


def test_hours_are_paid_with_approved_work_away_from_the_screen(paid, cast, people):
    paid.pay_basis, paid.pay_amount = "hour", Decimal("30")
    today = timezone.now().date()
    Tally.objects.create(campaign=paid, labeler=cast[0], day=today, active_seconds=1800)
    lead, me = Actor(user=people["lead"]), Actor(user=cast[0])
    entry = time.declare(me, paid, day=today, minutes=30, note="Read two papers")
    assert pay.earned(paid, cast[0], today, today).amount == Decimal("15.00")
    with pytest.raises(PermissionDenied):
        time.decide(Actor(user=people["reviewer"]), entry, approved=True)
    time.decide(lead, entry, approved=True)
    assert pay.earned(paid, cast[0], today, today).amount == Decimal("30.00")
    with pytest.raises(Conflict):
        time.decide(lead, entry, approved=False)
    for fields in ({"minutes": 0}, {"note": " "}, {"day": today + timedelta(days=1)}):
        with pytest.raises(InvalidInput):
            time.declare(me, paid, **{"day": today, "minutes": 5, "note": "x", **fields})


def test_a_day_has_so_many_minutes_and_nobody_approves_their_own(paid, cast, people):
    today, me, lead = timezone.now().date(), Actor(user=cast[0]), Actor(user=people["lead"])
    first = time.declare(me, paid, day=today, minutes=700, note="Reading")
    with pytest.raises(InvalidInput, match="declared 700 of that day already"):
        time.declare(me, paid, day=today, minutes=21, note="More")
    time.declare(me, paid, day=today - timedelta(days=1), minutes=21, note="Another day")
    time.decide(lead, first, approved=False)
    time.declare(me, paid, day=today, minutes=720, note="What was refused does not count")
    join(paid, people["lead"])
    own = time.declare(lead, paid, day=today, minutes=30, note="Mine")
    with pytest.raises(PermissionDenied, match="your own time"):
        time.decide(lead, own, approved=True)
    time.decide(Actor(user=people["admin"]), own, approved=True)


def test_statements_are_frozen_when_approved_and_then_exported(paid, cast, people, client_for):
    label(cast[0], paid)
    lead, today = Actor(user=people["lead"]), timezone.now().date()
    first = today - timedelta(days=6)
    assert [s.total for s in time.draft_statements(lead, paid, first, today)] == [Decimal("2.50")]
    assert time.approve(lead, paid, first, today) == 1
    label(cast[0], paid)
    assert time.draft_statements(lead, paid, first, today) == [], "an approved statement stays"
    with pytest.raises(Conflict, match="approved"):
        time.draft_statements(lead, paid, first + timedelta(days=1), today)
    response = client_for("lead").post(reverse("labeling:statements_export", args=[paid.pk]))
    line = response.content.decode().splitlines()[1].split(",")
    assert (line[0], line[5], line[8], line[9]) == (cast[0].pseudonym, "1", "2.50", "EUR")
    assert (
        client_for("researcher").post(reverse("labeling:statements_export", args=[paid.pk])).status_code
        == 403
    )


def test_what_is_decided_after_a_statement_comes_into_the_next_as_a_correction(
    paid, cast, people, client_for
):
    lead, today = Actor(user=people["lead"]), timezone.now().date()
    past, settled = today - timedelta(days=20), today - timedelta(days=10)
    rejected, kept = label(cast[0], paid), label(cast[0], paid)
    then = timezone.now() - timedelta(days=12)
    Annotation.objects.filter(pk__in=[rejected.pk, kept.pk]).update(submitted_at=then)
    assert [s.total for s in time.draft_statements(lead, paid, past, settled)] == [Decimal("5.00")]
    time.approve(lead, paid, past, settled)
    paid.pay_amount = Decimal("4.00")  # from now on; what was approved keeps its rate
    paid.save()
    assert time.draft_statements(lead, paid, settled + timedelta(days=1), today) == []
    Annotation.objects.filter(pk=rejected.pk).update(state="rejected")
    first = settled + timedelta(days=1)
    (made,) = time.draft_statements(lead, paid, first, today - timedelta(days=1))
    assert (made.total, made.corrected, made.lines[0]["tasks"]) == (Decimal("-2.50"), Decimal("-2.50"), 0)
    assert len(time.draft_statements(lead, paid, today, today)) == 1
    time.approve(lead, paid, first, today - timedelta(days=1))
    with pytest.raises(Conflict, match="draft this period again"):
        time.approve(lead, paid, today, today)
    assert time.draft_statements(lead, paid, today, today) == [], "it is corrected once"
    Annotation.objects.filter(pk=rejected.pk).update(state="accepted")
    (made,) = time.draft_statements(lead, paid, today, today)
    assert made.total == Decimal("2.50")
    time.approve(lead, paid, today, today)
    response = client_for("lead").post(reverse("labeling:statements_export", args=[paid.pk]))
    rows = list(csv.DictReader(response.content.decode().splitlines()))
    assert [(row["amount"], row["corrections"], row["total"]) for row in rows] == [
        ("5.00", "0", "5.00"),
        ("0.00", "-2.50", "-2.50"),
        ("0.00", "2.50", "2.50"),
    ]
    page = client_for("lead").get(reverse("labeling:campaign_time", args=[paid.pk]))
    assert "-2.50 EUR" in page.content.decode()


def test_hours_approved_late_come_into_the_next_statement(paid, cast, people):
    paid.pay_basis, paid.pay_amount = "hour", Decimal("30")
    paid.save()
    today = timezone.now().date()
    day = today - timedelta(days=12)
    Tally.objects.create(campaign=paid, labeler=cast[0], day=day, active_seconds=1000)
    lead = Actor(user=people["lead"])
    entry = time.declare(Actor(user=cast[0]), paid, day=day, minutes=30, note="Read two papers")
    (made,) = time.draft_statements(lead, paid, day, day)
    assert made.total == Decimal("8.33")
    time.approve(lead, paid, day, day)
    assert time.draft_statements(lead, paid, today, today) == []
    time.decide(lead, entry, approved=True)
    (made,) = time.draft_statements(lead, paid, today, today)
    assert (made.total, made.lines[0]["corrections"][0]["minutes"]) == (Decimal("15.00"), 30)
