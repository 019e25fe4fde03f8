"""Drafts, submissions and taking them back."""

from datetime import timedelta
from unittest.mock import patch

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.actions import claims, drafts, submissions
from labeling.actions.drafts import DraftMoved, Save
from labeling.actions.safeguards import Noticed
from labeling.actions.submissions import Handed, NotReady
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Quota, Tally
from labeling.models.tasks import Assignment, DraftRevision
from tests.labeling.campaigns import campaign, join, labelers
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.errors import Conflict, InvalidInput

GOOD = {"grade": "0:3", "marks": {"helpful": "0"}, "reason": "It is right.", "clauses": [{"id": "honest"}]}


@pytest.fixture
def user(db):
    return labelers(1)[0]


@pytest.fixture
def me(user):
    return Actor(user=user)


def held(user, **fields):
    made = campaign(tasks=1, **fields)
    join(made, user)
    return claims.claim(Actor(user=user), made)


def save(assignment, payload=GOOD, **fields):
    values = {"token": assignment.hold_token, "revision": assignment.draft_revision, "payload": payload}
    return Save(**{**values, **fields})


def hand_in(actor, assignment, payload=GOOD, key="a-key-of-its-own", **fields):
    return submissions.submit(actor, assignment, Handed(save(assignment, payload), key=key, **fields))


def test_saves_count_revisions_and_keep_one_text_for_ten_minutes(user, me):
    mine = held(user)
    for text in ("a", "ab", "abc"):
        drafts.save_draft(me, mine, save(mine, {"reason": text}))
    mine.refresh_from_db()
    assert (mine.draft, mine.draft_revision) == ({"reason": "abc"}, 3)
    assert 1 <= mine.history.count() <= 2
    DraftRevision.objects.update(bucket=1)
    drafts.save_draft(me, mine, save(mine, {"reason": "later"}))
    assert {point.payload["reason"] for point in mine.history.all()} == {"abc", "later"}


def test_a_save_based_on_an_older_text_changes_nothing_and_loses_nothing(user, me):
    mine = held(user)
    drafts.save_draft(me, mine, save(mine, {"reason": "from here"}))
    with pytest.raises(DraftMoved) as caught:
        drafts.save_draft(me, mine, save(mine, {"reason": "from there"}, revision=0))
    assert caught.value.assignment.draft == {"reason": "from here"}
    aside = {point.payload["reason"] for point in mine.history.filter(bucket=None)}
    assert aside == {"from there", "from here"}


def test_an_earlier_text_comes_back_and_the_present_one_is_kept(user, me):
    mine = held(user)
    drafts.save_draft(me, mine, save(mine, {"reason": "first"}))
    DraftRevision.objects.update(bucket=1)
    drafts.save_draft(me, mine, save(mine, {"reason": "second"}))
    point = DraftRevision.objects.get(bucket=1)
    drafts.restore(me, mine, point, token=mine.hold_token, revision=2)
    mine.refresh_from_db()
    assert (mine.draft, mine.draft_revision) == ({"reason": "first"}, 3)
    assert mine.history.filter(payload={"reason": "second"}).exists()


@pytest.mark.parametrize("payload", [None, [], "text", {"a": "x" * 2_100_000}])
def test_what_is_no_draft_is_refused(user, me, payload):
    mine = held(user)
    with pytest.raises(InvalidInput):
        drafts.save_draft(me, mine, save(mine, payload))


def test_nobody_works_longer_than_the_clock_has_run(user, me):
    mine = held(user)
    drafts.save_draft(me, mine, save(mine, active=5000, idle=5000))
    mine.refresh_from_db()
    assert mine.active_seconds + mine.idle_seconds < 10


def test_a_submission_carries_everything_about_it(user, me):
    mine = held(user)
    drafts.save_draft(me, mine, save(mine, {"reason": "so"}, inputs={"typed": 40, "pasted_elsewhere": 2}))
    done = hand_in(me, mine)
    assert (done.state, done.attempt, done.current) == ("submitted", 1, True)
    assert done.measures == {"choice": "0", "preference": 3, "mark_helpful": "0"}
    assert done.clauses == ["honest"]
    assert done.inputs == {"typed": 40, "pasted_elsewhere": 2}
    assert (done.guideline, done.display) == (mine.guideline, mine.display)
    mine.task.refresh_from_db()
    assert (mine.task.state, mine.task.live, mine.task.submitted) == ("done", 1, 1)
    assert Tally.objects.get(labeler=user).submitted == 1
    assert AuditEntry.objects.filter(verb="annotation.submit", target=done.reference, user=user).count() == 1


def test_the_same_key_again_gives_the_same_annotation(user, me):
    mine = held(user)
    first = hand_in(me, mine)
    again = hand_in(me, Assignment.objects.get(pk=mine.pk))
    assert again.pk == first.pk
    assert Annotation.objects.count() == 1


def test_what_is_not_finished_is_refused_field_by_field(user, me):
    mine = held(user)
    with pytest.raises(NotReady) as caught:
        hand_in(me, mine, {"marks": {"helpful": "maybe"}})
    assert [problem.path for problem in caught.value.problems] == ["grade", "marks.helpful", "reason"]
    assert not Annotation.objects.exists()


def test_a_submission_from_an_old_tab_is_refused(user, me):
    mine = held(user)
    drafts.save_draft(me, mine, save(mine, {"reason": "newer"}))
    with pytest.raises(DraftMoved):
        submissions.submit(me, mine, Handed(save(mine, revision=0), key="another-key"))
    assert not Annotation.objects.exists()


def test_a_submission_is_taken_back_within_a_minute(user, me):
    mine = held(user, has_quotas=True)
    Quota.objects.create(campaign=mine.campaign, target=5)
    done = hand_in(me, mine)
    assert Quota.objects.get().filled == 1
    submissions.undo(me, done)
    mine.refresh_from_db()
    mine.task.refresh_from_db()
    assert (mine.state, mine.draft["reason"]) == ("held", "It is right.")
    assert (mine.task.state, mine.task.live, mine.task.submitted) == ("open", 1, 0)
    assert (Tally.objects.get(labeler=user).submitted, Quota.objects.get().filled) == (0, 0)
    again = hand_in(me, mine, key="the-second-key")
    assert (again.attempt, again.current) == (2, True)


def test_after_a_minute_a_submission_stands(user, me):
    done = hand_in(me, held(user))
    Annotation.objects.update(submitted_at=timezone.now() - timedelta(seconds=61))
    assert list(Annotation.objects.settled()) == [done]
    with pytest.raises(Conflict, match="one minute"):
        submissions.undo(me, done)


def test_nobody_sees_a_submission_before_its_minute_has_passed(user, me):
    hand_in(me, held(user, review_rate=1))
    assert not Annotation.objects.settled().exists()
    assert not Annotation.objects.to_review().exists()


def test_reviews_are_drawn_at_their_rate(user, me):
    made = campaign(tasks=120, review_rate=0.25)
    join(made, user)
    drawn = 0
    for number in range(120):
        mine = claims.claim(me, made)
        drawn += hand_in(me, mine, key=f"key-number-{number}").reviews_wanted
    assert 12 <= drawn <= 50


def test_personal_data_is_shown_before_and_noted_after(user, me):
    mine = held(user)
    payload = {**GOOD, "reason": "Ask anna.larsen@hospital.no about it."}
    with pytest.raises(Noticed) as caught:
        hand_in(me, mine, payload)
    assert caught.value.findings[0]["passage"] == "anna.larsen@hospital.no"
    done = hand_in(me, mine, payload, noticed=True)
    assert [flag.kind for flag in done.flags.all()] == ["personal"]


def test_disagreement_is_measured_when_the_last_one_is_in(db):
    one, two = labelers(2)
    made = campaign(tasks=1, overlap=2)
    join(made, one, two)
    for user, grade in ((one, "0:3"), (two, "1:3")):
        mine = claims.claim(Actor(user=user), made)
        hand_in(Actor(user=user), mine, {**GOOD, "grade": grade}, key=f"key-of-{user.pk}-x")
    found = made.tasks.get()
    assert found.state == "done"
    assert found.disagreement > 0.5


def test_what_no_database_keeps_is_kept_without_it(client_for, people):
    made = campaign(tasks=2)
    join(made, people["labeler"])
    mine = claims.claim(Actor(user=people["labeler"]), made)
    client = client_for("labeler")
    body = f'{{"token": "{mine.hold_token}", "revision": 0, "payload": {{"reason": "a\\u0000b", "x": [NaN, 1e400]}}}}'
    answer = client.post(reverse("labeling:draft", args=[mine.pk]), body, content_type="application/json")
    assert answer.status_code == 200
    mine.refresh_from_db()
    assert mine.draft == {"reason": "ab", "x": [None, None]}
    client.post(reverse("labeling:skip", args=[mine.pk]), {"reason": "not\x00 mine"})
    mine.refresh_from_db()
    assert mine.reason == "not mine"


def test_taking_back_after_midnight_is_counted_on_the_day_before(user, me):
    mine = held(user)
    made = hand_in(me, mine)
    midnight = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    Annotation.objects.update(submitted_at=midnight - timedelta(seconds=10))
    Tally.objects.update(day=(midnight - timedelta(seconds=10)).date())
    made.refresh_from_db()
    with patch("django.utils.timezone.now", return_value=midnight + timedelta(seconds=20)):
        submissions.undo(me, made)
    (day,) = Tally.objects.all()
    assert (day.day, day.submitted) == ((midnight - timedelta(seconds=10)).date(), 0)
