"""Mapping foreign records: the expressions, values and messages in other spellings, known shapes."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.tilth.arrow_values import rows_of
from tilth.datasets.columns import Column
from tilth.datasets.import_.convert import Converter
from tilth.datasets.import_.mapping import parse_expression, parse_maps
from tilth.datasets.import_.messages import split_shared, to_messages
from tilth.datasets.import_.shapes import SHAPES, recognise
from tilth.datasets.import_.values import convert
from tilth.datasets.licences import LICENCES, check_licence, known_or_unknown
from tilth.datasets.schemas import KINDS, row_id, schema
from tilth.errors import InvalidInput

RECORD = {
    "question": "Q",
    "passage": "P",
    "empty": "",
    "meta": {"body": "B", "n": [10, 20]},
    "turns": [{"value": "a"}, {"value": "b"}],
    "a.b": "dotted",
    "x+y": "plus",
    "label": 1,
    "one": "L",
    "two": "R",
    "solution": r"so $\boxed{\frac{1}{2}}$.",
    "answer": "it is #### 3 #### 18 ",
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("question", "Q"),
        ("nothing", None),
        ("meta.body", "B"),
        ("meta.n.1", 20),
        ("meta.n.7", None),
        ("turns.value", ["a", "b"]),
        ("turns.0.value", "a"),
        ("a.b", "dotted"),
        ("x+y", "plus"),
        ("passage+question", "P\n\nQ"),
        ("empty+question", "Q"),
        ("empty+nothing", None),
        ("=maths", "maths"),
        ("=a+b", "a+b"),
        ("[one, two]", ["L", "R"]),
        ("[one, two]@0 label", "R"),
        ("[one, two]!0 label", "L"),
        ("[one, two]@1 label", "L"),
        ("[one, two]!1 label", "R"),
        ("[one, two]@1 question", None),
        ("answer>>####", "18"),
        ("question>>####", None),
        (r"solution>>\boxed", r"\frac{1}{2}"),
        ("user:question", [{"role": "user", "content": "Q"}]),
        (
            "system:empty|user:passage+question|assistant:one",
            [{"role": "user", "content": "P\n\nQ"}, {"role": "assistant", "content": "L"}],
        ),
    ],
)
def test_expressions_are_known_answers(text, value):
    assert parse_expression(text).read(RECORD) == value


@given(st.text(min_size=1), st.text())
def test_a_field_of_any_name_can_be_read(name, value):
    expression = parse_expression(name)
    if not name.startswith("=") and not name.strip().startswith("[") and ":" not in name:
        assert expression.read({name: value}) == value


def test_maps_are_column_equals_field():
    assert parse_maps(["a=b", "c==d=e", "lengths.a= n"]) == {"a": "b", "c": "=d=e", "lengths.a": "n"}
    for bad in ("a", "=b", "a="):
        with pytest.raises(InvalidInput, match="prompt=question"):
            parse_maps([bad])


def test_messages_in_every_spelling():
    ours = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    spellings = [
        ours,
        {"messages": ours},
        [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}],
        [{"speaker": "USER", "utterance": "hi"}, {"speaker": "SYSTEM", "utterance": "hello"}],
        [{"role": "user", "content": [{"type": "text", "text": "hi"}]}, ours[1]],
        "\n\nHuman: hi\n\nAssistant: hello",
        '[{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]',
    ]
    for spelling in spellings:
        found = [{k: m[k] for k in ("role", "content")} for m in to_messages(spelling, "user")]
        assert found == ours, spelling
    assert to_messages("hi", "assistant") == [{"role": "assistant", "content": "hi"}]


def test_tool_calls_are_kept_and_answered_by_id():
    found = to_messages(
        [
            {"from": "human", "value": "weather?"},
            {"from": "function_call", "value": '{"name": "weather", "arguments": {"city": "Graz"}}'},
            {"from": "observation", "value": "sunny"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "z", "function": {"name": "f", "arguments": "{}"}}],
            },
        ],
        "user",
    )
    [call] = found[1]["tool_calls"]
    assert call == {
        "id": "call_1_0",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "Graz"}'},
    }
    assert found[2]["role"] == "tool" and found[2]["tool_call_id"] == "call_1_0"
    assert found[3]["tool_calls"][0]["id"] == "z"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "list of messages"),
        (5, "list of messages"),
        ("  ", "empty"),
        ([{"role": "pope", "content": "x"}], "message 1: unknown role 'pope'"),
        ([{"content": "x"}], "no role"),
        ([{"role": "user"}], "no content"),
        (["just", "strings"], "role and content"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "only text"),
        ([{"from": "function_call", "value": "nonsense"}], "no JSON"),
    ],
)
def test_what_is_no_conversation_says_why(value, said):
    with pytest.raises(ValueError, match=said):
        to_messages(value, "user")


def test_a_shared_beginning_is_the_prompt():
    one = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "good"}]
    other = [one[0], {"role": "assistant", "content": "bad"}]
    assert split_shared(one, other) == (one[:1], one[1:], other[1:])
    assert split_shared(one, one) == (one[:1], one[1:], one[1:])
    with pytest.raises(ValueError, match="share no beginning"):
        split_shared(one[1:], other[1:])


def column(kind, **options):
    return Column("x", kind, "X", "x", **options)


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        ("5", pa.int32(), 5),
        (5.0, pa.int8(), 5),
        ("5.0", pa.int8(), 5),
        ("2.5", pa.float64(), 2.5),
        (7, pa.string(), "7"),
        (True, pa.string(), "true"),
        (["a", "b"], pa.string(), "a\nb"),
        ('["a", "b"]', pa.list_(pa.string()), ["a", "b"]),
        ('{"minimum": 1}', schema("ratings").arrow.field("scale").type, {"minimum": 1.0, "maximum": None}),
        ("2026-05-01T12:00:00Z", pa.timestamp("us", "UTC"), datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00+02:00", pa.timestamp("us", "UTC"), datetime(2026, 5, 1, 10, tzinfo=UTC)),
        (86400, pa.timestamp("us", "UTC"), datetime(1970, 1, 2, tzinfo=UTC)),
        (1_700_000_000_000, pa.timestamp("us", "UTC"), datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (None, pa.int32(), None),
    ],
)
def test_values_whose_meaning_is_plain_are_taken(value, kind, result):
    assert convert(value, column(kind)) == result


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ("five", pa.int32(), "whole number"),
        (2.5, pa.int32(), "whole number"),
        (True, pa.int32(), "whole number"),
        (300, pa.int8(), "does not fit"),
        ({"a": 1}, pa.string(), "expected text"),
        ("\ud800", pa.string(), "surrogate"),
        ("yesterday", pa.timestamp("us", "UTC"), "expected a time"),
        ("a, b", pa.list_(pa.string()), "expected a list"),
        ({"minimun": 1}, schema("ratings").arrow.field("scale").type, "no field 'minimun'"),
        ("x", pa.float64(), "expected a number"),
    ],
)
def test_values_that_do_not_fit_say_why(value, kind, said):
    with pytest.raises(ValueError, match=said):
        convert(value, column(kind))


def test_ranges_winners_and_json_are_checked():
    strength = schema("preferences").by_name["strength"]
    assert convert("3", strength) == 3
    with pytest.raises(ValueError, match="between 1 and 3"):
        convert(4, strength)
    winner = schema("battles").by_name["winner"]
    spelled = {"left": "a", "model_b": "b", "tie (bothbad)": "both_bad", "Tie": "tie"}
    assert {text: convert(text, winner) for text in spelled} == spelled
    with pytest.raises(ValueError, match="none of a, b, tie, both_bad"):
        convert("nobody", winner)
    tools = schema("conversations").by_name["tools"]
    assert convert([{"b": 1, "a": 2}], tools) == '[{"a": 2, "b": 1}]'
    with pytest.raises(ValueError, match="expected JSON"):
        convert("[1", tools)


def row(kind, mapping, record, **options):
    found, faults = Converter(kind, mapping, "f" * 64, **options).row(7, record)
    assert not faults, faults
    return found


def test_ids_come_from_file_and_row_or_from_the_mapped_column():
    mapping = {"question": "q", "options": "o", "answer": "a"}
    record = {"q": "?", "o": ["x", "y"], "a": "B", "key": "k1"}
    assert row("choices", mapping, record)["id"] == row_id("f" * 64, 7)
    assert row("choices", mapping | {"id": "key"}, record)["id"] == row_id("k1")
    ours = row_id("anything")
    assert row("choices", mapping | {"id": "key"}, record | {"key": ours})["id"] == ours


@pytest.mark.parametrize(
    ("answer", "place"), [("B", 1), ("(b)", 1), ("y", 1), (1, 1), ("1", 1), ("A", 0), ("x", 0)]
)
def test_the_right_option_is_found_by_index_letter_or_text(answer, place):
    mapping = {"question": "q", "options": "o", "answer": "a"}
    assert row("choices", mapping, {"q": "?", "o": ["x", "y"], "a": answer})["answer"] == place


def test_an_answer_outside_the_options_is_a_fault():
    converter = Converter("choices", {"question": "q", "options": "o", "answer": "a"}, "f")
    for answer, said in [
        ("C", "option 2 of 2"),
        (-1, "at least 0"),
        (None, "required"),
        ("maybe", "whole number"),
    ]:
        found, [fault] = converter.row(1, {"q": "?", "o": ["x", "y"], "a": answer})
        assert found is None and fault.field == "answer" and said in fault.message


def test_documents_know_their_file_and_row():
    found = row(
        "documents", {"text": "body", "signals": "s"}, {"body": "x", "s": {"quality": 1}}, signals=["quality"]
    )
    assert (found["source"], found["record_offset"]) == ("f" * 64, 7)
    assert found["signals"]["quality"] == 1.0


def test_every_fault_of_a_row_is_listed():
    converter = Converter("ratings", {"text": "t", "score": "s", "scale": "scale"}, "f")
    _, faults = converter.row(1, {"t": {"a": 1}, "s": "high", "scale": 3})
    assert [fault.field for fault in faults] == ["text", "score", "scale"]


@pytest.mark.parametrize(
    ("kind", "mapping", "said"),
    [
        ("problems", {"prompt": "q"}, "nothing is mapped to answer"),
        ("problems", {"prompt": "q", "answr": "a"}, "no column 'answr'"),
        ("battles", {"lengths.c": "n"}, "no field 'c'"),
        ("problems", {"prompt": "user:q|elephant:x", "answer": "a"}, "is no turn"),
    ],
)
def test_a_mapping_that_cannot_work_says_why(kind, mapping, said):
    with pytest.raises(InvalidInput, match=said) as caught:
        Converter(kind, mapping, "f")
    assert caught.value.field == "map"


def test_a_field_that_the_file_lacks_is_named():
    converter = Converter("problems", {"prompt": "user:q+context", "answer": "reply"}, "f")
    with pytest.raises(InvalidInput, match="no field 'reply'; it has answer, q"):
        converter.check_fields(["q", "answer"])


SHAPED = [
    ({"conversations": [{"from": "human", "value": "x"}]}, "conversations", "ShareGPT"),
    ({"messages": [{"role": "user", "content": "x"}], "extra": 1}, "conversations", "OpenAI messages"),
    ({"instruction": "i", "input": "", "output": "o"}, "conversations", "Alpaca"),
    ({"prompt": "p", "chosen": "c", "rejected": "r"}, "preferences", "Preferences with a prompt"),
    (
        {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
        "preferences",
        "Chosen and rejected with a shared beginning",
    ),
    ({"instruction": "i", "output": ["good", "bad"]}, "preferences", "Alpaca with two ranked outputs"),
    ({"question": "q", "answer": "so #### 4"}, "problems", "GSM8K: answer behind ####"),
    ({"problem": "q", "solution": r"\boxed{4}"}, "problems", r"MATH: answer in \boxed"),
    ({"question": "q", "answer": "4"}, "problems", "Question and answer"),
    ({"question": "q", "choices": ["a", "b"], "answer": 0}, "choices", "Multiple choice"),
    (
        {"question": "q", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"},
        "choices",
        "ARC: choices with labels",
    ),
    ({"goal": "g", "sol1": "a", "sol2": "b", "label": 0}, "choices", "PIQA"),
    ({"left": "m", "right": "n", "winner": "tie"}, "battles", "Battles: left, right, winner"),
    ({"text": "t", "lang": "en"}, "documents", "Text"),
    ({"prompt": "p"}, "prompts", "Prompts"),
]


@pytest.mark.parametrize(("record", "kind", "title"), SHAPED)
def test_common_shapes_are_recognised_and_their_mapping_works(record, kind, title):
    found = recognise([record] * 3)
    assert (found.kind, found.title) == (kind, title)
    assert row(found.kind, found.mapping, record)


def test_arc_labels_are_looked_up():
    record = SHAPED[10][0]
    assert row("choices", recognise([record]).mapping, record)["answer"] == 1


def test_a_kind_can_be_asked_for():
    record = {"question": "q", "answer": "4"}
    found = recognise([record], "conversations")
    assert found.mapping["messages"] == "user:question|assistant:answer"
    assert recognise([record], "prompts").mapping["messages"] == "user:question"
    with pytest.raises(InvalidInput, match="colour"):
        recognise([{"colour": "red"}])


def test_every_shape_maps_columns_that_exist():
    for shape in SHAPES:
        names = [target.split(".")[0] for target in shape.mapping]
        assert set(names) <= set(schema(shape.kind).by_name), shape.title


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "tokens"])
@given(data=st.data())
def test_our_own_rows_come_in_as_they_are(kind, data):
    record = data.draw(rows_of(schema(kind).arrow))
    found = recognise([record], kind)
    assert found.title == "Tilth's own columns"
    assert set(found.mapping) == set(schema(kind).by_name)


def test_licences_are_spelled_as_spdx_does():
    assert check_licence("cc-by-4.0") == "CC-BY-4.0"
    assert check_licence("LicenseRef-Our-Terms.1") == "LicenseRef-Our-Terms.1"
    assert all(check_licence(name) == name for name in LICENCES)
    with pytest.raises(InvalidInput, match="not a licence"):
        check_licence("free for all")
    assert known_or_unknown("other") == known_or_unknown("see website") == "unknown"


@pytest.mark.parametrize("kind", ["completions", "problems", "prompts", "conversations"])
def test_an_instruction_keeps_its_input_whatever_it_becomes(kind):
    record = {"instruction": "Sort these.", "input": "b, a", "output": "a, b"}
    mapping = recognise([record], kind).mapping
    row, faults = Converter(kind, mapping, "f").row(1, record)
    asked = row.get("prompt") or row["messages"]
    assert not faults
    assert asked[0]["content"] == "Sort these.\n\nb, a"


def test_fields_that_nothing_reads_are_named():
    mapping = {"prompt": "user:a.b+c", "answer": "[x, y]@0 label", "verifier": "odd name>>##"}
    names = ["a", "c", "x", "y", "label", "odd name", "left", "id"]
    assert Converter("problems", mapping, "f").unused(names) == ["left", "id"]
    assert Converter("problems", {"prompt": "user:a.b", "answer": "c"}, "f").unused(["a.b", "c"]) == []
