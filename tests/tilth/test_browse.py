"""Rows by number, search and filters over a version's shards: known answers, limits and locked doors."""

import io
import random
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tilth.datasets import schemas
from tilth.datasets.browse.conditions import build_condition, parse_words
from tilth.datasets.browse.present import parts, pieces
from tilth.datasets.browse.search import _database, search, take_rows
from tilth.datasets.browse.shards import ROW, ShardRows
from tilth.errors import InvalidInput
from tilth.storage import Storage


@dataclass
class Piece:
    path: str
    rows: int


def documents(count: int) -> list[dict]:
    return [
        {
            "id": schemas.row_id("test", n),
            "text": f"document {n} speaks of {'wheat' if n % 3 == 0 else 'Barley'} and über {n * n}",
            "url": f"https://example.org/{n}",
            "domain": "example.org" if n % 2 else "example.com",
            "source": "test",
            "record_offset": n,
            "language": "en" if n % 5 else "de",
            "language_score": (n % 100) / 100,
            "signals": {"words": float(n % 7), "tokens": None},
        }
        for n in range(count)
    ]


def store(
    storage: Storage,
    kind: str,
    rows: list[dict],
    sizes: list[int],
    group: int = 10,
    signals: tuple[str, ...] = (),
) -> ShardRows:
    shape = schemas.schema(kind)
    shards, first = [], 0
    for index, size in enumerate(sizes):
        buffer = io.BytesIO()
        pq.write_table(shape.table(rows[first : first + size]), buffer, row_group_size=group)
        path = f"1/shard-{index:05d}.parquet"
        storage.write_bytes(f"datasets/x/1/{path}", buffer.getvalue())
        shards.append(Piece(path, size))
        first += size
    return ShardRows(storage, "datasets/x/1", shards, kind)


@pytest.fixture
def rows(tmp_path: Path) -> ShardRows:
    return store(Storage(str(tmp_path)), "documents", documents(100), [35, 0, 25, 40])


def find(
    rows: ShardRows, q: str = "", start: int = 0, count: int = 1000, backwards: bool = False, **filters: str
):
    condition = build_condition(rows.schema, q, {k.replace("__", "."): v for k, v in filters.items()})
    return search(rows, condition, start, count, backwards=backwards)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.integers(0, 110), count=st.integers(0, 60))
def test_a_page_is_the_rows_of_these_numbers(rows: ShardRows, start: int, count: int) -> None:
    page = rows.page(start, count, ["record_offset"])
    expected = list(range(100))[start : start + count]
    assert page["record_offset"].to_pylist() == expected
    assert page[ROW].to_pylist() == expected


def test_words_are_found_whatever_their_case_and_alphabet(rows: ShardRows) -> None:
    assert find(rows, "WHEAT").rows == list(range(0, 100, 3))
    assert find(rows, "ÜBER barley").rows == [n for n in range(100) if n % 3]
    assert find(rows, '"of wheat and"').rows == list(range(0, 100, 3))
    assert find(rows, '"wheat of"').rows == []
    assert find(rows, "document -wheat").rows == [n for n in range(100) if n % 3]


def test_filters_of_each_type(rows: ShardRows) -> None:
    assert find(rows, is__language="de").rows == list(range(0, 100, 5))
    assert find(rows, has__url="ORG/7").rows == [7, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79]
    assert find(rows, min__language_score="0.98").rows == [98, 99]
    assert find(rows, min__record_offset="3", max__record_offset="5").rows == [3, 4, 5]
    assert find(rows, min__signals__words="6").rows == list(range(6, 100, 7))
    assert find(rows, "wheat", is__language="de").rows == [n for n in range(100) if n % 15 == 0]


def test_paging_forward_and_back_meets_every_row_once(rows: ShardRows) -> None:
    seen, start = [], 0
    while start is not None:
        found = find(rows, "wheat", start=start, count=7)
        seen += found.rows
        start = found.more_from
    assert seen == list(range(0, 100, 3))
    back = find(rows, "wheat", start=50, count=4, backwards=True)
    assert back.rows == [39, 42, 45, 48]
    assert back.more_from == 38
    assert find(rows, "wheat", start=5, count=9, backwards=True).rows == [0, 3]
    assert find(rows, "wheat", start=5, count=9, backwards=True).more_from is None


def test_when_the_time_is_up_the_search_goes_on_from_where_it_stopped(rows: ShardRows, monkeypatch) -> None:
    slow = ShardRows.read

    def read(self, block, columns=None):
        time.sleep(0.05)
        return slow(self, block, columns)

    monkeypatch.setattr(ShardRows, "read", read)
    condition = build_condition(rows.schema, "wheat", {})
    seen, start, stops = [], 0, 0
    while start is not None:
        found = search(rows, condition, start, 1000, seconds=0.0)
        seen += found.rows
        assert found.more_from is None or found.more_from > start
        start, stops = found.more_from, stops + found.timed_out
    assert seen == list(range(0, 100, 3))
    assert stops >= 1


def test_typed_text_is_never_sql(rows: ShardRows) -> None:
    for hostile in [
        "'; DROP TABLE block; --",
        "\"') OR 1=1 --",
        "$p0 {} %s ?",
        "\x00wheat\x00' OR '1'='1",
        "\\",
    ]:
        assert find(rows, has__url=hostile).rows == []
        assert find(rows, hostile.replace('"', "")).rows in ([], list(range(0, 100, 3)))
    with pytest.raises(InvalidInput, match="no filter"):
        build_condition(rows.schema, "", {'is."text" OR 1=1': "x"})
    with pytest.raises(InvalidInput, match="language_score"):
        build_condition(rows.schema, "", {"min.language_score": "0 OR 1=1"})
    with pytest.raises(InvalidInput, match="at most"):
        parse_words("a " * 21)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(codec="utf-8", exclude_characters='"\x00'), min_size=1, max_size=12))
def test_any_text_is_found_as_it_stands(tmp_path: Path, words: str) -> None:
    storage = Storage(f"{tmp_path}/{uuid.uuid4().hex}")
    there = documents(3)
    there[1]["text"] = f"before {words} after"
    assert 1 in find(store(storage, "documents", there, [3]), f'"{words}"').rows


def test_a_search_is_no_pattern(rows: ShardRows) -> None:
    assert find(rows, ".*").rows == []
    assert find(rows, has__url="example.org/7").rows == [7, *range(70, 80)]
    assert find(rows, has__url="exampleXorg/7").rows == []
    assert find(rows, has__url="https://example.org/7$").rows == []


def test_the_database_reaches_no_file_and_keeps_its_locks(rows: ShardRows) -> None:
    path = rows.storage.path("datasets/x/1/1/shard-00000.parquet")
    cursor = _database().cursor()
    local_table = pa.table({"a": [1]})  # noqa: F841 - must stay invisible to the query below
    for statement in [
        f"SELECT * FROM read_parquet('{path}')",
        f"SELECT * FROM '{path}'",
        "SELECT * FROM read_text('/etc/passwd')",
        "INSTALL httpfs",
        "COPY (SELECT 1) TO '/tmp/tilth-escape'",
        "SET enable_external_access = true",
        "ATTACH '/tmp/tilth-escape.db'",
        "SELECT * FROM local_table",
    ]:
        with pytest.raises(duckdb.Error):
            cursor.execute(statement).fetchall()


def test_words_inside_messages_tools_and_options_are_found(tmp_path: Path) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Oslo"}'}}
    chats = [
        {
            "id": "a",
            "messages": [
                {"role": "user", "content": "Plant wheat"},
                {"role": "assistant", "tool_calls": [call]},
            ],
        },
        {
            "id": "b",
            "messages": [{"role": "user", "content": None}],
            "provenance": {"campaign": "campaign:4"},
        },
    ]
    found = store(Storage(str(tmp_path)), "conversations", chats, [2])
    assert find(found, "wheat").rows == [0]
    assert find(found, "oslo look_up").rows == [0]
    assert find(found, is__provenance__campaign="campaign:4").rows == [1]
    assert find(found, "-wheat").rows == [1]


@pytest.mark.parametrize("kind", sorted(schemas.KINDS))
def test_every_kind_can_be_searched_and_filtered(kind: str, tmp_path: Path) -> None:
    empty = store(Storage(str(tmp_path)), kind, [], [0])
    from tilth.datasets.browse.columns import leaves
    from tilth.datasets.browse.conditions import OPERATORS

    values = {"word": "x", "number": "1", "truth": "true", "time": "2026-01-01"}
    filters = {
        f"{op}.{leaf.path}": values[leaf.kind] for leaf in leaves(empty.schema) for op in OPERATORS[leaf.kind]
    }
    condition = build_condition(empty.schema, "word", filters)
    cursor = duckdb.connect(":memory:")
    cursor.register("block", empty.schema.empty_table())
    assert cursor.execute(
        f"SELECT count(*) FROM block WHERE {condition.sql}", condition.parameters
    ).fetchall() == [(0,)]


def test_take_rows_reads_just_these(rows: ShardRows) -> None:
    wanted = sorted(random.Random(4).sample(range(100), 13))
    assert take_rows(rows, wanted, ["record_offset"])["record_offset"].to_pylist() == wanted
    assert take_rows(rows, []).num_rows == 0


def test_shards_on_an_object_store_are_browsed_the_same_way() -> None:
    storage = Storage(f"memory://browse-{random.getrandbits(64):x}")
    rows = store(storage, "documents", documents(30), [10, 20])
    assert find(rows, "wheat").rows == list(range(0, 30, 3))
    assert rows.page(8, 5)["record_offset"].to_pylist() == [8, 9, 10, 11, 12]


@settings(max_examples=200, deadline=None)
@given(text=st.text(max_size=400), words=st.lists(st.text(min_size=1, max_size=5), max_size=3))
def test_a_cell_shows_a_stretch_of_the_text_and_marks_only_words(text: str, words: list[str]) -> None:
    found = pieces(text, words, width=80)
    shown = "".join(piece.text for piece in found)
    assert shown.strip("…") in text or shown in text
    assert len(shown) <= 82
    assert all(
        any(piece.text.lower() == word.lower() or len(piece.text) == len(word) for word in words)
        for piece in found
        if piece.hit
    )


def test_the_cell_shows_the_place_where_the_word_is() -> None:
    found = pieces("x " * 500 + "Wheat" + " y" * 500, ["wheat"], width=100)
    assert [piece.text for piece in found if piece.hit] == ["Wheat"]
    assert found[0].text == "…" and found[-1].text == "…"


def test_nothing_of_a_row_is_hidden_without_saying_so() -> None:
    columns = schemas.schema("documents").columns
    shown = {
        part.name: part
        for part in parts({"id": "a", "text": "x" * 250_000, "url": None, "record_offset": 0}, columns)
    }
    assert shown["text"].cut == 50_000 and len(shown["text"].value) == 200_000
    assert set(shown) == {"text", "record_offset"}
