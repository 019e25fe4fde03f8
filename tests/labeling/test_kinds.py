"""The kinds of tasks: their contract, and what each makes of an answer."""

import json
from pathlib import Path

import pytest
from django.template.loader import get_template
from hypothesis import given
from hypothesis import strategies as st

from labeling.protocol import letters, messages
from labeling.protocol.kind import Answer, Submission, TaskView
from labeling.protocol.registry import all_kinds, collisions, kind_of
from labeling.protocol.sources import check_sources
from tests.labeling.campaigns import ANSWERS, PAYLOADS
from tilth.datasets.schemas import row_id, schema
from tilth.errors import InvalidInput

STATIC = Path(__file__).resolve().parents[2] / "labeling" / "static"
KINDS = sorted(all_kinds())


def view(name, order=(), payload=None, answers=None):
    texts = ANSWERS.get(name, []) if answers is None else answers
    found = [
        Answer(n, [{"role": "assistant", "content": text}], f"model-{n}") for n, text in enumerate(texts)
    ]
    return TaskView(PAYLOADS[name] if payload is None else payload, found, order or tuple(range(len(found))))


def submission(name, payload, task=None, **changes):
    made = {**kind_of(name).default_schema(), **changes}
    return Submission("u", task or view(name), payload, kind_of(name).check_schema(made), "key", {})


GOOD = {
    "preference": {"grade": "0:3", "marks": {"helpful": "0"}, "reason": "It is right."},
    "rating": {"scores": {"quality": 4}},
    "demonstration": {
        "messages": [*PAYLOADS["demonstration"]["messages"], {"role": "assistant", "content": "Scattering."}]
    },
    "edit": {"text": "Because the blue light is scattered more.", "reasons": ["Wrong"]},
    "conversation": {"outcome": "yes", "turns": {"1": {"mark": "good"}}},
}


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_keeps_the_contract(name):
    kind = kind_of(name)
    assert name in GOOD, "a new kind needs a good answer here"
    full = kind.check_schema(kind.default_schema())
    assert full == kind.default_schema(), "the default schema is complete and valid"
    with pytest.raises(InvalidInput):
        kind.check_schema({"no such entry": 1})
    assert collisions(kind, full) == []
    task = view(name)
    assert kind.check_task(task.payload, task.candidates)
    assert kind.check(kind.blank(task, full), task, full), "nothing can be submitted untouched"
    assert kind.check(GOOD[name], task, full) == []
    known = {measure.name for measure in kind.measures(full)}
    assert set(kind.measure(GOOD[name], task, full)) <= known
    json.dumps([kind.blank(task, full), kind.measure(GOOD[name], task, full)])
    get_template(kind.template)
    get_template(kind.answer_template)
    assert not kind.module or (STATIC / kind.script).exists()
    assert kind.closed == (kind.score is not None) == (kind.read_gold is not None)
    if kind.score:
        assert kind.score(GOOD[name], GOOD[name], full) == 1


WORDS = st.sampled_from(["role", "content", "mark", "bad", "alternative", "url", "1", "7", "zz", "quality"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | WORDS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_payloads_that_no_page_sends_are_refused_or_carried_through(name, data):
    """Whatever a hand-made request holds: problems are told, or everything that comes later works."""
    kind, task = kind_of(name), view(name)
    full = kind.check_schema(kind.default_schema())
    fields = sorted({*kind.blank(task, full), *GOOD[name]})
    payload = {**GOOD[name], data.draw(st.sampled_from(fields)): data.draw(JSON)}
    problems = kind.check(payload, task, full)
    kind.texts(payload)
    messages.cited(payload)
    if problems:
        return
    json.dumps([kind.measure(payload, task, full), kind.facts(payload, task, full)])
    if kind.score:
        assert 0 <= kind.score(payload, GOOD[name], full) <= 1
    for dataset_kind in kind.publishes:
        kind.rows(dataset_kind, submission(name, payload))


@pytest.mark.parametrize("url", ["http://[", "https://[::1", "http://a b.org", "ftp://x.org", "sky"])
def test_what_is_no_address_is_said(url):
    (problem,) = check_sources([{"url": url}])
    assert problem.path == "sources.0.url"


def test_turns_that_are_not_there_cannot_be_judged():
    full = kind_of("conversation").default_schema()
    for turn in ("0", "9", "zz"):
        payload = {"outcome": "yes", "turns": {turn: {"mark": "good"}}}
        (problem,) = kind_of("conversation").check(payload, view("conversation"), full)
        assert problem.path == "turns"


@pytest.mark.parametrize(("name", "kind"), [(n, k) for n in KINDS for k in kind_of(n).publishes])
def test_what_a_kind_publishes_fits_the_schema(name, kind):
    payload = {
        **GOOD[name],
        "edited": {"0": "Better."},
        "turns": {"1": {"mark": "bad", "alternative": "When?"}},
    }
    payload = {k: v for k, v in payload.items() if k in GOOD[name] or k == "edited" and name == "preference"}
    if name == "conversation":
        payload["turns"] = {"1": {"mark": "bad", "alternative": "For how many, and when?"}}
    asked = {"edit_winner": True} if name == "preference" else {}
    rows = kind_of(name).rows(kind, submission(name, payload, **asked))
    assert rows
    table = schema(kind).table([{**row, "id": row_id(n)} for n, row in enumerate(rows)])
    assert table.num_rows == len(rows)


def test_a_preference_speaks_of_answers_not_of_sides():
    kind, full = kind_of("preference"), kind_of("preference").default_schema()
    turned = view("preference", order=(1, 0))
    grades = {row["key"]: row["value"] for row in kind.view(turned, full)["grades"]}
    assert (grades["1"], grades["7"], grades["0"]) == ("A:3", "B:3", "both_bad")
    assert letters.from_page(kind, {"grade": grades["1"]}, turned.order) == {"grade": "1:3"}
    assert kind.facts({"grade": "1:3"}, turned, full) == [("Grade", "A is significantly better")]
    assert kind.measure({"grade": "1:2", "marks": {}}, turned, full)["preference"] == -2
    assert "preference" not in kind.measure({"grade": "both_bad"}, turned, full)


def test_a_preference_publishes_the_winner_with_its_strength_and_models():
    pair = kind_of("preference").rows("preferences", submission("preference", GOOD["preference"]))[0]
    assert pair["chosen"][0]["content"] == ANSWERS["preference"][0]
    assert (pair["strength"], pair["chosen_model"], pair["rejected_model"]) == (3, "model-0", "model-1")
    for grade in ("equal", "both_bad"):
        payload = {**GOOD["preference"], "grade": grade}
        assert kind_of("preference").rows("preferences", submission("preference", payload)) == []
    tie = kind_of("preference").rows(
        "battles", submission("preference", {**GOOD["preference"], "grade": "equal"})
    )
    assert tie[0]["winner"] == "tie"


def test_an_edited_winner_is_better_than_the_winner():
    payload = {**GOOD["preference"], "edited": {"0": "Because of Rayleigh scattering of short waves."}}
    made = submission("preference", payload, edit_winner=True)
    first, second = kind_of("preference").rows("preferences", made)
    assert second["rejected"] == first["chosen"]
    assert second["chosen"][0]["content"] == payload["edited"]["0"]


@pytest.mark.parametrize(
    ("gold", "mine", "points"),
    [
        ("0:3", "0:1", 1),
        ("0:1", "equal", 0.5),
        ("0:3", "equal", 0),
        ("0:2", "1:2", 0),
        ("both_bad", "both_bad", 1),
    ],
)
def test_a_preference_is_scored_against_the_known_answer(gold, mine, points):
    assert kind_of("preference").score({"grade": mine}, {"grade": gold}, {}) == points


def test_comparisons_need_two_different_answers():
    kind = kind_of("preference")
    for answers in ([], ["one"], ["one", "one"], ["one", " "]):
        task = view("preference", answers=answers)
        with pytest.raises(InvalidInput):
            kind.check_task(task.payload, task.candidates)


@pytest.mark.parametrize(
    "points",
    [
        "1: Only one",
        "1: a\n1: b",
        "2: a\n1: b",
        "one: a\n2: b",
        "1 a\n2 b",
        "\n".join(f"{n}: x" for n in range(12)),
    ],
)
def test_rubrics_have_two_to_nine_rising_points(points):
    criterion = {"name": "a", "title": "A", "help": "", "points": points}
    with pytest.raises(InvalidInput, match="criteria"):
        kind_of("rating").check_schema({"criteria": [criterion]})


def test_a_rating_publishes_one_row_a_criterion_on_its_own_scale():
    points = "0: No\n10: Yes"
    criteria = [{"name": n, "title": n, "help": "", "points": points} for n in ("facts", "style")]
    payload = {"scores": {"facts": 10, "style": 0}, "cannot": {"style": True}}
    rows = kind_of("rating").rows("ratings", submission("rating", payload, criteria=criteria))
    assert [(r["criterion"], r["score"], r["scale"]["maximum"]) for r in rows] == [("facts", 10.0, 10.0)]
    assert rows[0]["text"] == "A text about wheat."


def test_a_rating_is_scored_by_closeness():
    kind = kind_of("rating")
    full = kind.default_schema()
    assert kind.score({"scores": {"quality": 4}}, {"scores": {"quality": 5}}, full) == 0.75
    assert kind.score({"scores": {}}, {"scores": {"quality": 5}}, full) == 0
    assert kind.read_gold("3", full) == {"scores": {"quality": 3}}
    with pytest.raises(ValueError, match="no point"):
        kind.read_gold(7, full)


@pytest.mark.parametrize(
    ("turns", "complaint"),
    [
        ([("user", "Why is the sky blue?"), ("assistant", " ")], "empty"),
        ([("user", "Why is the sky blue?")], "last turn"),
        ([("user", "Why is the sky blue?"), ("user", "Hm?"), ("assistant", "So.")], "take turns"),
        ([("user", "Why is grass green?"), ("assistant", "So.")], "prompt was changed"),
        ([("user", "Why is the sky blue?"), ("system", "Be kind"), ("assistant", "So.")], "only stand first"),
    ],
)
def test_a_demonstration_is_held_to_its_form(turns, complaint):
    kind = kind_of("demonstration")
    payload = {"messages": [{"role": role, "content": text} for role, text in turns]}
    problems = kind.check(payload, view("demonstration"), kind.default_schema())
    assert any(complaint in problem.message for problem in problems), problems


SYSTEM, TOOL = {"role": "system", "content": "Be kind."}, {"role": "tool", "content": ""}
ASKED, CALLED = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": ""}
ANSWERED = {"role": "assistant", "content": "So."}


@pytest.mark.parametrize(
    ("prompt", "written", "allowed"),
    [
        ([ASKED], [SYSTEM, ASKED, ANSWERED], True),
        ([SYSTEM, ASKED], [SYSTEM, ASKED, ANSWERED], False),
        ([ASKED, CALLED, TOOL], [ASKED, CALLED, TOOL, ANSWERED], True),
        ([ASKED, ANSWERED], [ASKED, ANSWERED, ASKED, ANSWERED], True),
    ],
)
def test_a_prompt_of_any_form_can_be_gone_on_from(prompt, written, allowed):
    kind, task = kind_of("demonstration"), view("demonstration", payload={"messages": prompt})
    full = {**kind.default_schema(), "allow_system": allowed}
    assert kind.check({"messages": written}, task, full) == []
    assert kind.check(kind.blank(task, full), task, full), "nothing can be submitted untouched"
    changed = [*written[:-2], {**written[-2], "content": "Else."}, written[-1]]
    if len(written) == len(prompt) + 1:
        assert kind.check({"messages": changed}, task, full), "the prompt is held to"


@pytest.mark.parametrize(
    ("source", "field"),
    [
        ({"url": ""}, "url"),
        ({"url": "not an address"}, "url"),
        ({"url": "javascript:alert(1)"}, "url"),
        ({"url": "https://example.org", "accessed": "2999-01-01"}, "accessed"),
        ({"url": "10.1000/182", "accessed": "yesterday"}, "accessed"),
    ],
)
def test_sources_are_checked(source, field):
    kind = kind_of("demonstration")
    payload = {**GOOD["demonstration"], "sources": [{"quote": "", **source}]}
    problems = kind.check(payload, view("demonstration"), kind.default_schema())
    assert [problem.path for problem in problems] == [f"sources.0.{field}"]


def test_a_doi_is_a_source():
    kind = kind_of("demonstration")
    payload = {**GOOD["demonstration"], "sources": [{"url": "doi:10.1000/182", "accessed": "2026-01-31"}]}
    assert kind.check(payload, view("demonstration"), kind.default_schema()) == []


def test_an_edit_is_either_made_or_not_needed():
    kind, task = kind_of("edit"), view("edit")
    full, original = kind.default_schema(), ANSWERS["edit"][0]
    assert "Nothing was changed" in kind.check({"text": original}, task, full)[0].message
    assert "not ideal" in kind.check({"text": "Else.", "ideal": True}, task, full)[0].message
    assert kind.check({"text": original, "ideal": True}, task, full) == []
    assert "why" in kind.check({"text": "Else."}, task, full)[0].message
    assert kind.measure({"text": original}, task, full)["edit_distance"] == 0


def test_an_edit_publishes_the_original_as_the_worse_answer():
    pair = kind_of("edit").rows("preferences", submission("edit", GOOD["edit"], strength=2))[0]
    assert (pair["chosen"][0]["content"], pair["strength"]) == (GOOD["edit"]["text"], 2)
    assert pair["rejected"][0]["content"] == ANSWERS["edit"][0]
    ideal = {"text": ANSWERS["edit"][0], "ideal": True}
    assert kind_of("edit").rows("preferences", submission("edit", ideal)) == []
    assert kind_of("edit").rows("conversations", submission("edit", ideal))


def test_a_judged_conversation_publishes_outcome_turns_and_alternatives():
    payload = {
        "outcome": "partly",
        "turns": {"1": {"mark": "good"}, "3": {"mark": "bad", "alternative": "A table for two is booked."}},
    }
    rows = kind_of("conversation").rows("ratings", submission("conversation", payload))
    assert [(r["criterion"], r["score"]) for r in rows] == [("outcome", 1.0), ("turn", 1.0), ("turn", 0.0)]
    pair = kind_of("conversation").rows("preferences", submission("conversation", payload))[0]
    assert [m["content"] for m in pair["prompt"]] == ["Book a table.", "For how many?", "Two."]
    assert pair["rejected"][0]["content"] == "Done."


def test_a_judged_conversation_is_scored_by_outcome_and_marks():
    kind, full = kind_of("conversation"), kind_of("conversation").default_schema()
    gold = {"outcome": "yes", "turns": {"1": {"mark": "good"}, "3": {"mark": "bad"}}}
    mine = {"outcome": "partly", "turns": {"1": {"mark": "good"}}}
    assert kind.score(mine, gold, full) == pytest.approx((0.5 + 0.5) / 2)
