"""Exams: made by leads, sat by people who do not know the answers; passing grants a skill."""

import json

import pytest
from django.urls import reverse

from labeling.actions import exams, sittings
from labeling.models.quality import Exam, ExamAttempt
from labeling.protocol.registry import kind_of
from tests.labeling.campaigns import campaign, task
from tilth.accounts.actors import Actor
from tilth.accounts.models import AuditEntry, Role, Skill
from tilth.errors import Conflict, InvalidInput, PermissionDenied

ROWS = [{"prompt": "Why?", "response_a": "So.", "response_b": "Thus.", "gold": gold} for gold in ("a", "b")]
TOLD = "the-known-answer-says"


def said(grade):
    return {"grade": grade, "marks": {}, "reason": "It is right.", "clauses": []}


@pytest.fixture
def lead(as_role):
    return as_role("lead")


@pytest.fixture
def exam(lead):
    made = exams.create(
        lead,
        name="compare",
        title="Compare",
        kind="preference",
        skill=Skill.objects.create(name="Comparing"),
        attempts=2,
        pass_mark=0.6,
    )
    return exams.set_items(lead, made, ROWS)


@pytest.fixture
def me(cast):
    return Actor(user=cast[0])


def sit(me, exam, *grades):
    attempt = sittings.begin(me, exam)
    for number, grade in enumerate(grades):
        sittings.answer(me, attempt, number, said(grade))
    return sittings.hand_in(me, attempt)


def test_an_exam_grants_its_skill(lead, me, exam):
    with pytest.raises(InvalidInput, match="row 1 has no known answer"):
        exams.set_items(lead, exam, [{**ROWS[0], "gold": ""}])
    attempt = sittings.begin(me, exam)
    assert sittings.begin(me, exam) == attempt
    done = sit(me, exam, "0:2", "0:2")
    assert done == attempt
    assert (done.score, done.passed, me.user.skills.exists()) == (0.5, False, False)
    assert sittings.hand_in(me, attempt).finished_at == done.finished_at
    assert sit(me, exam, "0:2", "1:1").passed
    assert list(me.user.skills.all()) == [exam.skill]
    with pytest.raises(Conflict, match="passed"):
        sittings.begin(me, exam)
    with pytest.raises(Conflict, match="sat this exam"):
        exams.set_items(lead, exam, ROWS)


def test_whoever_lost_the_skill_may_show_it_again(me, exam):
    assert sit(me, exam, "0:2", "1:2").passed
    me.user.skills.clear()
    assert sittings.begin(me, exam).number == 2


def test_written_work_has_no_exam(lead):
    with pytest.raises(InvalidInput, match="Written"):
        exams.create(lead, name="x", title="x", kind="demonstration", skill=Skill.objects.create(name="s"))


def test_an_exam_put_away_can_still_be_finished_but_not_begun(lead, me, exam, cast):
    attempt = sittings.begin(me, exam)
    exams.archive(lead, exam)
    assert sittings.begin(me, exam) == attempt
    with pytest.raises(Conflict, match="cannot be taken"):
        sittings.begin(Actor(user=cast[1]), exam)


def test_an_exam_for_a_campaign_asks_as_the_campaign_does(client_for, people):
    points = {"name": "depth", "title": "Depth", "help": "", "points": "1: Shallow\n2: Deep"}
    made = campaign("rating", lead=people["lead"], schema={"criteria": [points]})
    task(made, role="gold", gold={"scores": {"depth": 2}})
    client, skill = client_for("lead"), Skill.objects.create(name="Depth")
    fields = {"title": "Depth", "name": "depth", "skill": skill.pk, "pass_mark": 0.8, "attempts": 2}
    refused = client.post(reverse("labeling:exam_new"), fields)
    assert "Choose a campaign or a kind." in refused.content.decode()
    client.post(reverse("labeling:exam_new"), {**fields, "like": made.pk})
    exam = Exam.objects.get()
    assert (exam.kind, exam.schema["criteria"], exam.guideline) == ("rating", [points], made.guideline)
    client.post(reverse("labeling:exam_items", args=[exam.pk]), {"campaign": made.pk})
    assert [item["gold"] for item in Exam.objects.get().items] == [{"scores": {"depth": 2}}]
    client.post(reverse("labeling:exam_new"), {**fields, "name": "plain", "kind": "preference"})
    assert Exam.objects.get(name="plain").guideline is None


# ---- what counts as an answer


@pytest.mark.parametrize("blank", [None, {}, {"grade": None, "reason": ""}, {"grade": "2:9", "reason": "x"}])
def test_a_blank_answer_is_none(me, exam, blank):
    attempt = sittings.begin(me, exam)
    sittings.answer(me, attempt, 0, said("0:2"))
    if blank is not None:
        sittings.answer(me, attempt, 1, blank)
    with pytest.raises(InvalidInput, match="Question 2 is not answered yet"):
        sittings.hand_in(me, attempt)
    assert ExamAttempt.objects.get().finished_at is None


def test_every_question_without_an_answer_is_named(me, exam):
    with pytest.raises(InvalidInput, match="Questions 1 and 2 are not answered yet"):
        sittings.hand_in(me, sittings.begin(me, exam))


def test_handing_in_too_early_leads_to_the_first_question_without_an_answer(client_for, people, exam):
    client, me = client_for("labeler"), Actor(user=people["labeler"])
    attempt = sittings.begin(me, exam)
    sittings.answer(me, attempt, 0, said("0:1"))
    sittings.answer(me, attempt, 1, {"grade": None, "reason": "I forgot to choose."})
    address = reverse("labeling:exam_question", args=[exam.pk, 1])
    answer = client.post(reverse("labeling:exam_finish", args=[exam.pk]), follow=True)
    assert answer.redirect_chain == [(address, 302)]
    page = answer.content.decode()
    assert "Question 2 is not answered yet." in page
    assert "Say which answer is better" in page
    assert "1 of 2 answered" in page


# ---- nobody learns the answers


def test_the_right_answer_stands_on_no_particular_side(lead, cast, exam):
    orders = {
        exams.view_of(exam, 0, sittings.begin(Actor(user=user), exam)).order
        for user in [*cast, *_more_people(12)]
    }
    assert orders == {(0, 1), (1, 0)}
    attempt = ExamAttempt.objects.first()
    assert exams.view_of(exam, 0, attempt).order == exams.view_of(exam, 0, attempt).order


def _more_people(count):
    model = ExamAttempt._meta.get_field("user").related_model
    return [
        model.objects.create(email=f"more{n}@example.org", name=f"More {n}", role="labeler")
        for n in range(count)
    ]


KNOWN = {
    "preference": {"grade": "0:2", "reason": TOLD, "marks": {"helpful": TOLD}},
    "rating": {"scores": {"quality": 4}, "comment": TOLD},
    "conversation": {"outcome": "yes", "comment": TOLD, "turns": {"1": {"mark": "bad", "comment": TOLD}}},
}


@pytest.mark.parametrize("kind", KNOWN)
def test_whoever_sits_an_exam_is_sent_no_known_answer(client_for, people, kind):
    sample = task(campaign(kind))
    answers = [{"messages": a.messages, "model": "hidden-model"} for a in sample.candidates.all()]
    made = Exam.objects.create(
        name="e",
        title="Exam",
        kind=kind,
        schema=kind_of(kind).default_schema(),
        skill=Skill.objects.create(name="S"),
        items=[{"payload": sample.payload, "answers": answers, "gold": KNOWN[kind]}] * 2,
    )
    client = client_for("labeler")
    sent = [client.get(reverse("labeling:exam_sit", args=[made.pk]))]
    sent.append(client.post(reverse("labeling:exam_sit", args=[made.pk]), follow=True))
    for number in (0, 1):
        where = [made.pk, number]
        sent.append(client.get(reverse("labeling:exam_question", args=where)))
        body = json.dumps({"payload": {"comment": "mine"}})
        sent.append(
            client.post(reverse("labeling:exam_answer", args=where), body, content_type="application/json")
        )
        sent.append(client.get(reverse("labeling:exam_question", args=where)))
    sent.append(client.post(reverse("labeling:exam_finish", args=[made.pk]), follow=True))
    assert {answer.status_code for answer in sent} == {200}
    for answer in sent:
        words = answer.content.decode()
        assert TOLD not in words
        assert "hidden-model" not in words
        assert "gold" not in words.lower()
        assert " checked" not in words or kind == "preference"  # its “Scroll in step”
    for name in ("exam", "exam_answers", "exams"):
        address = reverse(f"labeling:{name}", args=[] if name == "exams" else [made.pk])
        method = client.post if name == "exam_answers" else client.get
        assert method(address).status_code == 403


@pytest.mark.parametrize("role", ["lead", "admin"])
def test_who_may_look_up_answers_cannot_sit(client_for, people, exam, role):
    with pytest.raises(Conflict, match="cannot sit") as refused:
        sittings.begin(Actor(user=people[role]), exam)
    assert refused.value.code == "knows_answers"
    page = client_for(role).get(reverse("labeling:exam_sit", args=[exam.pk])).content.decode()
    assert "you may look up the answers" in page
    assert "Begin" not in page


def test_answers_are_shown_on_request_and_who_looked_cannot_sit_later(client_for, people, exam):
    client, person = client_for("lead"), people["lead"]
    Exam.objects.get().seen_by.clear()
    assert "0:2" not in client.get(reverse("labeling:exam", args=[exam.pk])).content.decode()
    person.role = Role.LABELER
    person.save()
    assert sittings.why_not(person, exam) == ""
    person.role = Role.LEAD
    person.save()
    assert "0:2" in client.post(reverse("labeling:exam_answers", args=[exam.pk])).content.decode()
    assert AuditEntry.objects.filter(verb="exam.reveal", user=person).exists()
    person.role = Role.LABELER
    person.save()
    with pytest.raises(Conflict, match="You have seen the answers"):
        sittings.begin(Actor(user=person), exam)


def test_who_is_shown_the_answers_on_the_way_cannot_go_on(people, exam):
    person = people["labeler"]
    me = Actor(user=person)
    attempt = sittings.begin(me, exam)
    person.role = Role.LEAD
    person.save()
    for act in (lambda: sittings.answer(me, attempt, 0, said("0:2")), lambda: sittings.hand_in(me, attempt)):
        with pytest.raises(Conflict, match="cannot sit"):
            act()


def test_who_typed_the_questions_knows_the_answers(lead, exam):
    assert list(exam.seen_by.all()) == [lead.user]


# ---- attempts


def test_a_lead_gives_another_attempt_when_all_are_used(lead, me, exam, as_role):
    sit(me, exam, "1:2", "0:2")
    with pytest.raises(Conflict, match="attempt left"):
        sittings.grant(lead, exam, me.user)
    sit(me, exam, "1:2", "0:2")
    with pytest.raises(Conflict, match="all 2 attempts; a lead can give"):
        sittings.begin(me, exam)
    with pytest.raises(PermissionDenied):
        sittings.grant(as_role("reviewer"), exam, me.user)
    assert sittings.grant(lead, exam, me.user) == 3
    assert AuditEntry.objects.get(verb="exam.grant").data["labeler"] == me.user.pseudonym
    with pytest.raises(Conflict, match="attempt left"):
        sittings.grant(lead, exam, me.user)
    assert sit(me, exam, "0:2", "1:2").passed
    with pytest.raises(Conflict, match="has passed"):
        sittings.grant(lead, exam, me.user)


def test_the_button_for_another_attempt_stands_where_attempts_are_listed(client_for, people, exam):
    me = Actor(user=people["labeler"])
    for _ in range(2):
        last = sit(me, exam, "1:2", "0:2")
    lead, labeler = client_for("lead"), client_for("labeler")
    address = reverse("labeling:exam_grant", args=[last.pk])
    sitting = reverse("labeling:exam_sit", args=[exam.pk])
    assert "No attempt left" in labeler.get(sitting).content.decode()
    page = lead.get(reverse("labeling:exam", args=[exam.pk])).content.decode()
    assert page.count("Give another attempt") == 1
    assert f'action="{address}"' in page
    told = lead.post(address, follow=True).content.decode()
    assert "One more attempt is given: 3 in all." in told
    assert "Give another attempt" not in told
    assert "1 attempt left" in labeler.get(sitting).content.decode()
    assert (
        "Give another attempt"
        not in client_for("researcher").get(reverse("labeling:exam", args=[exam.pk])).content.decode()
    )


def test_a_question_names_its_answers_by_letter(client_for, exam):
    client = client_for("labeler")
    client.post(reverse("labeling:exam_sit", args=[exam.pk]))
    attempt = exam.sittings.get()
    kept = set()
    for number in range(len(exam.items)):
        left = exams.view_of(exam, number, attempt).order[0]
        address = reverse("labeling:exam_answer", args=[exam.pk, number])
        body = {"payload": {"grade": "A:2", "reason": "It is right."}}
        assert client.post(address, json.dumps(body), content_type="application/json").status_code == 200
        attempt.refresh_from_db()
        assert attempt.answers[str(number)]["grade"] == f"{left}:2"
        page = client.get(reverse("labeling:exam_question", args=[exam.pk, number]))
        assert json.loads(page.context["payload_json"])["grade"] == "A:2"
        kept.add(left)
    beyond = reverse("labeling:exam_answer", args=[exam.pk, len(exam.items)])
    assert client.post(beyond, "{}", content_type="application/json").status_code == 404
