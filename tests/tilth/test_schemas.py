"""Schemas: the kinds of the design, stable row ids, upgrades, clear errors."""

from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.datasets import schemas
from tilth.datasets.columns import COLUMNS
from tilth.datasets.schemas import KINDS, PROVENANCE, conform, row_id, schema, upgrade
from tilth.errors import InvalidInput

DESIGN = {
    "documents": "text url domain date crawl source record_offset record_length language language_score "
    "signals cluster_size",
    "prompts": "messages topic source",
    "conversations": "messages tools provenance",
    "completions": "prompt_id prompt completion model checkpoint sampling",
    "preferences": "prompt chosen rejected strength chosen_model rejected_model group provenance",
    "ratings": "item_id text criterion score scale provenance",
    "problems": "prompt answer verifier verifier_args provenance",
    "choices": "question options answer subject",
    "annotations": "item kind payload state review candidates display provenance",
    "battles": "prompt model_a model_b winner lengths provenance",
    "eval_items": "evaluation item prediction score logprob",
    "tokens": "tokens",
}


def test_the_kinds_and_columns_are_the_designs():
    assert {kind: " ".join(s.arrow.names[1:]) for kind, s in KINDS.items()} == DESIGN


@pytest.mark.parametrize("kind", KINDS)
def test_every_schema_says_what_it_holds(kind):
    found = schema(kind)
    assert found.version >= 1 and found.title and found.description
    assert found.arrow.metadata == {
        b"tilth.kind": kind.encode(),
        b"tilth.version": str(found.version).encode(),
    }
    assert found.arrow.names[0] == "id" and not found.arrow.field("id").nullable
    assert all(column.title and column.description for column in COLUMNS[kind])
    roots = {name.split(".")[0] for name in found.key_columns}
    assert roots <= set(found.arrow.names)


def test_messages_and_provenance_have_the_designs_fields():
    message = schema("conversations").arrow.field("messages").type.value_type
    assert [f.name for f in message] == ["role", "content", "name", "tool_call_id", "tool_calls"]
    call = message.field("tool_calls").type.value_type
    assert call.field("function").type == pa.struct([("name", pa.string()), ("arguments", pa.string())])
    assert [f.name for f in PROVENANCE] == [
        "campaign",
        "task",
        "annotation",
        "labeler",
        "guideline",
        "seconds",
        "created_at",
        "editor",
    ]
    assert PROVENANCE.field("created_at").type == pa.timestamp("us", tz="UTC")


def test_row_ids_are_known_answers():
    assert row_id("warc/a.warc.gz", 123) == "43aaf11b8f885ad8d14408eb9e84d0d7"
    # Published test vector of XXH3-128 for no input.
    assert row_id("") == "99aa06d3014798d86001c324468d497f"


@given(st.lists(st.text(), min_size=1, max_size=3), st.lists(st.text(), min_size=1, max_size=3))
def test_different_keys_give_different_ids(one, other):
    same = "\x00".join(one) == "\x00".join(other)
    assert (row_id(*one) == row_id(*other)) == same


def test_key_ids_come_from_the_key_columns_alone():
    documents = schema("documents")
    row = {"source": "crawl/a", "record_offset": 5, "text": "one"}
    assert documents.key_id(row) == documents.key_id(row | {"text": "two"}) == row_id("crawl/a", 5)
    assert documents.key_id(row) != documents.key_id(row | {"record_offset": 6})
    rating = {"item_id": "i", "criterion": "c", "provenance": {"annotation": "u"}}
    assert schema("ratings").key_id(rating) == row_id("i", "c", "u")


def test_an_unknown_kind_lists_the_kinds():
    with pytest.raises(InvalidInput, match="documents, prompts") as caught:
        schema("poems")
    assert caught.value.field == "kind"


def test_older_shards_are_upgraded_step_by_step(monkeypatch):
    newer = schemas.replace(schema("choices"), version=3)
    monkeypatch.setitem(KINDS, "choices", newer)
    rename = lambda table: table.rename_columns(["id", "question", "options", "answer"])  # noqa: E731
    monkeypatch.setitem(schemas.UPGRADES, ("choices", 1), rename)
    monkeypatch.setitem(
        schemas.UPGRADES, ("choices", 2), lambda t: t.append_column("subject", pa.array(["maths"]))
    )
    old = pa.table({"id": ["1"], "asked": ["q"], "options": [["a"]], "answer": pa.array([0], pa.int32())})
    [row] = upgrade(old, "choices", 1).to_pylist()
    assert row == {"id": "1", "question": "q", "options": ["a"], "answer": 0, "subject": "maths"}
    with pytest.raises(InvalidInput, match="update Tilth"):
        upgrade(old, "choices", 4)
    monkeypatch.delitem(schemas.UPGRADES, ("choices", 1))
    with pytest.raises(InvalidInput, match="version 1 cannot be read"):
        upgrade(old, "choices", 1)


def test_labels_of_the_first_version_have_no_editor_and_keep_the_rest():
    first = pa.struct([field for field in PROVENANCE if field.name != "editor"])
    label = {"campaign": "campaign:4", "labeler": "p" * 32, "seconds": 12.0}
    rows = [
        {"id": "1", "text": "x", "score": 1.0, "provenance": label},
        {"id": "2", "text": "y", "score": 2.0},
    ]
    columns = [replace(c, type=first) if c.name == "provenance" else c for c in schema("ratings").columns]
    old = replace(schema("ratings"), version=1, columns=tuple(columns)).table(rows)
    one, two = upgrade(pa.concat_tables([old, old]).slice(2), "ratings", 1).to_pylist()
    assert one["provenance"] == {**dict.fromkeys(f.name for f in PROVENANCE), **label}
    assert two["provenance"] is None and (one["id"], two["score"]) == ("1", 2.0)
    assert {kind for kind, found in KINDS.items() if found.version == 2} == {
        kind for kind, columns in COLUMNS.items() if "provenance" in [c.name for c in columns]
    }
    assert upgrade(old.select(["id", "text", "score"]), "ratings", 1).num_rows == 2


def test_conforming_fills_optional_columns_and_refuses_the_rest():
    table = pa.table({"id": ["1"], "messages": [[{"role": "user", "content": "hi"}]]})
    [row] = conform(table, schema("prompts")).to_pylist()
    assert row["topic"] is None and row["messages"][0]["tool_calls"] is None
    with pytest.raises(InvalidInput, match="'messages' is missing"):
        conform(table.drop(["messages"]), schema("prompts"))
    with pytest.raises(InvalidInput, match="no column 'colour'"):
        conform(table.append_column("colour", pa.array(["red"])), schema("prompts"))
    with pytest.raises(InvalidInput, match="'answer'"):
        bad = pa.table({"id": ["1"], "question": ["q"], "options": [["a"]], "answer": ["one"]})
        conform(bad, schema("choices"))
