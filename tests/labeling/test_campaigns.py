"""Campaigns, guidelines, rosters and work that changes hands."""

from decimal import Decimal

import pytest
from django.utils import timezone

from labeling import eligibility, pay
from labeling.actions import (
    announcements,
    campaigns,
    claims,
    drafts,
    exams,
    guidelines,
    handover,
    reviews,
    roster,
    rosterfiles,
    submissions,
)
from labeling.actions.drafts import Save
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Member, Profile, RosterInvite, Tally
from labeling.models.guidelines import GuidelineRead
from labeling.models.tasks import Assignment, Task
from tests.labeling.campaigns import campaign, guideline, join, task
from tests.labeling.test_protocol import GUIDE
from tests.labeling.work import earned, hand_in, label
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Invitation, Skill, User
from tilth.errors import Conflict, InvalidInput, PermissionDenied


@pytest.fixture
def lead(as_role):
    return as_role("lead")


def make(actor, **fields):
    values = {"name": "sky", "kind": "preference", "title": "Sky", "guideline": guideline(), **fields}
    return campaigns.create(actor, **values)


def test_a_campaign_is_made_by_a_lead_who_then_leads_it(lead, as_role):
    made = make(lead, overlap=3)
    assert (made.state, made.overlap, list(made.leads.all())) == ("draft", 3, [lead.user])
    assert made.schema["question"] == "Which answer is better?"
    with pytest.raises(Conflict, match="already"):
        make(lead)
    for role in ("labeler", "reviewer", "researcher"):
        with pytest.raises(PermissionDenied):
            make(as_role(role), name=role)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"name": "Not a name"}, "name"),
        ({"kind": "nothing"}, "kind"),
        ({"overlap": 0}, "overlap"),
        ({"review_rate": 1.5}, "review_rate"),
        ({"hold_minutes": 1}, "hold_minutes"),
        ({"schema": {"marks": [{"name": "two words", "title": "x"}]}}, "marks"),
        ({"schema": [1]}, "schema"),
        ({"schema": 7}, "schema"),
        ({"kind": "demonstration", "gold_rate": 0.1}, "gold_rate"),
    ],
)
def test_what_a_campaign_cannot_be_is_said_by_field(lead, fields, field):
    with pytest.raises(InvalidInput) as caught:
        make(lead, **fields)
    assert caught.value.field == field


def test_a_campaign_goes_live_when_it_has_what_it_needs(lead):
    made = make(lead, guideline=None)
    with pytest.raises(Conflict, match="guideline"):
        campaigns.move(lead, made, "live")
    guidelines.pin(lead, made, guideline())
    with pytest.raises(Conflict, match="Add tasks"):
        campaigns.move(lead, made, "live")
    task(made)
    assert campaigns.move(lead, made, "live").state == "live"
    with pytest.raises(Conflict, match="cannot become"):
        campaigns.move(lead, made, "pilot")
    campaigns.move(lead, made, "closed")
    assert campaigns.move(lead, made, "paused").state == "paused"


def test_a_pilot_needs_pilot_tasks(lead):
    made = make(lead)
    task(made)
    with pytest.raises(Conflict, match="pilot"):
        campaigns.move(lead, made, "pilot")
    task(made, role="pilot")
    assert campaigns.move(lead, made, "pilot").is_open


def test_only_its_leads_manage_a_campaign(lead, people):
    made = make(lead)
    other = Actor(user=User.objects.create(email="other@example.org", role="lead"))
    with pytest.raises(PermissionDenied, match="leads of"):
        campaigns.move(other, made, "live")
    campaigns.set_leads(lead, made, [lead.user, other.user])
    campaigns.edit(other, made, title="Ours")
    with pytest.raises(InvalidInput, match="needs a lead"):
        campaigns.set_leads(lead, made, [])
    with pytest.raises(InvalidInput, match="no lead"):
        campaigns.set_leads(lead, made, [people["labeler"]])


def test_overlap_rises_and_falls_with_its_tasks(lead, cast):
    made = campaign(tasks=2, overlap=2, lead=lead.user)
    join(made, *cast)
    label(cast[0], made)
    held = claims.claim(Actor(user=cast[1]), made, another=True)
    Assignment.objects.filter(pk=held.pk).update(task=Task.objects.get(position=2))
    campaigns.edit(lead, made, overlap=1)
    assert Task.objects.get(position=1).state == "done", "one submission is enough now"
    campaigns.edit(lead, made, overlap=3)
    first = Task.objects.get(position=1)
    assert (first.state, first.overlap) == ("open", 3)
    claims.claim(Actor(user=cast[1]), made, another=True)
    claims.claim(Actor(user=cast[2]), made, another=True)
    with pytest.raises(Conflict, match="more people"):
        campaigns.edit(lead, made, overlap=1)


def test_the_schema_stays_once_somebody_answered_under_it(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    campaigns.edit(lead, made, schema={**made.schema, "edit_winner": True})
    made.refresh_from_db()
    join(made, cast[0])
    label(cast[0], made)
    with pytest.raises(Conflict, match="start a new campaign"):
        campaigns.edit(lead, made, schema={**made.schema, "question": "Which is worse?"})


def test_a_copy_has_the_settings_and_nothing_else(lead):
    made = campaign(tasks=2, lead=lead.user, overlap=4)
    campaigns.set_quota(lead, made, topic="law", difficulty="", language="", target=9)
    copy = campaigns.duplicate(lead, made, name="sky-2")
    assert (copy.overlap, copy.schema, copy.tasks.count(), copy.state) == (4, made.schema, 0, "draft")
    assert copy.quotas.get().target == 9


def test_quotas_count_what_is_there(lead, cast):
    made = campaign(lead=lead.user)
    join(made, cast[0])
    task(made, topic="law")
    label(cast[0], made)
    quota = campaigns.set_quota(lead, made, topic="law", difficulty="", language="", target=5)
    assert quota.filled == 1
    assert campaigns.set_quota(lead, made, topic="law", difficulty="", language="", target=0) is None


# ---- eligibility


def test_everything_that_is_missing_is_said(cast, lead):
    skill, other = Skill.objects.create(name="Physics"), Skill.objects.create(name="Statistics")
    exam = exams.create(lead, name="stats", title="Statistics", kind="rating", skill=other)
    made = make(lead, languages=["de"], skills=[skill], exam=exam, consent="I agree.")
    assert eligibility.missing(cast[0], made)[0] == "Ask a lead to invite you to this campaign."
    roster.invite(lead, made, cast[0])
    assert eligibility.missing(cast[0], made)[0] == "Join this campaign first."
    roster.join(Actor(user=cast[0]), made, consented=True)
    told = " ".join(eligibility.missing(cast[0], made))
    assert "Physics" in told
    assert "exam" in told
    assert "de" in told
    cast[0].skills.add(skill, other)
    Profile.objects.create(user=cast[0], languages=["de", "en"])
    assert eligibility.missing(cast[0], made) == []
    Member.objects.update(weekly_minutes=10)
    Tally.objects.create(campaign=made, labeler=cast[0], day=eligibility.week_start(), active_seconds=601)
    assert "10 minutes" in eligibility.missing(cast[0], made)[0]


def test_consent_is_recorded_with_its_text_and_asked_for_again(cast, lead):
    made = make(lead, consent="I agree to A.", open_to_all=True)
    with pytest.raises(InvalidInput, match="agree"):
        roster.join(Actor(user=cast[0]), made, consented=False)
    member = roster.join(Actor(user=cast[0]), made, consented=True)
    assert member.consent_text == "I agree to A."
    campaigns.edit(lead, made, consent="I agree to A and B.")
    made.refresh_from_db()
    assert "taking part" in eligibility.missing(cast[0], made)[0]


# ---- roster


def test_people_are_invited_by_table_and_bad_lines_are_told(lead, cast, mailoutbox):
    made = make(lead)
    text = (
        "email,name,weekly_minutes,languages,expertise,region\n"
        f"{cast[0].email},A,120,en de,physics,Europe\nnew@example.org,B,,fr,law,Asia\nbroken,,,,,\n"
    )
    report = rosterfiles.invite_file(lead, made, text)
    assert (report.members, list(report.accounts), [n for n, _ in report.faults]) == (
        [cast[0].email],
        ["new@example.org"],
        [4],
    )
    assert Member.objects.get(user=cast[0]).weekly_minutes == 120
    assert Invitation.objects.get().role == "labeler"
    again = rosterfiles.invite_file(lead, made, text)
    assert (again.members, again.accounts, len(again.already)) == ([], {}, 2)
    arrived = User.objects.create(email="NEW@example.org")
    assert roster.claim_invites(arrived) == 1
    assert (Member.objects.get(user=arrived).state, Profile.objects.get(user=arrived).languages) == (
        "invited",
        ["fr"],
    )
    assert not RosterInvite.objects.exists()


def test_a_table_that_is_none_is_refused_with_its_line(lead):
    with pytest.raises(InvalidInput, match="Line 3 is no line of a table") as told:
        rosterfiles.invite_file(lead, campaign(lead=lead.user), f"email\na@b.org\n{'x' * 200_000}@b.org\n")
    assert told.value.field == "file"


def test_people_who_do_not_label_are_not_invited(lead, people):
    with pytest.raises(InvalidInput, match="researcher"):
        roster.invite(lead, make(lead), people["researcher"])


def test_a_paused_member_is_told_why_and_starts_afresh(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    member = join(made, cast[0])[0]
    with pytest.raises(InvalidInput, match="why"):
        roster.pause(lead, member, "")
    roster.pause(lead, member, "Holiday")
    assert "Holiday" in eligibility.missing(cast[0], made)[0]
    resumed = roster.resume(lead, member)
    assert (resumed.state, resumed.reason) == ("active", "")
    roster.leave(Actor(user=cast[0]), member)
    with pytest.raises(PermissionDenied):
        claims.claim(Actor(user=cast[0]), made)


def test_a_leavers_draft_goes_to_somebody_who_has_not_had_the_task(lead, cast):
    made = campaign(tasks=2, lead=lead.user)
    join(made, *cast)
    first, second = (claims.claim(Actor(user=cast[0]), made, another=True) for _ in range(2))
    drafts.save_draft(Actor(user=cast[0]), first, Save(first.hold_token, 0, {"reason": "half"}))
    Assignment.objects.create(
        task=second.task, campaign=made, labeler=cast[1], state="skipped", hold_until=second.hold_until
    )
    result = handover.end_many(lead, made, [first, second], reason="Leaves", receiver=cast[1])
    assert result.moved == 1
    assert "had this task before" in result.skipped[0]
    moved = Assignment.objects.get(task=first.task, labeler=cast[1])
    assert (moved.draft, moved.slot, moved.state) == ({"reason": "half"}, first.slot, "held")
    first.refresh_from_db()
    assert (first.state, first.slot, first.draft) == ("ended", None, {"reason": "half"})
    assert Task.objects.get(pk=first.task_id).live == 1


def test_tasks_are_reserved_and_given_back(lead, cast):
    made = campaign(tasks=5, lead=lead.user)
    join(made, *cast)
    assert handover.reserve(lead, made, cast[1], count=3) == 3
    assert claims.claim(Actor(user=cast[0]), made).task.reserved_for is None
    assert claims.claim(Actor(user=cast[1]), made).task.reserved_for == cast[1]
    assert handover.release(lead, made, cast[1]) == 2, "the reservation of what was taken is used up"
    handover.reserve(lead, made, cast[1], count=2)
    roster.leave(lead, made.members.get(user=cast[1]))
    assert not made.tasks.exclude(reserved_for=None).exists(), "a leaver keeps nothing from the others"
    with pytest.raises(InvalidInput, match="does not take part"):
        handover.reserve(lead, made, lead.user, count=1)


# ---- guidelines


def test_a_guideline_is_published_for_good_and_numbered(lead, as_role):
    made = guidelines.create(lead, name="help", title="Help", source="# Nothing yet")
    with pytest.raises(InvalidInput, match="Line 1"):
        guidelines.publish(lead, made, revision=0)
    saved = guidelines.save_draft(lead, made, GUIDE, revision=0)
    first = guidelines.publish(lead, saved, revision=1)
    assert (first.number, first.reference, len(first.clauses)) == (1, "guideline:help@1", 2)
    with pytest.raises(Conflict, match="Nothing has changed"):
        guidelines.publish(lead, saved, revision=1)
    saved = guidelines.save_draft(lead, saved, GUIDE.replace("Brief", "Very brief"), revision=1)
    with pytest.raises(InvalidInput, match="what changed"):
        guidelines.publish(lead, saved, revision=2)
    assert guidelines.publish(lead, saved, revision=2, note="Shorter.").number == 2
    with pytest.raises(PermissionDenied):
        guidelines.save_draft(as_role("reviewer"), saved, "x", revision=2)


def test_two_authors_never_overwrite_each_other(lead, as_role):
    made = guidelines.create(lead, name="help", title="Help")
    guidelines.save_draft(lead, made, "mine", revision=0)
    with pytest.raises(Conflict, match="meanwhile"):
        guidelines.save_draft(as_role("admin"), made, "theirs", revision=0)
    made.refresh_from_db()
    assert made.draft == "mine"


def test_reading_is_acknowledged_once(as_role):
    for _ in range(2):
        guidelines.acknowledge(as_role("labeler"), guideline())
    assert GuidelineRead.objects.count() == 1


def test_a_new_version_marks_and_returns_what_cites_changed_clauses(lead, cast):
    made = campaign(tasks=3, lead=lead.user)
    join(made, cast[0])
    cites = {"grade": "0:2", "reason": "x", "clauses": [{"id": "short"}]}
    stale = label(cast[0], made, cites)
    fresh = label(cast[0], made, {**cites, "clauses": [{"id": "honest"}]})
    changed = guideline(number=2)
    changed.clauses = [dict(clause) for clause in changed.clauses]
    changed.clauses[1]["body"] = "Two sentences."
    changed.save()
    moved = guidelines.pin(lead, made, changed, mark_stale=True, requeue=True)
    assert (moved.stale, moved.requeued) == (1, 1)
    stale.refresh_from_db()
    fresh.refresh_from_db()
    assert (stale.stale, stale.state, stale.assignment.state) == (True, "returned", "returned")
    assert (fresh.stale, fresh.state) == (False, "submitted")
    back = claims.claim(Actor(user=cast[0]), made)
    assert (back.pk, back.guideline, "guideline changed" in back.reason) == (
        stale.assignment_id,
        changed,
        True,
    )
    assert Task.objects.get(pk=back.task_id).live == 1


def _clause_changed():
    changed = guideline(number=2)
    changed.clauses = [changed.clauses[0], {**changed.clauses[1], "body": "Two sentences."}]
    changed.save()
    return changed


CITES = {"grade": "0:2", "reason": "x", "clauses": [{"id": "short"}]}


def test_what_a_new_version_gives_back_stays_paid_once_and_is_no_blot(lead, cast):
    made = campaign(tasks=2, lead=lead.user, pay_basis="task", pay_amount="2.00", review_rate=1.0)
    join(made, cast[0])
    today = timezone.now().date()
    accepted, disputed = label(cast[0], made, CITES), label(cast[0], made, CITES)
    reviews.decide(lead, accepted, reviews.Verdict("accept"))
    guidelines.pin(lead, made, _clause_changed(), mark_stale=True, requeue=True)
    assert earned(made, cast[0], today, today).tasks == 2
    assert pay.spent(made) == Decimal("4.00")
    assert Tally.objects.get(labeler=cast[0]).returned == 0
    again = [hand_in(cast[0], row.assignment, CITES) for row in (accepted, disputed)]
    assert earned(made, cast[0], today, today).tasks == 2, "handed in again it is not paid again"
    made.refresh_from_db()
    reviews.decide(lead, again[0], reviews.Verdict("return", note="No."))
    assert earned(made, cast[0], today, today).tasks == 1


def test_what_a_reviewer_returns_after_it_was_marked_is_unpaid_and_under_the_new_version(lead, cast):
    made = campaign(tasks=1, lead=lead.user, review_rate=1.0)
    join(made, cast[0])
    done, changed, today = label(cast[0], made, CITES), _clause_changed(), timezone.now().date()
    guidelines.pin(lead, made, changed, mark_stale=True)
    reviews.decide(lead, done, reviews.Verdict("return", note="Cite the new clause."))
    assert earned(made, cast[0], today, today).tasks == 0
    assert Assignment.objects.get().guideline == changed


def test_work_of_somebody_who_left_is_marked_but_not_given_back(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    (member,) = join(made, cast[0])
    done = label(cast[0], made, CITES)
    roster.leave(lead, member)
    moved = guidelines.pin(lead, made, _clause_changed(), mark_stale=True, requeue=True)
    done.refresh_from_db()
    assert (moved.stale, moved.requeued, done.stale, done.state) == (1, 0, True, "submitted")


def test_a_submission_taken_back_goes_on_under_the_version_of_now(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    join(made, cast[0])
    done, changed = label(cast[0], made, CITES), _clause_changed()
    Annotation.objects.filter(pk=done.pk).update(submitted_at=timezone.now())
    guidelines.pin(lead, made, changed)
    assert submissions.undo(Actor(user=cast[0]), done).guideline == changed


def test_every_change_is_audited(lead, cast):
    made = make(lead)
    task(made)
    campaigns.move(lead, made, "live")
    roster.invite(lead, made, cast[0])
    announcements.announce(lead, made, "Welcome")
    verbs = set(AuditEntry.objects.filter(user=lead.user).values_list("verb", flat=True))
    assert {"campaign.create", "campaign.move", "member.invite", "campaign.announce"} <= verbs


def test_annotations_name_the_guideline_they_were_made_by(lead, cast):
    made = campaign(tasks=1, lead=lead.user)
    join(made, cast[0])
    assert label(cast[0], made).guideline == made.guideline
    assert Annotation.objects.get().clauses == []
