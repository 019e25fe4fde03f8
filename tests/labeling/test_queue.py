"""Which task comes next, and that holds keep their promises."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.actions import claims, drafts, handover, reviews, slots
from labeling.actions.drafts import Save
from labeling.models.campaigns import Member, Profile, Quota, Tally
from labeling.models.tasks import Assignment, Task
from labeling.queue import gold_due
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.work import hand_in
from tilth.accounts.actors import Actor
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied


def actor(user):
    return Actor(user=user)


def draft(user, held, text="a word"):
    save = Save(token=held.hold_token, revision=held.draft_revision, payload={"reason": text})
    return drafts.save_draft(actor(user), held, save)


def test_tasks_come_in_order_and_the_least_annotated_first(cast):
    made = campaign(tasks=3, overlap=2)
    join(made, *cast)
    first = claims.claim(actor(cast[0]), made)
    second = claims.claim(actor(cast[1]), made)
    assert (first.task.position, second.task.position) == (1, 2)
    third = claims.claim(actor(cast[2]), made)
    assert third.task.position == 3, "tasks that nobody has come before those that somebody has"


def test_open_work_comes_back_returned_first(cast):
    made = campaign(tasks=3)
    join(made, cast[0])
    one = claims.claim(actor(cast[0]), made)
    draft(cast[0], one)
    two = claims.claim(actor(cast[0]), made, another=True)
    assert two.task != one.task
    Assignment.objects.filter(pk=one.pk).update(state="returned")
    assert claims.claim(actor(cast[0]), made).pk == one.pk


def test_a_reserved_task_goes_to_its_person_alone(cast):
    made = campaign(tasks=2)
    join(made, *cast)
    reserved = task(made, reserved_for=cast[1])
    assert claims.claim(actor(cast[1]), made).task == reserved
    assert claims.claim(actor(cast[0]), made).task.position == 1


@pytest.mark.parametrize("ending", ["work", "skip", "decline", "expire"])
def test_what_a_reserved_task_has_left_goes_to_others(cast, ending):
    made = campaign("demonstration", overlap=1 if ending != "work" else 2)
    join(made, *cast)
    reserved = task(made, reserved_for=cast[1], author=cast[1])
    Member.objects.filter(user=cast[1]).update(reserved=True)
    if ending == "decline":
        claims.decline(actor(cast[1]), reserved)
    else:
        held = claims.claim(actor(cast[1]), made)
        assert held.task == reserved
    if ending == "skip":
        claims.skip(actor(cast[1]), held, "Not my subject")
    elif ending == "expire":
        Assignment.objects.update(hold_until=timezone.now() - timedelta(hours=1))
        claims.end_expired(made)
    assert claims.claim(actor(cast[0]), made).task == reserved


def test_nobody_judges_what_they_wrote(cast):
    made = campaign()
    join(made, *cast)
    own = task(made, author=cast[0])
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(actor(cast[0]), made)
    assert claims.claim(actor(cast[1]), made).task == own


def test_tasks_in_languages_that_somebody_does_not_speak_are_left_to_others(cast):
    made = campaign()
    join(made, *cast)
    task(made, language="sw")
    english = task(made, language="en")
    Profile.objects.create(user=cast[0], languages=["en", "de"])
    assert claims.claim(actor(cast[0]), made).task == english


def test_the_widest_quota_gap_comes_before_the_order(cast):
    made = campaign(tasks=1)
    join(made, *cast)
    wanted = task(made, topic="law")
    task(made, topic="art")
    Quota.objects.create(campaign=made, topic="art", target=10, filled=8)
    Quota.objects.create(campaign=made, topic="law", target=10, filled=1)
    made.has_quotas = True
    assert claims.claim(actor(cast[0]), made).task == wanted


def test_gold_comes_at_its_rate_and_takes_no_slot(cast):
    made = campaign(tasks=200, gold_rate=0.3)
    member = join(made, cast[0])[0]
    due = [n for n in range(200) if gold_due(cast[0], made, n)]
    assert 40 < len(due) < 80
    gold = task(made, role="gold", gold={"grade": "0:2"})
    Member.objects.filter(pk=member.pk).update(claims=due[0])
    held = claims.claim(actor(cast[0]), made)
    assert (held.task, held.slot) == (gold, None)
    gold.refresh_from_db()
    assert gold.live == 0


def test_in_a_pilot_everybody_gets_the_same_tasks(cast):
    made = campaign(tasks=1, state="pilot")
    join(made, *cast)
    pilot = task(made, role="pilot")
    assert {claims.claim(actor(user), made).task for user in cast} == {pilot}


def test_a_hold_without_work_runs_out_and_frees_its_slot(cast):
    made = campaign(tasks=1)
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(actor(cast[1]), made)
    Assignment.objects.filter(pk=held.pk).update(hold_until=timezone.now() - timedelta(seconds=1))
    assert claims.claim(actor(cast[1]), made).task == held.task
    held.refresh_from_db()
    assert (held.state, held.slot) == ("ended", None)


def test_a_hold_with_work_in_it_never_runs_out(cast):
    made = campaign(tasks=1)
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    draft(cast[0], held)
    Assignment.objects.filter(pk=held.pk).update(hold_until=timezone.now() - timedelta(days=9))
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(actor(cast[1]), made)


def test_skipping_needs_a_reason_frees_the_slot_and_keeps_the_text(cast):
    made = campaign(tasks=1)
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    draft(cast[0], held, "half a thought")
    with pytest.raises(InvalidInput, match="why"):
        claims.skip(actor(cast[0]), held, "  ")
    claims.skip(actor(cast[0]), held, "Not my subject")
    held.refresh_from_db()
    assert held.draft == {"reason": "half a thought"}
    assert claims.claim(actor(cast[1]), made).task == held.task
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(actor(cast[0]), made)


@pytest.mark.parametrize("way", ["skipped", "expired", "ended", "handed over"])
def test_the_time_of_work_that_was_not_handed_in_counts_once(way, cast, people):
    made = campaign(tasks=1, overlap=1, lead=people["lead"])
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    Assignment.objects.filter(pk=held.pk).update(active_seconds=90, idle_seconds=30)
    held.refresh_from_db()
    if way == "skipped":
        claims.skip(actor(cast[0]), held, "Not my subject")
    elif way == "expired":
        Assignment.objects.filter(pk=held.pk).update(hold_until=timezone.now() - timedelta(hours=1))
        assert claims.end_expired(made) == 1
    elif way == "ended":
        claims.end(actor(people["lead"]), held, "Needed")
    else:
        handover.hand_over(actor(people["lead"]), held, cast[1])
    (day,) = Tally.objects.filter(campaign=made, labeler=cast[0])
    assert (day.active_seconds, day.idle_seconds) == (90, 30)


def test_the_time_before_a_return_is_not_counted_again_when_the_task_ends(cast, people):
    made = campaign(tasks=1, lead=people["lead"], review_rate=1.0)
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    Assignment.objects.filter(pk=held.pk).update(active_seconds=90)
    done = hand_in(cast[0], held)
    reviews.decide(actor(people["reviewer"]), done, reviews.Verdict("return", note="Why?"))
    Assignment.objects.filter(pk=held.pk).update(active_seconds=100)
    held.refresh_from_db()
    claims.end(actor(people["lead"]), held, "Needed")
    assert Tally.objects.get(campaign=made, labeler=cast[0]).active_seconds == 100


def test_a_lead_ends_a_hold_and_the_draft_stays(cast, people):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    draft(cast[0], held)
    with pytest.raises(PermissionDenied):
        claims.end(actor(people["reviewer"]), held, "")
    claims.end(actor(people["lead"]), held, "The task is needed today.")
    with pytest.raises(drafts.HoldEnded, match="needed today"):
        draft(cast[0], held, "one more word")
    assert held.history.filter(bucket=None, payload={"reason": "one more word"}).count() == 1


def test_declining_costs_nothing_and_is_not_offered_again(cast):
    made = campaign(tasks=2)
    join(made, cast[0])
    claims.decline(actor(cast[0]), Task.objects.get(position=1))
    assert claims.claim(actor(cast[0]), made).task.position == 2
    assert Task.objects.get(position=1).live == 0


def test_the_next_task_is_held_ahead_once_and_opened_later(cast):
    made = campaign(tasks=3)
    join(made, cast[0])
    claims.claim(actor(cast[0]), made)
    ahead = claims.prefetch(actor(cast[0]), made)
    assert claims.prefetch(actor(cast[0]), made) == ahead
    assert ahead.hold_until < timezone.now() + timedelta(minutes=11)
    drafts.presence(actor(cast[0]), ahead, active=0, idle=0)
    ahead.refresh_from_db()
    assert not ahead.prefetched
    assert ahead.hold_until > timezone.now() + timedelta(minutes=60)


def test_one_person_holds_ten_drafts_at_most(cast):
    made = campaign(tasks=12)
    join(made, cast[0])
    for _ in range(10):
        claims.claim(actor(cast[0]), made, another=True)
    with pytest.raises(Conflict, match="10 tasks"):
        claims.claim(actor(cast[0]), made, another=True)


@pytest.mark.parametrize("state", ["draft", "paused", "closed"])
def test_nothing_is_claimed_from_a_campaign_that_is_not_open(cast, state):
    made = campaign(tasks=1, state=state)
    join(made, cast[0])
    with pytest.raises(Conflict, match="no task can be claimed"):
        claims.claim(actor(cast[0]), made)


def test_strangers_to_a_campaign_claim_nothing(cast):
    made = campaign(tasks=1)
    with pytest.raises(PermissionDenied, match="invite"):
        claims.claim(actor(cast[0]), made)


def test_somebody_elses_task_does_not_exist(cast):
    made = campaign(tasks=1)
    join(made, *cast)
    held = claims.claim(actor(cast[0]), made)
    for act in (lambda a: claims.extend(a, held), lambda a: claims.skip(a, held, "x")):
        with pytest.raises(NotFound):
            act(actor(cast[1]))


@pytest.mark.parametrize(
    "breach",
    [
        lambda one, two: Assignment.objects.filter(pk=two.pk).update(slot=one.slot),
        lambda one, two: Assignment.objects.filter(pk=two.pk).update(labeler=one.labeler),
        lambda one, two: slots.take(one),
        lambda one, two: Task.objects.filter(pk=one.task_id).update(submitted=3),
        lambda one, two: Assignment.objects.filter(pk=one.pk).update(state="skipped"),
    ],
    ids=[
        "one slot twice",
        "one person twice",
        "over the overlap",
        "submitted over live",
        "slot kept when skipped",
    ],
)
def test_the_database_itself_refuses(cast, breach):
    made = campaign(tasks=1, overlap=2)
    join(made, *cast)
    one, two = claims.claim(actor(cast[0]), made), claims.claim(actor(cast[1]), made)
    with pytest.raises(IntegrityError), transaction.atomic():
        breach(one, two)
