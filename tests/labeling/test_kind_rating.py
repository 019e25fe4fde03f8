"""The rating kind: what is rated, what cannot be judged, and payloads no page sends."""

import pytest

from labeling.protocol.kind import Answer, TaskView
from labeling.protocol.kinds.rating import KIND, rated_text
from labeling.protocol.messages import cited
from tilth.errors import InvalidInput

FULL = KIND.default_schema()
TASK = TaskView({"messages": [], "text": "A text about wheat."})
MESSAGES = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


@pytest.mark.parametrize(
    ("task", "text"),
    [
        (TASK, "A text about wheat."),
        (TaskView({"messages": MESSAGES}), "Hello."),
        (TaskView({"messages": MESSAGES[:1]}, [Answer(0, MESSAGES[1:])]), "Hello."),
        (TaskView({"messages": [], "document": {"text": "A page.", "html": "<p>A page."}}), "A page."),
    ],
)
def test_texts_conversations_answers_and_documents_are_rated(task, text):
    assert KIND.check_task(task.payload, task.candidates)
    assert rated_text(task) == text


def test_a_task_has_something_to_rate():
    for given in ({}, {"text": ""}, {"document": {"text": " ", "html": "<p>"}}, {"document": "x"}):
        with pytest.raises(InvalidInput):
            KIND.check_task(given, [])


def test_what_cannot_be_judged_has_no_score():
    given = {"scores": {"quality": 4}, "cannot": {"quality": True}}
    assert KIND.check(given, TASK, FULL) == []
    assert KIND.measure(given, TASK, FULL) == {}
    strict = {**FULL, "allow_cannot_judge": False}
    assert KIND.check({"scores": {}, "cannot": {"quality": True}}, TASK, strict)


def test_points_are_finite_numbers():
    criterion = {"name": "a", "title": "A", "help": ""}
    for points in ("nan: a\n2: b", "1: a\ninf: b"):
        with pytest.raises(InvalidInput, match="point"):
            KIND.check_schema({"criteria": [{**criterion, "points": points}]})


@pytest.mark.parametrize(
    "odd", [True, 7, "x", [["x"]], {"quality": True}, {"quality": [4]}, {"quality": "4"}]
)
def test_payloads_that_no_page_sends_are_refused_or_passed_over(odd):
    assert KIND.check({"scores": odd}, TASK, FULL)
    given = {"scores": {"quality": 4}, "cannot": odd, "comment": odd, "clauses": odd}
    assert KIND.check(given, TASK, FULL) == []
    assert KIND.facts(given, TASK, FULL)
    assert cited({"clauses": odd}) == []


def test_citations_are_ids():
    assert cited({"clauses": [{"id": "honest"}, {"id": ""}, {"id": ["x"]}, "x", None]}) == ["honest"]
