"""Time and pay: what counts, statements, their corrections, and who decides."""

import csv
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeling import pay
from labeling.actions import campaigns, claims, drafts, reviews, tallies, time
from labeling.actions.drafts import Save
from labeling.actions.reviews import Verdict
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Tally
from labeling.models.tasks import Assignment
from labeling.models.time import Statement, TimeEntry
from tests.labeling.campaigns import campaign, join
from tests.labeling.work import earned, label
from tests.racing import at_once, refused
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
    found = earned(paid, cast[0], today - timedelta(days=1), today)
    assert (found.tasks, found.amount) == (1, Decimal("2.50"))
    assert third.state == "submitted"


def test_hours_are_paid_with_approved_work_away_from_the_screen(paid, cast, people):
    paid.pay_basis, paid.pay_amount = "hour", Decimal("30")
    today = timezone.now().date()
    Tally.objects.create(campaign=paid, labeler=cast[0], day=today, active_seconds=1800)
    lead, me = Actor(user=people["lead"]), Actor(user=cast[0])
    entry = time.declare(me, paid, day=today, minutes=30, note="Read two papers")
    assert earned(paid, cast[0], today, today).amount == Decimal("15.00")
    with pytest.raises(PermissionDenied):
        time.decide(Actor(user=people["reviewer"]), entry, approved=True)
    time.decide(lead, entry, approved=True)
    assert earned(paid, cast[0], today, today).amount == Decimal("30.00")
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
    for again in (first, first + timedelta(days=1)):
        with pytest.raises(Conflict, match="is approved already"):
            time.draft_statements(lead, paid, again, today)
    response = client_for("lead").post(reverse("labeling:statements_export", args=[paid.pk]))
    line = response.content.decode().splitlines()[1].split(",")
    assert (line[0], line[5:8], line[10:12]) == (cast[0].pseudonym, ["task", "2.50", "1"], ["2.50", "EUR"])
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
    assert made.total == Decimal("8.34"), "16.67 minutes at half a euro each, halves up"
    time.approve(lead, paid, day, day)
    assert time.draft_statements(lead, paid, today, today) == []
    time.decide(lead, entry, approved=True)
    (made,) = time.draft_statements(lead, paid, today, today)
    assert (made.total, made.lines[0]["corrections"][0]["minutes"]) == (Decimal("15.00"), "30.00")


def test_who_had_no_statement_in_an_approved_period_is_paid_in_the_next(paid, cast, people):
    lead, today = Actor(user=people["lead"]), timezone.now().date()
    past, settled = today - timedelta(days=20), today - timedelta(days=10)
    then = timezone.now() - timedelta(days=12)
    done, late = label(cast[0], paid), label(cast[1], paid)
    Annotation.objects.filter(pk__in=[done.pk, late.pk]).update(submitted_at=then)
    Annotation.objects.filter(pk=late.pk).update(state="rejected")
    (made,) = time.draft_statements(lead, paid, past, settled)
    time.approve(lead, paid, past, settled)
    campaigns.edit(lead, paid, pay_amount=Decimal("9.00"))
    Annotation.objects.filter(pk=late.pk).update(state="accepted")
    (made,) = time.draft_statements(lead, paid, today, today)
    assert (made.labeler, made.total, made.lines[0]["corrections"]) == (
        cast[1],
        Decimal("2.50"),
        [{"first": f"{past}", "last": f"{settled}", "tasks": 1, "minutes": "0.00", "amount": "2.50"}],
    )
    time.approve(lead, paid, today, today)
    assert pay.corrections(paid) == {}, "it is paid once"
    assert pay.spent(paid) == Decimal("5.00"), "what was approved keeps its rate"


def test_corrections_add_up_to_the_cent(paid, cast, people):
    campaigns.edit(Actor(user=people["lead"]), paid, pay_basis="hour", pay_amount=Decimal("0.50"))
    today, lead = timezone.now().date(), Actor(user=people["lead"])
    day = today - timedelta(days=30)
    Tally.objects.create(campaign=paid, labeler=cast[0], day=day, active_seconds=61)
    time.draft_statements(lead, paid, day, day)
    time.approve(lead, paid, day, day)
    for late in range(1, 8):
        entry = time.declare(Actor(user=cast[0]), paid, day=day, minutes=1, note="Read")
        time.decide(lead, entry, approved=True)
        then = day + timedelta(days=late)
        if time.draft_statements(lead, paid, then, then):
            time.approve(lead, paid, then, then)
    total = sum(row.total for row in Statement.objects.filter(labeler=cast[0]))
    assert total == earned(paid, cast[0], day, day).amount == Decimal("0.07")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.sampled_from(["task", "hour", "none"]),
    st.decimals(0, 10_000, places=2),
    st.integers(0, 10_000),
    st.integers(0, 10_000_000),
    st.integers(0, 50_000),
)
def test_a_statement_s_rate_times_what_it_shows_is_its_amount(basis, rate, tasks, seconds, offscreen):
    terms = pay.Terms(basis, rate)
    line = pay.Earned(tasks, pay.minutes_of(seconds), offscreen, terms).to_json()
    minutes = Decimal(line["active_minutes"]) + line["offscreen_minutes"]
    units = {"task": line["tasks"] * 60, "hour": minutes, "none": 0}[line["basis"]]
    exact = Decimal(line["rate"]) * units / 60
    assert Decimal(line["amount"]) == exact.quantize(Decimal("0.01"), ROUND_HALF_UP)
    assert abs(Decimal(line["active_minutes"]) * 60 - seconds) <= Decimal("0.3")


def test_seconds_of_days_add_up_to_the_whole_however_often_work_was_handed_in(paid, cast):
    held = claims.claim(Actor(user=cast[0]), paid)
    total = 0
    for last, now in [(None, 0.4), (0.4, 0.8), (0.8, 1.2), (1.2, 1.6), (1.6, 2.4)]:
        before = last if last is None else Assignment(active_seconds=last)
        total += tallies.seconds_since(before, Assignment(active_seconds=now))["active_seconds"]
    assert total == 2
    Assignment.objects.filter(pk=held.pk).update(active_seconds=90.6, idle_seconds=0.2)
    claims.skip(Actor(user=cast[0]), held, "Not mine")
    day = Tally.objects.get(campaign=paid, labeler=cast[0])
    assert (day.active_seconds, day.idle_seconds) == (91, 0)


def test_the_currency_stays_once_a_statement_is_approved(paid, cast, people):
    lead, today = Actor(user=people["lead"]), timezone.now().date()
    label(cast[0], paid)
    time.draft_statements(lead, paid, today, today)
    campaigns.edit(lead, paid, currency="USD")
    with pytest.raises(Conflict, match="draft this period again"):
        time.approve(lead, paid, today, today)
    time.draft_statements(lead, paid, today, today)
    time.approve(lead, paid, today, today)
    with pytest.raises(Conflict, match="Statements in USD are approved"):
        campaigns.edit(lead, paid, currency="EUR")


@pytest.mark.django_db(transaction=True)
def test_two_periods_approved_at_once_correct_the_same_work_once(paid, cast, people):
    lead, today = Actor(user=people["lead"]), timezone.now().date()
    past, earlier, later = (today - timedelta(days=days) for days in (9, 2, 1))
    done = label(cast[0], paid)
    Annotation.objects.filter(pk=done.pk).update(submitted_at=timezone.now() - timedelta(days=9))
    time.draft_statements(lead, paid, past, past)
    time.approve(lead, paid, past, past)
    Annotation.objects.filter(pk=done.pk).update(state="rejected")
    for day in (earlier, later):
        time.draft_statements(lead, paid, day, day)
    results = at_once(*[lambda day=day: time.approve(lead, paid, day, day) for day in (earlier, later)])
    assert [error.code for error in refused(results)] == ["stale_draft"]
    assert sum(row.total for row in Statement.objects.frozen()) == 0


@pytest.mark.django_db(transaction=True)
def test_minutes_declared_at_once_stay_within_a_day(paid, cast):
    me, today = Actor(user=cast[0]), timezone.now().date()
    results = at_once(*[lambda: time.declare(me, paid, day=today, minutes=400, note="Reading")] * 4)
    assert [error.code for error in refused(results)] == ["bad_minutes"] * 3
    assert TimeEntry.objects.get().minutes == 400


def test_many_reports_count_no_more_than_the_clock_has_run(paid, cast):
    me, held = Actor(user=cast[0]), claims.claim(Actor(user=cast[0]), paid)
    for beat in range(20):
        drafts.presence(me, held, active=5, idle=0)
        held.refresh_from_db()
        drafts.save_draft(me, held, Save(held.hold_token, held.draft_revision, {"n": beat}, active=5))
    passed = (timezone.now() - held.held_at).total_seconds()
    held.refresh_from_db()
    assert 5 <= held.active_seconds <= passed + 5


def test_a_save_counts_what_a_heartbeat_has_counted_meanwhile(paid, cast):
    me, held = Actor(user=cast[0]), claims.claim(Actor(user=cast[0]), paid)
    long_ago = timezone.now() - timedelta(minutes=5)
    Assignment.objects.filter(pk=held.pk).update(seen_at=long_ago, held_at=long_ago)
    held.refresh_from_db()
    drafts.presence(me, Assignment.objects.get(pk=held.pk), active=290, idle=0)
    drafts.save_draft(me, held, Save(held.hold_token, held.draft_revision, {"n": 1}, active=10))
    held.refresh_from_db()
    assert (held.draft, round(held.active_seconds)) == ({"n": 1}, 295), "nothing lost, nothing twice"


def held_for(made, user, minutes):
    """One more task in hand since ``minutes`` ago."""
    found = claims.claim(Actor(user=user), made, another=True)
    since = timezone.now() - timedelta(minutes=minutes)
    Assignment.objects.filter(pk=found.pk).update(held_at=since)
    found.refresh_from_db()
    return found


def test_several_tasks_in_hand_count_no_more_than_the_clock_has_run(paid, cast):
    me = Actor(user=cast[0])
    first, second, third = (held_for(paid, cast[0], 10) for _ in range(3))
    drafts.presence(me, first, active=400, idle=200)
    drafts.save_draft(me, second, Save(second.hold_token, 0, {"n": 1}, active=600, idle=0))
    drafts.presence(me, third, active=600, idle=0)
    for found in (first, second, third):
        found.refresh_from_db()
    assert round(first.active_seconds) == 400
    assert 200 <= second.active_seconds <= 206, "what the first left of the ten minutes"
    assert sum(a.active_seconds for a in (first, second, third)) < 610
    # What has been handed in still counts.
    label(cast[0], paid)
    drafts.presence(me, third, active=600, idle=0)
    total = sum(Assignment.objects.values_list("active_seconds", flat=True))
    passed = (timezone.now() - first.held_at).total_seconds()
    assert total <= passed + 5


def test_going_to_and_fro_between_tasks_loses_no_second(paid, cast, monkeypatch):
    me = Actor(user=cast[0])
    first, second = (held_for(paid, cast[0], 0) for _ in range(2))
    began = timezone.now()
    for beat in range(1, 21):
        monkeypatch.setattr(
            "labeling.actions.drafts.timezone.now", lambda b=beat: began + timedelta(seconds=30 * b)
        )
        drafts.presence(me, first, active=20, idle=10)
        drafts.presence(me, second, active=10, idle=20)
    for found in (first, second):
        found.refresh_from_db()
    assert (round(first.active_seconds), round(second.active_seconds)) == (400, 200)
    assert (round(first.idle_seconds), round(second.idle_seconds)) == (200, 400), "both were open"


def test_two_people_do_not_share_a_clock(paid, cast):
    for user in cast[:2]:
        drafts.presence(Actor(user=user), held_for(paid, user, 10), active=600, idle=0)
    assert [round(s) for s in Assignment.objects.values_list("active_seconds", flat=True)] == [600, 600]


@pytest.mark.django_db(transaction=True)
def test_reports_of_several_tasks_sent_at_once_count_once(paid, cast):
    me = Actor(user=cast[0])
    held = [held_for(paid, cast[0], 10) for _ in range(3)]
    at_once(*[lambda found=found: drafts.presence(me, found, active=600, idle=0) for found in held])
    assert 600 <= sum(Assignment.objects.values_list("active_seconds", flat=True)) < 620


@pytest.mark.django_db(transaction=True)
def test_reports_sent_at_once_count_once(paid, cast):
    me, held = Actor(user=cast[0]), claims.claim(Actor(user=cast[0]), paid)
    long_ago = timezone.now() - timedelta(minutes=5)
    Assignment.objects.filter(pk=held.pk).update(seen_at=long_ago, held_at=long_ago)
    read = [Assignment.objects.get(pk=held.pk) for _ in range(6)]
    at_once(*[lambda found=found: drafts.presence(me, found, active=300, idle=0) for found in read])
    held.refresh_from_db()
    assert 300 <= held.active_seconds < 320
