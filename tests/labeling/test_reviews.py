"""Review, adjudication, flags and conversations."""

import json

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.actions import claims, flags, reviews, submissions, threads
from labeling.actions.drafts import Save
from labeling.actions.reviews import Verdict
from labeling.actions.submissions import Handed, NotReady
from labeling.models.annotations import Annotation, Flag, Review
from labeling.models.campaigns import Tally
from labeling.models.tasks import Task
from tests.conftest import BACKEND
from tests.labeling.campaigns import campaign, join
from tests.labeling.work import hand_in, label
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.errors import Conflict, InvalidInput, NotFound, PermissionDenied

SCORES = {"accuracy": 5, "completeness": 4, "clarity": 5, "guideline": 5}


@pytest.fixture
def reviewer(people):
    return Actor(user=people["reviewer"])


@pytest.fixture
def second(db):
    return Actor(user=User.objects.create(email="second@example.org", role=Role.REVIEWER))


def submitted(cast, kind="preference", **fields):
    made = campaign(kind, tasks=1, review_rate=1.0, **fields)
    join(made, *cast)
    return label(cast[0], made)


def test_the_oldest_waits_first_and_is_kept_for_one_reviewer(cast, reviewer, second):
    first, later = submitted(cast), submitted(cast)
    Annotation.objects.filter(pk=first.pk).update(submitted_at=later.submitted_at.replace(year=2020))
    assert reviews.claim(reviewer) == first
    assert reviews.claim(second) == later
    with pytest.raises(Conflict, match="Somebody else"):
        reviews.claim(second, annotation=first)
    reviews.release(reviewer, first)
    assert reviews.claim(second, annotation=first) == first


def test_what_one_reviewer_holds_another_does_not_decide_and_a_repeated_decision_says_so(
    cast, reviewer, second
):
    done = submitted(cast)
    reviews.claim(reviewer, annotation=done)
    with pytest.raises(Conflict, match="Somebody else") as taken:
        reviews.decide(second, done, Verdict("accept"))
    assert taken.value.code == "taken"
    reviews.decide(reviewer, done, Verdict("accept"))
    with pytest.raises(Conflict) as again:
        reviews.decide(reviewer, done, Verdict("accept"))
    assert again.value.code == "reviewed", "the page that repeats it after a lost answer goes on"


def test_a_submission_that_is_somebody_else_s_to_review_offers_nothing_that_cannot_be_done(
    cast, reviewer, second
):
    done = submitted(cast)
    reviews.claim(reviewer, annotation=done)
    pages = {}
    for actor in (reviewer, second):
        client = Client()
        client.force_login(actor.user, backend=BACKEND)
        pages[actor] = client.get(reverse("labeling:review_annotation", args=[done.pk])).content.decode()
    offers = ("Leave it to somebody else", "Comments on passages", 'id="verdict"')
    assert all(text in pages[reviewer] for text in offers)
    assert not any(text in pages[second] for text in offers)


def test_nobody_reviews_their_own_work(people, reviewer):
    made = campaign(tasks=1, review_rate=1.0)
    join(made, people["reviewer"])
    own = label(people["reviewer"], made)
    with pytest.raises(Conflict, match="Nothing waits"):
        reviews.claim(reviewer)
    with pytest.raises(PermissionDenied):
        reviews.decide(reviewer, own, Verdict("accept"))


def test_accepting_settles_the_work(cast, reviewer):
    done = submitted(cast)
    reviews.decide(reviewer, done, Verdict("accept", note="Good."))
    done.refresh_from_db()
    assert (done.state, done.assignment.state, done.reviews_wanted) == ("accepted", "accepted", 0)
    assert Tally.objects.get(labeler=cast[0]).accepted == 1
    with pytest.raises(Conflict):
        reviews.decide(reviewer, done, Verdict("accept"))


def test_returned_work_goes_back_to_its_labeler_with_the_slot_and_comes_again(cast, reviewer):
    done = submitted(cast, overlap=1)
    with pytest.raises(InvalidInput, match="what is wrong"):
        reviews.decide(reviewer, done, Verdict("return"))
    comment = {"path": "reason", "start": 0, "end": 5, "quote": "It is", "text": "Why?", "clause": "honest"}
    reviews.decide(reviewer, done, Verdict("return", comments=[comment], note="Say why."))
    task = Task.objects.get()
    assert (task.state, task.live, task.submitted) == ("open", 1, 0)
    back = claims.claim(Actor(user=cast[0]), done.campaign)
    assert (back.pk, back.state, back.draft, back.reason) == (
        done.assignment_id,
        "returned",
        done.payload,
        "Say why.",
    )
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(Actor(user=cast[1]), done.campaign)
    again = hand_in(cast[0], back, {**done.payload, "reason": "Light of short waves scatters most."})
    assert (again.attempt, again.reviews_wanted) == (2, 1)
    done.refresh_from_db()
    assert (done.current, done.state) == (False, "returned")
    reviews.decide(reviewer, again, Verdict("accept"))
    assert Task.objects.get().state == "done"


def test_rejected_work_frees_the_slot_for_somebody_else(cast, reviewer):
    done = submitted(cast)
    reviews.decide(reviewer, done, Verdict("reject", note="Copied."))
    task = Task.objects.get()
    assert (task.state, task.live, task.submitted) == ("open", 0, 0)
    assert claims.claim(Actor(user=cast[1]), done.campaign).task == task
    with pytest.raises(Conflict, match="no task left"):
        claims.claim(Actor(user=cast[0]), done.campaign)


def test_an_edit_by_the_reviewer_is_held_to_the_same_rules(cast, reviewer):
    done = submitted(cast)
    with pytest.raises(NotReady):
        reviews.decide(reviewer, done, Verdict("edit", payload={"grade": None}))
    reviews.decide(reviewer, done, Verdict("edit", payload={**done.payload, "grade": "0:1"}))
    done.refresh_from_db()
    assert (done.state, done.payload["grade"]) == ("accepted", "0:3"), "what the labeler wrote stays"
    assert Review.objects.get().payload["grade"] == "0:1"


def test_written_work_is_scored_twice_and_disagreeing_reviewers_leave_it_to_a_lead(
    cast, reviewer, second, as_role
):
    done = submitted(cast, "demonstration", reviews_each=2)
    with pytest.raises(InvalidInput, match="Score Accuracy"):
        reviews.decide(reviewer, done, Verdict("accept"))
    reviews.decide(reviewer, done, Verdict("accept", scores=SCORES))
    done.refresh_from_db()
    assert (done.state, done.reviews_wanted) == ("submitted", 1)
    assert not reviews.waiting(reviewer.user).exists(), "not the same reviewer twice"
    reviews.decide(second, done, Verdict("return", scores=SCORES, note="No."))
    done.refresh_from_db()
    assert (done.state, done.contested, done.reviews_wanted) == ("submitted", True, 1)
    third = Actor(user=User.objects.create(email="third@example.org", role=Role.REVIEWER))
    assert not reviews.waiting(third.user).exists()
    with pytest.raises(PermissionDenied, match="lead decides"):
        reviews.decide(third, done, Verdict("accept", scores=SCORES))
    reviews.decide(as_role("lead"), done, Verdict("accept", scores=SCORES))
    done.refresh_from_db()
    assert done.state == "accepted"


def test_a_second_reviewer_judges_without_the_first_ones_word_and_a_lead_reads_both(
    cast, reviewer, second, client_for
):
    done = submitted(cast, reviews_each=2)
    reviews.decide(reviewer, done, Verdict("return", note="The first one's word."))
    address = reverse("labeling:review_annotation", args=[done.pk])
    client = Client()
    client.force_login(second.user, backend="tilth.accounts.backends.AuthenticationBackend")
    assert "The first one" not in client.get(address).content.decode()
    reviews.decide(second, done, Verdict("accept", note="A second word."))
    page = client_for("lead").get(address).content.decode()
    assert "The first one" in page and "A second word" in page


def test_one_reviewer_who_returns_and_one_who_rejects_leave_it_to_a_lead(cast, reviewer, second):
    done = submitted(cast, reviews_each=2)
    reviews.decide(reviewer, done, Verdict("return", note="Say why."))
    reviews.decide(second, done, Verdict("reject", note="Copied."))
    done.refresh_from_db()
    assert (done.state, done.contested, done.reviews_wanted) == ("submitted", True, 1)


def test_what_was_taken_back_is_drawn_anew_and_not_reviewed_for_it(cast):
    made = campaign(tasks=1, review_rate=0.0)
    join(made, cast[0])
    done = label(cast[0], made)
    Annotation.objects.update(submitted_at=timezone.now())
    held = submissions.undo(Actor(user=cast[0]), done)
    again = hand_in(cast[0], held)
    assert (again.attempt, again.reviews_wanted) == (2, 0)


def test_whoever_writes_an_answer_to_a_task_does_not_review_the_others(cast, reviewer):
    made = campaign(tasks=1, overlap=2, review_rate=1.0)
    join(made, cast[0], reviewer.user)
    done = label(cast[0], made)
    held = claims.claim(reviewer, made)
    assert not reviews.waiting(reviewer.user).exists()
    hand_in(reviewer.user, held)
    assert list(reviews.waiting(reviewer.user)) == [done]


def test_what_was_asked_for_is_read_beside_the_next_attempt(cast, reviewer, client_for):
    done = submitted(cast)
    comment = {"path": "reason", "start": 0, "end": 2, "quote": "It", "text": "Which it?", "clause": ""}
    reviews.decide(reviewer, done, Verdict("return", comments=[comment], note="Say why."))
    again = hand_in(
        cast[0], claims.claim(Actor(user=cast[0]), done.campaign), {**done.payload, "reason": "x"}
    )
    page = client_for("reviewer").get(reverse("labeling:review_annotation", args=[again.pk])).content.decode()
    assert "Say why." in page and "Which it?" in page


def test_rejected_work_is_no_part_of_a_disagreement(cast, reviewer):
    done = submitted(cast, overlap=2)
    reviews.decide(reviewer, done, Verdict("reject", note="Copied."))
    for user in cast[1:]:
        label(user, done.campaign, {**done.payload, "grade": "1:3"})
    assert Task.objects.get().disagreement == 0


def test_nothing_is_decided_while_it_can_be_taken_back(cast, reviewer):
    done = submitted(cast)
    Annotation.objects.filter(pk=done.pk).update(submitted_at=done.submitted_at.replace(year=2999))
    with pytest.raises(Conflict):
        reviews.decide(reviewer, done, Verdict("accept"))


def test_adjudication_chooses_a_result_and_rejects_nobody(cast, reviewer):
    made = campaign(tasks=1, overlap=2)
    join(made, *cast)
    one = label(cast[0], made)
    two = label(cast[1], made, {**one.payload, "grade": "1:2"})
    task = Task.objects.get()
    assert task.disagreement
    with pytest.raises(InvalidInput, match="why"):
        reviews.adjudicate(reviewer, task, winner=two, note=" ")
    reviews.adjudicate(reviewer, task, winner=two, note="Clause honest.")
    one.refresh_from_db()
    two.refresh_from_db()
    assert (one.state, one.chosen, two.state, two.chosen) == ("adjudicated", False, "adjudicated", True)
    own = {**one.payload, "grade": "equal"}
    reviews.adjudicate(reviewer, task, winner=one, note="Neither.", payload=own)
    assert Review.objects.get(annotation=one).payload == own


def test_a_second_decision_does_not_silently_replace_the_first(cast, reviewer, second, people, client_for):
    made = campaign(tasks=1, overlap=2, lead=people["lead"])
    join(made, *cast)
    one = label(cast[0], made)
    two = label(cast[1], made, {**one.payload, "grade": "1:2"})
    task = Task.objects.get()
    address = reverse("labeling:task_adjudicate", args=[task.pk])
    assert 'id="verdict"' in client_for("reviewer").get(address).content.decode()
    reviews.adjudicate(second, task, winner=two, note="Clause honest.")
    for actor in (reviewer, Actor(user=people["lead"])):  # both read the page before there was a decision
        with pytest.raises(Conflict) as told:
            reviews.adjudicate(actor, task, winner=one, note="The first.")
        assert told.value.code == "decided"
        assert "answer 2" in told.value.message and "Clause honest." in told.value.message
        by = str(second.user) if actor is not reviewer else f"reviewer {second.user.pseudonym[:8]}"
        assert by in told.value.message, "by whom, as far as this person may know"
    page = client_for("reviewer").get(address).content.decode()
    assert "answer 2" in page and "lead can decide again" in page and 'id="verdict"' not in page
    with pytest.raises(PermissionDenied, match="only a lead"):
        seen = reviews.decision_mark(reviews.decision(reviews.adjudicable(task)))
        reviews.adjudicate(reviewer, task, winner=one, note="The first.", seen=seen)
    two.refresh_from_db()
    assert two.chosen and not Review.objects.filter(annotation=one).exists()
    answer = {"winner": str(one.pk), "note": "Rather the first.", "seen": seen}
    url = reverse("labeling:task_decide", args=[task.pk])
    assert client_for("lead").post(url, answer, content_type="application/json").status_code == 200
    one.refresh_from_db()
    assert one.chosen
    stale = client_for("admin").post(url, answer, content_type="application/json")
    assert stale.status_code == 409 and "Rather the first." in stale.json()["message"]


def test_a_decision_stands_beside_the_decider_s_own_review_and_beside_each_later_one(cast, reviewer):
    made = campaign(tasks=1, overlap=2, review_rate=1.0, reviews_each=2)
    join(made, *cast)
    one = label(cast[0], made)
    two = label(cast[1], made, {**one.payload, "grade": "1:2"})
    task = Task.objects.get()
    passage = {"path": "reason", "start": 0, "end": 2, "quote": "It", "text": "Say what it is"}
    reviews.decide(reviewer, two, Verdict("accept", comments=[passage], note="Well argued.", seconds=40))
    for _ in range(2):  # pressed twice
        reviews.adjudicate(reviewer, task, winner=two, note="Clause honest.")
    reviews.adjudicate(reviewer, task, winner=two, note="Clauses honest and short.")
    kept = [(r.decision, r.note, r.seconds, len(r.comments)) for r in two.reviews.all()]
    assert kept == [
        ("accept", "Well argued.", 40, 1),
        ("adjudicate", "Clause honest.", 0, 0),
        ("adjudicate", "Clauses honest and short.", 0, 0),
    ]
    assert reviews.decision(reviews.adjudicable(task)).note == "Clauses honest and short."


def test_a_text_edited_before_the_decision_is_the_result_of_it(cast, reviewer):
    made = campaign(tasks=1, overlap=2, review_rate=1.0)
    join(made, *cast)
    one = label(cast[0], made)
    label(cast[1], made, {**one.payload, "grade": "1:2"})
    own = {**one.payload, "reason": "As the reviewer puts it."}
    reviews.decide(reviewer, one, Verdict("edit", payload=own))
    reviews.adjudicate(reviewer, Task.objects.get(), winner=one, note="Clause honest.")
    assert reviews.edited(one) == own
    assert [r.decision for r in one.reviews.all()] == ["edit", "adjudicate"]


def test_whoever_works_on_a_task_neither_reads_its_answers_nor_decides_between_them(
    cast, reviewer, client_for
):
    made = campaign(tasks=1, overlap=2)
    join(made, cast[0], reviewer.user)
    one = label(cast[0], made)
    claims.claim(reviewer, made)
    with pytest.raises(PermissionDenied, match="annotated"):
        reviews.adjudicate(reviewer, one.task, winner=one, note="Mine is better.")
    page = client_for("reviewer").get(reverse("labeling:task_adjudicate", args=[one.task_id]))
    assert "work on this task yourself" in page.content.decode()
    assert one.payload["reason"] not in page.content.decode()


def test_an_appeal_can_turn_a_rejection_round(cast, reviewer, people):
    made = campaign(tasks=1, review_rate=1.0, lead=people["lead"])
    join(made, *cast)
    done = label(cast[0], made)
    reviews.decide(reviewer, done, Verdict("reject", note="Wrong."))
    thread = threads.appeal(Actor(user=cast[0]), done, "The guideline says otherwise, see clause honest.")
    with pytest.raises(Conflict, match="already"):
        threads.appeal(Actor(user=cast[0]), done, "again")
    with pytest.raises(NotFound):
        threads.find(cast[1], thread.pk)
    lead = Actor(user=people["lead"])
    reviews.reverse(lead, done, "The appeal is right.")
    done.refresh_from_db()
    task = Task.objects.get()
    assert (done.state, done.assignment.slot, task.live, task.submitted, task.state) == (
        "accepted",
        0,
        1,
        1,
        "done",
    )
    day = Tally.objects.get(labeler=cast[0])
    assert (day.submitted, day.accepted, day.rejected) == (1, 1, 0), "what was wrong is no part of the record"
    with pytest.raises(InvalidInput, match="decided"):
        threads.close(lead, thread)
    threads.close(lead, thread, "Accepted after all.")
    with pytest.raises(Conflict, match="closed"):
        threads.reply(Actor(user=cast[0]), thread, "Thank you")


def test_there_is_one_appeal_for_each_decision(cast, reviewer, people, client_for):
    done = submitted(cast, lead=people["lead"])
    me, lead = Actor(user=cast[0]), Actor(user=people["lead"])
    with pytest.raises(Conflict, match="returned or rejected"):
        threads.appeal(me, done, "It will be refused.")
    reviews.decide(reviewer, done, Verdict("return", note="Say why."))
    done.refresh_from_db()
    first = threads.appeal(me, done, "It says why.")
    threads.close(lead, first, "It does not.")
    with pytest.raises(Conflict, match="It does not") as told:
        threads.appeal(me, done, "It does!")
    assert told.value.code == "appeal_decided"
    with pytest.raises(PermissionDenied, match="only a lead"):
        threads.reopen(me, first)
    client = Client()
    client.force_login(cast[0], backend=BACKEND)
    page = client.get(reverse("labeling:thread", args=[first.pk])).content.decode()
    assert "one appeal for each decision" in page and "Reopen" not in page
    page = client.get(reverse("labeling:my_annotation", args=[done.pk])).content.decode()
    assert "It does not." in page and "Send the appeal" not in page
    assert threads.reopen(lead, first).open, "a lead may take it up again"
    again = hand_in(cast[0], claims.claim(me, done.campaign), {**done.payload, "reason": "Light."})
    reviews.decide(reviewer, again, Verdict("reject", note="Copied."))
    again.refresh_from_db()
    assert threads.appeal(me, again, "It is not."), "a new decision can be appealed"


def test_a_lead_does_not_turn_round_a_decision_on_their_own_work(people, reviewer):
    made = campaign(tasks=1, review_rate=1.0, lead=people["lead"])
    join(made, people["lead"])
    done = label(people["lead"], made)
    reviews.decide(reviewer, done, Verdict("reject", note="Wrong."))
    with pytest.raises(PermissionDenied, match="own work"):
        reviews.reverse(Actor(user=people["lead"]), done, "It was right.")


def test_a_question_cites_a_clause_and_keeps_the_task_held(cast, people):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, cast[0])
    held = claims.claim(Actor(user=cast[0]), made)
    with pytest.raises(InvalidInput, match="no clause"):
        threads.ask(Actor(user=cast[0]), held, topic="unclear", text="What?", clause="nothing")
    thread = threads.ask(Actor(user=cast[0]), held, topic="unclear", text="What is brief?", clause="short")
    assert (thread.clause, thread.guideline) == ("short", made.guideline)
    assert threads.reply(Actor(user=people["lead"]), thread, "Two sentences.").text == "Two sentences."
    held.refresh_from_db()
    assert held.state == "held"


def test_discussions_are_open_to_those_who_take_part(cast):
    made = campaign(tasks=1)
    join(made, cast[0], cast[1])
    thread = threads.discuss(Actor(user=cast[0]), made, text="Is this task clear?")
    assert threads.find(cast[1], thread.pk) == thread
    with pytest.raises(NotFound):
        threads.find(cast[2], thread.pk)
    with pytest.raises(PermissionDenied):
        threads.discuss(Actor(user=cast[2]), made, text="Let me in")


def test_a_task_is_discussed_by_those_who_have_answered_it(cast, people):
    made = campaign(tasks=1, overlap=3, lead=people["lead"])
    join(made, *cast)
    one = label(cast[0], made)
    held = claims.claim(Actor(user=cast[1]), made)
    thread = threads.discuss(Actor(user=cast[0]), made, text="The first is wrong, surely?", task=one.task)
    with pytest.raises(NotFound):
        threads.find(cast[1], thread.pk)
    with pytest.raises(PermissionDenied, match="own answer first"):
        threads.discuss(Actor(user=cast[1]), made, text="What did you choose?", task=one.task)
    hand_in(cast[1], held)
    assert threads.find(cast[1], thread.pk) == thread
    assert {threads.find(people[role], thread.pk) for role in ("lead", "reviewer")} == {thread}
    made.visibility = "always"
    made.save()
    assert threads.find(cast[2], thread.pk) == thread


def test_a_lead_who_labels_elsewhere_reads_the_discussions_there(cast, people):
    made = campaign(tasks=1)
    join(made, cast[0], people["lead"])
    thread = threads.discuss(Actor(user=cast[0]), made, text="Is this clear?")
    assert threads.find(people["lead"], thread.pk) == thread


def test_who_answers_for_the_campaign_is_told_from_other_labelers(cast, people, client_for):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, people["labeler"])
    thread = threads.discuss(Actor(user=people["labeler"]), made, text="Is this clear?")
    threads.reply(Actor(user=people["lead"]), thread, "Yes.")
    page = client_for("labeler").get(reverse("labeling:thread", args=[thread.pk])).content.decode()
    assert f"lead {people['lead'].pseudonym[:8]}" in page
    assert people["lead"].name not in page


def test_copied_pasted_and_chatbot_like_writing_is_flagged_for_a_person(
    cast, reviewer, broker, client_for, django_capture_on_commit_callbacks
):
    made = campaign("demonstration", tasks=2)
    join(made, *cast)
    text = (
        "Certainly! Here we delve into this intricate and pivotal question. It's important to note that the sky is a "
        "tapestry of scattered light, a testament to the nuanced realm of physics, showcasing how short waves travel. "
    ) * 2
    payload = {"messages": [*made.tasks.first().payload["messages"], {"role": "assistant", "content": text}]}
    with django_capture_on_commit_callbacks(execute=True):
        first = label(cast[0], made, payload, inputs={"typed": 10, "pasted_elsewhere": 500})
    with django_capture_on_commit_callbacks(execute=True):
        label(cast[1], made, payload)
    kinds = {(f.annotation.labeler_id, f.kind) for f in Flag.objects.select_related("annotation")}
    assert {(cast[0].pk, "pasted"), (cast[0].pk, "telltale"), (cast[1].pk, "repeated")} <= kinds
    first.refresh_from_db()
    assert first.state == "submitted", "flags never reject"
    flag = Flag.objects.filter(kind="pasted").get()
    flags.decide(reviewer, flag, "dismissed")
    with pytest.raises(Conflict):
        flags.decide(reviewer, flag, "confirmed")
    page = client_for("lead").get(reverse("labeling:flags", args=[made.pk])).content.decode()
    assert reverse("labeling:annotation", args=[first.pk]) in page, "what it is alike to can be looked at"
    decided = client_for("lead").get(reverse("labeling:flags", args=[made.pk]) + "?state=dismissed")
    assert "pasted_elsewhere 500" in decided.content.decode()


def test_what_was_taken_back_is_held_against_nobody(client_for, people, cast):
    made = campaign(tasks=1, lead=people["lead"])
    join(made, cast[0])
    held = claims.claim(Actor(user=cast[0]), made)
    text = {"grade": "0:2", "marks": {}, "reason": "Ask jane.roe@company.com.", "clauses": []}
    handed = Handed(Save(held.hold_token, 0, text), key="a-key-of-its-own", noticed=True)
    done = submissions.submit(Actor(user=cast[0]), held, handed)
    page = reverse("labeling:flags", args=[made.pk])
    assert "jane.roe@company.com" in client_for("lead").get(page).content.decode()
    submissions.undo(Actor(user=cast[0]), done)
    assert "jane.roe@company.com" not in client_for("lead").get(page).content.decode()
    assert not Flag.objects.open().exists()


def test_nobody_decides_on_what_was_noticed_in_their_own_work(reviewer, second):
    made = campaign(tasks=1)
    join(made, reviewer.user)
    done = label(reviewer.user, made)
    flag = Flag.objects.create(annotation=done, campaign=made, kind="pasted", message="80% were pasted.")
    with pytest.raises(PermissionDenied, match="own work"):
        flags.decide(reviewer, flag, "dismissed")
    assert flags.decide(second, flag, "dismissed").state == "dismissed"


def test_a_broker_that_is_away_costs_no_submission(cast, settings, django_capture_on_commit_callbacks):
    settings.REDIS_URL = "redis+socket:///nowhere/at/all.sock"
    made = campaign("demonstration", tasks=1)
    join(made, *cast)
    answer = {
        "role": "assistant",
        "content": "Light of short waves is scattered far more than that of long ones. " * 5,
    }
    payload = {"messages": [*made.tasks.first().payload["messages"], answer]}
    with django_capture_on_commit_callbacks(execute=True):
        assert label(cast[0], made, payload).state == "submitted"


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_never_get_the_same_submission(cast, people, second):
    from concurrent.futures import ThreadPoolExecutor

    made = campaign(tasks=6, review_rate=1.0)
    join(made, cast[0])
    for _ in range(6):
        label(cast[0], made)

    def take(actor):
        try:
            return [reviews.claim(actor).pk, reviews.release, actor]
        finally:
            connection.close()

    actors = [Actor(user=people["reviewer"]), second, Actor(user=people["lead"]), Actor(user=people["admin"])]
    with ThreadPoolExecutor(4) as pool:
        taken = [found[0] for found in pool.map(take, actors)]
    assert len(set(taken)) == 4


def test_labelers_read_why_another_answer_was_chosen_and_nothing_else_of_it(cast, reviewer):
    made = campaign(tasks=1, overlap=2, review_rate=1.0)
    join(made, *cast)
    one = label(cast[0], made)
    two = label(cast[1], made, {**one.payload, "grade": "1:2"})
    passage = {"path": "reason", "start": 0, "end": 2, "quote": "It", "text": "A remark on the other answer"}
    reviews.decide(reviewer, two, Verdict("accept", comments=[passage]))
    reviews.adjudicate(reviewer, Task.objects.get(), winner=two, note="Clause honest decides.")
    pages = []
    for user, done in ((cast[0], one), (cast[1], two)):
        client = Client()
        client.force_login(user, backend="tilth.accounts.backends.AuthenticationBackend")
        pages.append(client.get(reverse("labeling:my_annotation", args=[done.pk])).content.decode())
    lost, won = pages
    assert "Clause honest decides." in lost and "another was chosen" in lost
    assert "A remark on the other answer" not in lost
    assert "yours was chosen" in won


@pytest.mark.parametrize("kind", ["preference", "edit", "demonstration", "rating", "conversation"])
def test_what_a_reviewer_made_of_an_answer_is_shown_beside_it(kind, cast, reviewer, client_for):
    made = campaign(kind, tasks=1, review_rate=1.0)
    join(made, *cast)
    done = label(cast[0], made)
    text = "A word that only the reviewer wrote"
    answer = {**done.payload, "reason": text, "comment": text, "text": text}
    if kind == "demonstration":
        answer["messages"] = [*done.payload["messages"][:-1], {"role": "assistant", "content": text}]
    reviews.decide(reviewer, done, Verdict("edit", payload=answer, scores=SCORES))
    client = Client()
    client.force_login(cast[0], backend="tilth.accounts.backends.AuthenticationBackend")
    for page in (
        client.get(reverse("labeling:my_annotation", args=[done.pk])),
        client_for("admin").get(reverse("labeling:annotation", args=[done.pk])),
    ):
        assert "As it was accepted" in page.content.decode()
        assert text in page.content.decode()


def test_reviewers_pages_name_answers_by_letter_too(cast, client_for):
    made = campaign(tasks=1, overlap=2, review_rate=1.0)
    join(made, *cast[:2])
    one = label(cast[0], made, {"grade": "0:3", "reason": "It is right."})
    two = label(cast[1], made, {"grade": "1:2", "reason": "It is not."})
    Annotation.objects.filter(pk=one.pk).update(display={"order": [1, 0]})
    Annotation.objects.filter(pk=two.pk).update(display={"order": [0, 1]})
    client = client_for("reviewer")
    page = client.get(reverse("labeling:review_annotation", args=[one.pk]))
    assert json.loads(page.context["editable"])["payload"]["grade"] == "B:3"
    verdict = {"decision": "edit", "payload": {"grade": "A:1", "reason": "The other, slightly."}}
    address = reverse("labeling:review_decide", args=[one.pk])
    assert client.post(address, json.dumps(verdict), content_type="application/json").status_code == 200
    assert Review.objects.get().payload["grade"] == "1:1"
    page = client_for("lead").get(reverse("labeling:task_adjudicate", args=[one.task_id]))
    read = json.loads(page.context["editable"])["payloads"]
    assert [read[str(row.pk)]["grade"] for row in (one, two)] == ["A:1", "A:2"], (
        "all in the order of the first"
    )
    own = {"winner": str(two.pk), "note": "So.", "payload": {"grade": "B:3", "reason": "Mine."}}
    Annotation.objects.filter(pk=one.pk).update(state="rejected")  # the first is gone: A stays what it was
    address = reverse("labeling:task_decide", args=[one.task_id])
    assert (
        client_for("lead").post(address, json.dumps(own), content_type="application/json").status_code == 200
    )
    assert Review.objects.get(annotation=two).payload["grade"] == "0:3"
