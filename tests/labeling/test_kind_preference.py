"""The preference kind: what keeps an edited winner back, whole conversations, and payloads no page sends."""

import pytest

from labeling.protocol.kind import Answer, Submission, TaskView
from labeling.protocol.kinds.preference import KIND

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
        (payload(edited=" Scattering. "), "unchanged"),
        (payload("equal", edited="Better."), "no better answer"),
        (payload("both_bad", edited="Better."), "no better answer"),
    ],
)
def test_an_edited_winner_needs_a_winner_and_a_change(given, complaint):
    (problem,) = KIND.check(given, TASK, FULL)
    assert (problem.path, complaint in problem.message) == ("edited", True)


def test_an_edited_winner_counts_only_where_it_is_asked_for():
    given = payload(edited="Rayleigh scattering.")
    assert KIND.check(given, TASK, FULL) == []
    assert len(rows("preferences", given)) == 2
    assert rows("conversations", given)[0]["messages"][-1]["content"] == "Rayleigh scattering."
    plain = KIND.default_schema()
    assert len(rows("preferences", given, schema=plain)) == 1
    assert rows("conversations", given, schema=plain) == []
    assert KIND.view(TASK, FULL)["editable"] is True
    assert KIND.view(TASK, plain)["editable"] is False


def test_conversations_that_begin_alike_are_published_from_where_they_part():
    (pair,) = rows("preferences", payload("1:1", edited="So!"), WHOLE)
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


@pytest.mark.parametrize("odd", [True, 7, "x", [["x"]], {"helpful": ["0"]}, {"helpful": {"a": 1}}])
def test_payloads_that_no_page_sends_are_refused_or_passed_over(odd):
    for name in ("grade", "marks", "reason", "clauses", "edited"):
        given = payload(**{name: odd}) if name != "grade" else payload(odd)
        if not KIND.check(given, TASK, FULL):
            assert set(KIND.measure(given, TASK, FULL)) <= {"choice", "preference"}
            KIND.facts(given, TASK, FULL)
            KIND.texts(given)
