"""The preference kind: what keeps an edited winner back, whole conversations, and payloads no page sends."""

import pytest

from labeling.protocol.kind import Answer, Submission, TaskView
from labeling.protocol.kinds.preference import KIND
from labeling.protocol.letters import from_page, to_page

FULL = KIND.check_schema({**KIND.default_schema(), "edit_winner": True})
PROMPT = {"messages": [{"role": "user", "content": "Why is the sky blue?"}]}


def turns(*texts):
    roles = ("user", "assistant")
    return [{"role": roles[n % 2], "content": text} for n, text in enumerate(texts)]


def answers(first="Scattering.", second="The sea."):
    texts = (first, second)
    return [Answer(n, [{"role": "assistant", "content": t}], f"m{n}") for n, t in enumerate(texts)]


TASK = TaskView(PROMPT, answers(), (1, 0))
WHOLE = TaskView(
    {"messages": [], "system": "Be kind."},
    [Answer(0, turns("Hi", "Hello.", "Bye", "See you.")), Answer(1, turns("Hi", "Hello.", "Why?", "So."))],
    (0, 1),
)


def payload(grade="0:2", **more):
    return {"grade": grade, "marks": {}, "reason": "Right.", **more}


def rows(kind, given, task=TASK, schema=FULL):
    return KIND.rows(kind, Submission("u", task, given, schema, "key", {}))


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (payload(edited={"0": " Scattering. "}), "unchanged"),
        (payload("equal", edited={"0": "Better."}), "no better answer"),
        (payload("both_bad", edited={"0": "Better.", "1": " "}), "no better answer"),
    ],
)
def test_an_edited_winner_needs_a_winner_and_a_change(given, complaint):
    (problem,) = KIND.check(given, TASK, FULL)
    assert (problem.path, complaint in problem.message) == ("edited.B", True), (
        "by its letter: it stands on the right"
    )


def test_an_edited_winner_counts_only_where_it_is_asked_for():
    given = payload(edited={"0": "Rayleigh scattering."})
    assert KIND.check(given, TASK, FULL) == []
    assert len(rows("preferences", given)) == 2
    assert rows("conversations", given)[0]["messages"][-1]["content"] == "Rayleigh scattering."
    plain = KIND.default_schema()
    assert len(rows("preferences", given, schema=plain)) == 1
    assert rows("conversations", given, schema=plain) == []
    assert KIND.view(TASK, FULL)["editable"] is True
    assert KIND.view(TASK, plain)["editable"] is False


def test_conversations_that_begin_alike_are_published_from_where_they_part():
    (pair,) = rows("preferences", payload("1:1", edited={"1": "So!"}), WHOLE)
    assert [m["content"] for m in pair["prompt"]] == ["Be kind.", "Hi", "Hello."]
    assert [m["content"] for m in pair["chosen"]] == ["Why?", "So."]
    assert [m["content"] for m in pair["rejected"]] == ["Bye", "See you."]
    assert KIND.view(WHOLE, FULL)["editable"] is False, "one text cannot stand for a conversation"


def test_one_conversation_that_goes_on_after_the_other_leaves_neither_empty():
    task = TaskView(
        {"messages": []}, [Answer(0, turns("Hi", "Hello.")), Answer(1, turns("Hi", "Hello.", "?", "!"))]
    )
    (pair,) = rows("preferences", payload("0:1"), task)
    assert [m["content"] for m in pair["chosen"]] == ["Hello."]
    assert [m["content"] for m in pair["rejected"]] == ["Hello.", "?", "!"]


def test_marks_of_criteria_that_the_schema_has_not_are_passed_over():
    given = payload(marks={"helpful": "1", "truthful": "na", "left over": "0", "harmless": None})
    assert KIND.measure(given, TASK, FULL) == {"choice": "0", "preference": 2, "mark_helpful": "1"}
    assert [title for title, _ in KIND.facts(given, TASK, FULL)] == ["Grade", "More helpful", "More truthful"]


@pytest.mark.parametrize(
    "odd", [True, 7, "x", [["x"]], {"helpful": ["0"]}, {"helpful": {"a": 1}}, {"0": ["x"]}]
)
def test_payloads_that_no_page_sends_are_refused_or_passed_over(odd):
    for name in ("grade", "marks", "reason", "clauses", "edited"):
        given = payload(**{name: odd}) if name != "grade" else payload(odd)
        if not KIND.check(given, TASK, FULL):
            assert set(KIND.measure(given, TASK, FULL)) <= {"choice", "preference"}
            KIND.facts(given, TASK, FULL)
            KIND.texts(given)
        from_page(KIND, given, TASK.order)


def test_an_edit_belongs_to_its_answer_and_counts_only_while_that_one_is_better():
    edits = {"0": "Rayleigh scattering.", "1": "The sea, they say."}
    for grade, winner in (("0:2", "0"), ("1:2", "1")):
        given = payload(grade, edited=edits)
        assert KIND.check(given, TASK, FULL) == []
        pair, improved = rows("preferences", given)
        assert improved["chosen"][0]["content"] == edits[winner]
        assert (
            improved["rejected"]
            == pair["chosen"]
            == [{"role": "assistant", "content": TASK.candidates[int(winner)].text}]
        )
        assert rows("conversations", given)[0]["messages"][-1]["content"] == edits[winner]
    changed_sides = payload("1:2", edited={"0": "Rayleigh scattering.", "1": ""})
    assert len(rows("preferences", changed_sides)) == 1, "nothing of the loser's edit is published"
    assert [text.path for text in KIND.texts(given)] == ["reason", "edited.0", "edited.1"], (
        "both are safeguarded"
    )


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_pages_name_answers_by_letter_and_the_way_there_and_back_changes_nothing(order):
    task = TaskView(PROMPT, answers(), order)
    marks = {"helpful": "0", "truthful": "1", "harmless": "equal", "verbosity": "na", "late": None}
    for grade in ("0:3", "1:1", "equal", "both_bad", None):
        stored = payload(grade, marks=marks, edited={"0": "Of the first.", "1": "Of the second."})
        page = to_page(KIND, stored, order)
        assert from_page(KIND, page, order) == stored
        left, right = ("first", "second") if order == (0, 1) else ("second", "first")
        assert page["edited"] == {"A": f"Of the {left}.", "B": f"Of the {right}."}
        assert page["marks"]["helpful"] == ("A" if order == (0, 1) else "B")
    assert from_page(
        KIND, KIND.blank(task, FULL) | to_page(KIND, KIND.blank(task, FULL), order), order
    ) == KIND.blank(task, FULL)


def test_the_page_is_the_same_whichever_answer_is_stored_first():
    one = TaskView(PROMPT, answers("Scattering.", "The sea."), (1, 0))
    other = TaskView(PROMPT, answers("The sea.", "Scattering."), (0, 1))
    views = [KIND.view(task, FULL) for task in (one, other)]
    texts = [[(side.pop("letter"), side.pop("answer").text) for side in view["sides"]] for view in views]
    assert texts[0] == texts[1] and views[0] == views[1]
    given = {"grade": "A:2", "marks": {"helpful": "B"}, "edited": {"A": "Of the sea.", "B": ""}}
    facts = [KIND.facts(from_page(KIND, given, task.order), task, FULL) for task in (one, other)]
    assert facts[0] == facts[1] == [("Grade", "A is better"), ("More helpful", "B")]


def test_a_stored_position_sent_by_hand_names_nothing():
    """Else somebody could send one, load the page again and read which letter it became."""
    sent = {"grade": "0:3", "marks": {"helpful": "1"}, "edited": {"0": "Better."}}
    assert from_page(KIND, sent, (1, 0)) == {"grade": None, "marks": {"helpful": None}, "edited": {}}
