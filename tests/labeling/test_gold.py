"""Tasks with known answers: nobody can tell which they are; too few right pauses new claims, and can be appealed."""

import json
import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling import desk, gold
from labeling.actions import claims, drafts, roster, submissions, tasks, threads
from labeling.actions.drafts import Save
from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign, Member
from labeling.models.tasks import Assignment
from labeling.protocol.letters import to_page
from labeling.protocol.registry import kind_of
from labeling.queue import gold_due
from tests.labeling.campaigns import campaign, join, task
from tests.labeling.test_kinds import GOOD
from tests.labeling.work import label
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry
from tilth.errors import Conflict, PermissionDenied

RIGHT, WRONG = {"grade": "0:3"}, {"grade": "1:3"}


@pytest.fixture
def lead(as_role):
    return as_role("lead")


@pytest.fixture
def user(cast):
    return cast[0]


def with_known(lead, *people, known=RIGHT, count=12, **fields):
    """A campaign of tasks whose answers are all known."""
    made = campaign(lead=lead.user, **{"gold_rate": 1.0, "gold_floor": 0.7, "gold_minimum": 3, **fields})
    join(made, *people)
    for _ in range(count):
        task(made, role="gold", gold=known)
    return made


def answer(user, made, count):
    return [label(user, made) for _ in range(count)]


# ---- the floor


def test_below_the_floor_new_claims_pause_at_the_next_look_and_say_why(lead, user):
    made = with_known(lead, user, known=WRONG)
    answer(user, made, gold.LOOKS)
    assert Member.objects.get().state == "active"
    with pytest.raises(PermissionDenied, match="Of your last 5 of them 0% agreed with it; 70% is asked for"):
        claims.claim(Actor(user=user), made)
    member = Member.objects.get()
    assert (member.state, "appeal" in member.reason) == ("paused", True)
    assert AuditEntry.objects.get(verb="member.pause").data["share"] == 0
    with pytest.raises(PermissionDenied, match="paused"):
        claims.prefetch(Actor(user=user), made)


def test_a_pause_never_comes_with_the_submission_of_a_known_answer(lead, user):
    made = with_known(lead, user, known=WRONG, gold_minimum=1)
    for _ in range(gold.LOOKS):
        answer(user, made, 1)
        assert Member.objects.get().state == "active"


def test_held_tasks_go_on_while_new_ones_pause(lead, user):
    made, me = with_known(lead, user, known=WRONG), Actor(user=user)
    answer(user, made, 3)
    kept = claims.claim(me, made)
    other = claims.claim(me, made, another=True)
    with pytest.raises(PermissionDenied):
        claims.claim(me, made, another=True)
    for held in (kept, other):
        drafts.save_draft(me, held, Save(held.hold_token, 0, {"reason": "so far"}))
    with pytest.raises(PermissionDenied):
        claims.claim(me, made)
    for held in (kept, other):
        handed = submissions.Handed(Save(held.hold_token, 1, GOOD["preference"]), key=f"key-of-{held.pk}")
        assert submissions.submit(me, held, handed).pk


@pytest.mark.parametrize("fields", [{"known": RIGHT}, {"known": WRONG, "gold_minimum": 6}])
def test_above_the_floor_or_before_enough_were_met_nothing_changes(lead, user, fields):
    made = with_known(lead, user, **fields)
    answer(user, made, gold.LOOKS)
    assert claims.claim(Actor(user=user), made)
    assert Member.objects.get().state == "active"


def test_what_is_taken_back_or_answered_again_counts_as_it_stands(lead, user):
    made, me = with_known(lead, user), Actor(user=user)
    held = claims.claim(me, made)
    wrong = {**GOOD["preference"], "grade": "1:3"}
    first = submissions.submit(me, held, submissions.Handed(Save(held.hold_token, 0, wrong), key="first-key"))
    assert gold.by_labeler(made)[user.pk].value == 0
    submissions.undo(me, first)
    assert gold.by_labeler(made) == {}
    held.refresh_from_db()
    save = Save(held.hold_token, held.draft_revision, GOOD["preference"])
    submissions.submit(me, held, submissions.Handed(save, key="second-key"))
    assert (gold.by_labeler(made)[user.pk].total, gold.by_labeler(made)[user.pk].value) == (1, 1.0)


def test_the_newest_answers_count_not_a_long_good_record(lead, user, monkeypatch):
    monkeypatch.setattr(gold, "NEWEST", 3)
    made = with_known(lead, user, count=7)
    answer(user, made, 7)
    for row in Annotation.objects.order_by("-submitted_at")[:3]:
        Annotation.objects.filter(pk=row.pk).update(gold_score=0.0)
    assert gold.below_floor(Member.objects.get()) == (3, 0.0)


def test_a_corrected_or_withdrawn_known_answer_counts_anew_for_everybody(lead, cast):
    made = with_known(lead, *cast, known=WRONG, count=2)
    for user in cast:
        answer(user, made, 2)
    assert {s.value for s in gold.by_labeler(made).values()} == {0}
    one, other = made.tasks.order_by("position")
    tasks.set_gold(lead, one, "a")
    assert {s.value for s in gold.by_labeler(made).values()} == {0.5}
    tasks.withdraw(lead, made, made.tasks.filter(pk=other.pk))
    assert {(s.total, s.value) for s in gold.by_labeler(made).values()} == {(1, 1.0)}


# ---- pauses are lifted by somebody else


def paused(lead, user, **fields):
    made = with_known(lead, user, known=WRONG, **fields)
    answer(user, made, gold.LOOKS)
    with pytest.raises(PermissionDenied):
        claims.claim(Actor(user=user), made)
    return made


def test_a_lifted_pause_begins_the_record_anew(lead, user):
    made = paused(lead, user)
    now = timezone.now()
    Annotation.objects.update(submitted_at=now - timedelta(hours=2))
    assert roster.resume(lead, Member.objects.get()).gold_since >= now
    Member.objects.update(gold_since=now - timedelta(hours=1))
    answer(user, made, gold.LOOKS - 1)
    assert gold.record(Member.objects.get()).count() == gold.LOOKS - 1
    assert gold.by_labeler(made)[user.pk].total == 2 * gold.LOOKS - 1


def test_leaving_and_coming_back_lifts_no_pause(lead, user):
    made = paused(lead, user, open_to_all=True)
    me = Actor(user=user)
    roster.leave(me, Member.objects.get())
    assert roster.join(me, made, consented=False).state == "paused"
    roster.leave(me, Member.objects.get())
    roster.invite(lead, made, user)
    assert roster.join(me, made, consented=False).state == "paused"
    roster.resume(lead, Member.objects.get())
    assert claims.claim(me, made)


def test_nobody_lifts_their_own_pause(lead):
    paused(lead, lead.user)
    with pytest.raises(PermissionDenied, match="own pause"):
        roster.resume(lead, Member.objects.get())


def test_an_appeal_leads_the_lead_to_every_known_answer_and_the_labeler_to_none(client_for, people, lead):
    user = people["labeler"]
    made = paused(lead, user)
    labeler, leads = client_for("labeler"), client_for("lead")
    home = leads.get("/").content.decode()
    record = reverse("labeling:known_answers", args=[Member.objects.get().pk])
    assert record in home
    assert "0% agreed with it" in labeler.get(reverse("labeling:work")).content.decode()
    told = labeler.post(
        reverse("labeling:appeal_pause", args=[made.pk]), {"text": "I followed the clause."}, follow=True
    )
    assert record not in told.content.decode()
    thread = threads.visible(user).get()
    assert (thread.task, thread.annotation) == (None, None)
    assert record in leads.get(reverse("labeling:thread", args=[thread.pk])).content.decode()
    member = Member.objects.get()
    threads.close(lead, thread, "Clause short says otherwise.")
    with pytest.raises(Conflict, match="Clause short says otherwise"):  # one appeal for each pause
        threads.appeal_pause(Actor(user=user), member, "Again!")
    page = leads.get(record).content.decode()
    assert page.count("Answered") == 1
    for number in range(1, gold.LOOKS + 1):
        assert f"Task {number}</a>" in page
    assert "Resume new tasks" in page
    assert labeler.get(record).status_code == 403
    assert client_for("researcher").get(record).status_code == 403


# ---- nobody can tell which they are


def as_seen(client, user, made):
    """Everything that a labeler is sent about one task, from the offer to their submission."""
    sent = [client.get(reverse("labeling:offer", args=[made.pk]))]
    sent.append(post(client, "prefetch", {}, made.pk))
    held = Assignment.objects.get(labeler=user, campaign=made, state="held")
    sent.append(client.get(reverse("labeling:assignment", args=[held.pk])))
    payload = to_page(kind_of(made.kind), GOOD["preference"], held.display["order"])
    save = {"token": held.hold_token, "revision": 0, "payload": payload, "inputs": {"typed": 9}}
    sent.append(post(client, "draft", save, held.pk))
    sent.append(client.get(reverse("labeling:work")))
    sent.append(client.get(reverse("labeling:history", args=[held.pk])))
    body = {**save, "revision": 1, "key": f"key-of-{held.pk}", "next": False}
    sent.append(post(client, "submit", body, held.pk))
    done = Annotation.objects.get(assignment=held)
    sent.append(client.get(reverse("labeling:my_annotation", args=[done.pk])))
    sent.append(client.get(f"{reverse('labeling:work')}?done={done.pk}"))
    sent.append(client.get("/"))
    assert {answer.status_code for answer in sent} == {200}
    return [_without_numbers(answer.content.decode()) for answer in sent]


def post(client, name, body, pk):
    return client.post(
        reverse(f"labeling:{name}", args=[pk]), json.dumps(body), content_type="application/json"
    )


def _without_numbers(text):
    """Ids, tokens and times differ from task to task anyway."""
    return re.sub(r"[\w-]{32,}|\d+", "#", text)


def test_a_known_answer_looks_like_any_other_task_to_its_labeler(client_for, people, monkeypatch):
    monkeypatch.setattr("labeling.display.random.SystemRandom.shuffle", lambda self, order: None)
    user, seen = people["labeler"], []
    for role in ("normal", "gold"):
        # The same campaign twice, in which the one task left has a known answer or has none.
        Campaign.objects.update(state="closed")
        made = campaign(gold_rate=1.0, review_rate=1.0, title="Sky", name="sky-" + role)
        join(made, user)
        task(made, role=role, gold={**RIGHT, "reason": "known-to-leads"} if role == "gold" else None)
        client = client_for("labeler")
        words = [text.replace("sky-" + role, "sky") for text in as_seen(client, user, made)]
        assert not [text for text in words if "known-to-leads" in text or re.search(r"\bgold\b", text, re.I)]
        seen.append(words)
    for ordinary, known in zip(*seen, strict=True):
        assert known == ordinary


def test_a_tasks_place_in_the_campaign_is_not_shown_to_its_labeler(client_for, people):
    """Known answers are often imported together: ordinary work at 1, 2, 3 and then at 41,807 tells."""
    user, lead = people["labeler"], people["lead"]
    made = campaign(gold_rate=1.0, visibility="always", lead=lead)
    join(made, user)
    task(made, role="gold", gold=RIGHT)
    made.tasks.update(position=41_807)
    me, client = Actor(user=user), client_for("labeler")
    held = claims.claim(me, made)
    drafts.save_draft(me, held, Save(held.hold_token, 0, {"reason": "so far"}))
    thread = threads.ask(me, held, topic="help", text="What is meant?")
    pages = [reverse("labeling:work"), "/", reverse("labeling:assignment", args=[held.pk])]
    pages += [reverse("labeling:threads"), reverse("labeling:thread", args=[thread.pk])]
    pages += [reverse("labeling:others", args=[held.task_id])]
    seen = [client.get(page).content.decode() for page in pages]
    held.refresh_from_db()
    save = Save(held.hold_token, 1, GOOD["preference"])
    done = submissions.submit(me, held, submissions.Handed(save, key="a-key-of-its-own"))
    seen.append(client.get(reverse("labeling:my_annotation", args=[done.pk])).content.decode())
    assert not [text for text in seen if re.search(r"41[,.]?807", text)]
    assert "41807" in client_for("lead").get(reverse("labeling:thread", args=[thread.pk])).content.decode()


def test_no_more_answers_of_others_are_shown_than_to_any_other_task(client_for, people, cast):
    made = campaign(gold_rate=1.0, visibility="after", overlap=2)
    join(made, people["labeler"], *cast)
    task(made, role="gold", gold=RIGHT)
    for user in [*cast, people["labeler"]]:
        done = label(user, made)
    page = client_for("labeler").get(reverse("labeling:others", args=[done.task_id])).content.decode()
    assert page.count("<h2>Answer ") == 1


def test_declining_offers_does_not_use_up_the_known_answers(user):
    made = campaign(tasks=30, gold_rate=0.2)
    join(made, user)
    for _ in range(30):
        task(made, role="gold", gold=RIGHT)
    for _ in range(30):
        claims.decline(Actor(user=user), desk.offer(user, made).task)
    declined = Assignment.objects.filter(labeler=user, task__role="gold").count()
    assert declined == sum(gold_due(user, made, number) for number in range(30))


def test_known_answers_are_reviewed_like_everything_else(user):
    made = campaign(gold_rate=1.0, review_rate=1.0)
    join(made, user)
    task(made, role="gold", gold=RIGHT)
    task(made)
    assert [label(user, made).reviews_wanted for _ in range(2)] == [1, 1]


def test_a_pilot_counts_against_nobody(user):
    made = campaign(state="pilot", gold_rate=1.0, gold_minimum=1)
    join(made, user)
    task(made, role="pilot", gold=WRONG)
    assert label(user, made).gold_score == 0
    assert gold.by_labeler(made) == {}
    assert gold.below_floor(Member.objects.get()) is None
