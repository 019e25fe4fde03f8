"""Shards: every kind comes back as it was written, and the same rows give the same bytes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.tilth.arrow_values import rows_of
from tilth.datasets import reader, writer
from tilth.datasets.reader import read_batches, read_table, verify
from tilth.datasets.schemas import KINDS, schema
from tilth.datasets.token_files import TokenWriter, read_tokens
from tilth.datasets.writer import DatasetWriter
from tilth.errors import Conflict, InvalidInput
from tilth.storage import Storage

ROW_KINDS = [kind for kind in KINDS if kind != "tokens"]
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path))


def conversation(number: int, length: int) -> dict:
    return {"id": f"{number:032x}", "messages": [{"role": "user", "content": "x" * length}]}


@pytest.mark.parametrize("kind", ROW_KINDS)
@settings(max_examples=12, deadline=None, suppress_health_check=QUIET)
@given(data=st.data())
def test_every_kind_comes_back_as_it_was_written(kind, store, data):
    rows = data.draw(st.lists(rows_of(schema(kind).arrow), max_size=5))
    key = f"datasets/x/1/{data.draw(st.uuids())}"
    with DatasetWriter(store, key, kind) as out:
        out.write(rows)
    shards = out.close()
    verify(store, "datasets/x/1", [reader.File(s.path, s.bytes, s.sha256) for s in shards])
    back = read_table(store, "datasets/x/1", shards, kind)
    assert back.schema.equals(schema(kind).arrow, check_metadata=True)
    assert back.to_pylist() == schema(kind).table(rows).to_pylist() == rows


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(lengths=st.lists(st.integers(0, 3000), max_size=60), cuts=st.lists(st.integers(1, 9), min_size=1))
def test_the_same_rows_give_the_same_bytes_however_they_are_handed_in(store, monkeypatch, lengths, cuts):
    monkeypatch.setattr(writer, "ROW_GROUP_BYTES", 5000)
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 7)
    rows = [conversation(i, n) for i, n in enumerate(lengths)]
    once = DatasetWriter(store, "a/1/1", "conversations", target_bytes=8000)
    once.write(rows)
    pieces = DatasetWriter(store, "b/1/1", "conversations", target_bytes=8000)
    start = 0
    for turn in range(len(rows)):
        count = cuts[turn % len(cuts)]
        piece = rows[start : start + count]
        pieces.write(piece if turn % 2 else schema("conversations").table(piece))
        start += count
    assert once.close() == pieces.close()


def test_row_groups_close_by_bytes_so_that_memory_is_bounded(store, monkeypatch):
    monkeypatch.setattr(writer, "ROW_GROUP_BYTES", 10_000)
    with DatasetWriter(store, "a/1/1", "conversations") as out:
        out.write([conversation(i, 3000) for i in range(20)])
    [shard] = out.close()
    with store.open(f"a/1/{shard.path}") as handle:
        metadata = reader.pq.ParquetFile(handle).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [4] * 5


def test_shards_close_after_the_target_and_paths_are_relative_to_the_version(store, monkeypatch):
    monkeypatch.setattr(writer, "ROW_GROUP_ROWS", 10)
    out = DatasetWriter(store, "datasets/a/1/2", "conversations", target_bytes=1)
    out.write([conversation(i, 5) for i in range(25)])
    shards = out.close()
    assert [(s.path, s.rows) for s in shards] == [
        ("2/shard-00000.parquet", 10),
        ("2/shard-00001.parquet", 10),
        ("2/shard-00002.parquet", 5),
    ]
    assert store.list("datasets/a/1") == [f"datasets/a/1/{s.path}" for s in shards]


def test_no_rows_give_one_empty_shard(store):
    out = DatasetWriter(store, "a/1/1", "battles")
    [shard] = out.close()
    assert shard.rows == 0
    assert read_table(store, "a/1", [shard], "battles").num_rows == 0
    assert out.close() == [shard]


def test_an_error_leaves_no_file(store):
    with pytest.raises(RuntimeError), DatasetWriter(store, "a/1/1", "choices") as out:
        out.write([{"id": "1", "question": "q", "options": ["x"], "answer": 0}])
        out._flush_group()
        raise RuntimeError
    assert store.list("a") == []


def test_a_damaged_file_is_noticed(store):
    out = DatasetWriter(store, "a/1/1", "conversations")
    out.write([conversation(1, 10)])
    [shard] = out.close()
    path = store.local(f"a/1/{shard.path}")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(Conflict, match="not what was published"):
        verify(store, "a/1", [reader.File(shard.path, shard.bytes, shard.sha256)])


def test_a_missing_required_value_names_its_column(store):
    out = DatasetWriter(store, "a/1/1", "problems")
    with pytest.raises(InvalidInput, match="'answer'"):
        out.write([{"id": "1", "prompt": []}])
    with pytest.raises(InvalidInput, match="no column 'colour'"):
        out.write([{"id": "1", "prompt": [], "answer": "x", "colour": "red"}])


def test_a_recipes_signals_have_room_and_unknown_ones_are_refused(store):
    row = {"id": "1", "text": "x", "source": "s", "record_offset": 0, "signals": {"mean_word_length": 4.5}}
    with DatasetWriter(store, "a/1/1", "documents", signals=["mean_word_length"]) as out:
        out.write([row])
    [back] = read_table(store, "a/1", out.close(), "documents").to_pylist()
    assert back["signals"] == {"mean_word_length": 4.5, "tokens": None, "words": None}
    with pytest.raises(InvalidInput, match="mean_word_length"):
        DatasetWriter(store, "b/1/1", "documents").write([row])


def test_batches_are_small_and_can_hold_some_columns_only(store):
    with DatasetWriter(store, "a/1/1", "conversations") as out:
        out.write([conversation(i, 1) for i in range(10)])
    batches = list(read_batches(store, "a/1", out.close(), "conversations", ["id"], batch_rows=4))
    assert [batch.num_rows for batch in batches] == [4, 4, 2]
    assert batches[0].column_names == ["id"]


@settings(max_examples=25, deadline=None, suppress_health_check=QUIET)
@given(
    documents=st.lists(st.lists(st.integers(0, 65_535), max_size=20), max_size=8),
    vocabulary=st.sampled_from([65_536, 65_537, 200_000]),
    target=st.sampled_from([1, 40, 1 << 20]),
)
def test_token_shards_come_back_flat_with_boundaries(store, documents, vocabulary, target):
    folder = f"t/{vocabulary}/{target}/{len(documents)}"
    out = TokenWriter(store, f"{folder}/1", "tokenizer:gpt2@1", vocabulary, target)
    for number, tokens in enumerate(documents):
        out.write(f"doc-{number}", tokens)
    shards = out.close()
    back = list(read_tokens(store, folder, shards))
    assert [(name, tokens.tolist(), tokenizer) for name, tokens, tokenizer in back] == [
        (f"doc-{number}", tokens, "tokenizer:gpt2@1") for number, tokens in enumerate(documents)
    ]
    width = 2 if vocabulary <= 65_536 else 4
    flat = b"".join(store.read_bytes(f"{folder}/{shard.path}") for shard in shards)
    assert flat == np.array([t for d in documents for t in d], dtype=f"<u{width}").tobytes()
    for shard in shards:
        verify(store, folder, [shard.boundaries])


def test_token_ids_outside_the_vocabulary_are_refused(store):
    out = TokenWriter(store, "t/1/1", "gpt2", 100)
    with pytest.raises(InvalidInput, match="doc-1"):
        out.write("doc-1", [1, 100])
    with pytest.raises(InvalidInput, match="name their tokenizer"):
        TokenWriter(store, "t/1/1", "", 100)


def test_tables_of_other_widths_are_cast(store):
    table = pa.table(
        {"id": ["1"], "question": ["q"], "options": [["a", "b"]], "answer": pa.array([1], pa.int64())}
    )
    with DatasetWriter(store, "a/1/1", "choices") as out:
        out.write(table)
    [row] = read_table(store, "a/1", out.close(), "choices").to_pylist()
    assert row == {"id": "1", "question": "q", "options": ["a", "b"], "answer": 1, "subject": None}
