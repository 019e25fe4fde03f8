"""Statistics and contributions: known answers from a handful of rows, however they are sharded."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.datasets import contributions, histograms, statistics
from tilth.datasets.build import build_manifest
from tilth.datasets.histograms import Lengths, Span, TopValues
from tilth.datasets.token_files import TokenWriter
from tilth.datasets.writer import DatasetWriter
from tilth.storage import Storage

DOCUMENTS = [
    {"text": "héllo", "url": "http://a.org/1", "domain": "a.org", "language": "en", "language_score": 0.5},
    {"text": "", "url": "http://a.org/2", "domain": "a.org", "language": "en", "language_score": 1.0},
    {"text": "abc", "url": "http://b.org/", "domain": "b.org", "crawl": "CC-1", "cluster_size": 3},
    {"text": "日本", "url": "http://b.org/", "domain": "b.org", "crawl": "CC-1", "cluster_size": 1},
]


@pytest.fixture
def store(tmp_path):
    return Storage(str(tmp_path))


def write(store, kind, rows, folder="datasets/d/1", parts=1):
    shards = []
    for part in range(parts):
        with DatasetWriter(store, f"{folder}/1", kind, stem=f"part{part}") as out:
            out.write(rows[part::parts])
        shards += out.close()
    return shards


def documents():
    return [{"id": str(i), "source": "s", "record_offset": i, **row} for i, row in enumerate(DOCUMENTS)]


@pytest.mark.parametrize("parts", [1, 3])
def test_documents_are_measured(store, parts):
    shards = write(store, "documents", documents(), parts=parts)
    found = statistics.collect(store, shards, "documents", "datasets/d/1")
    assert found["rows"] == 4 and found["bytes"] == sum(s.bytes for s in shards)
    text = found["columns"]["text"]
    assert text["bytes"] == 6 + 0 + 3 + 6
    assert found["tokens"] == {"count": 15 // 4, "tokenizer": "estimated from bytes"}
    assert text["characters"] == {
        "total": 10,
        "mean": 2.5,
        "minimum": 0,
        "maximum": 5,
        "histogram": {"edges": [0, 1, 2, 4, 8], "counts": [1, 0, 2, 1]},
    }
    assert found["columns"]["domain"]["top"] == [["a.org", 2], ["b.org", 2]]
    assert found["columns"]["language"] == {
        "measure": "category",
        "distinct": 1,
        "approximate": False,
        "missing": 2,
        "top": [["en", 2]],
    }
    score = found["columns"]["language_score"]
    assert (score["minimum"], score["maximum"], score["mean"], score["missing"]) == (0.5, 1.0, 0.75, 2)
    assert sum(score["histogram"]["counts"]) == 2
    sizes = found["columns"]["cluster_size"]["histogram"]
    assert sizes == {"edges": [0.5, 1.5, 2.5, 3.5], "counts": [1, 0, 1]}


def test_message_lists_are_measured_by_turns_roles_and_text(store):
    turn = lambda role, content: {"role": role, "content": content}  # noqa: E731
    rows = [
        {"id": "1", "messages": [turn("user", "hi"), turn("assistant", "hello"), turn("user", None)]},
        {"id": "2", "messages": [turn("user", "x")]},
        {"id": "3", "messages": []},
    ]
    shards = write(store, "conversations", rows)
    column = statistics.collect(store, shards, "conversations", "datasets/d/1")["columns"]["messages"]
    assert column["turns"]["histogram"] == {"edges": [0, 1, 2, 4], "counts": [1, 1, 1]}
    assert column["roles"] == [["user", 3], ["assistant", 1]]
    assert column["characters"]["total"] == 8
    assert column["characters"]["maximum"] == 7


def test_a_tokenizer_counts_and_is_named(store):
    words = statistics.Tokenizer("words", lambda texts: sum(len(text.split()) for text in texts))
    rows = [
        {
            "id": "1",
            "messages": [{"role": "user", "content": "one two"}, {"role": "assistant", "content": "three"}],
        }
    ]
    shards = write(store, "conversations", rows)
    found = statistics.collect(store, shards, "conversations", "datasets/d/1", words)
    assert found["tokens"] == {"count": 3, "tokenizer": "words"}


def test_token_shards_are_counted(store):
    out = TokenWriter(store, "datasets/d/1/1", "gpt2", 100)
    for number in range(3):
        out.write(str(number), list(range(number)))
    found = statistics.collect(store, out.close(), "tokens", "datasets/d/1")
    assert found["rows"] == 3
    assert found["tokens"] == {"count": 3, "tokenizer": "gpt2"}


def test_the_rarest_values_are_let_go_when_there_are_too_many():
    top = TopValues(limit=10)
    for start in range(0, 100, 5):
        top.add(pa.array(["common", None, *(f"rare-{i}" for i in range(start, start + 5))]))
    found = top.result()
    assert found["approximate"] and found["missing"] == 20
    assert found["top"][0] == ["common", 20]
    assert len(top.counts) <= 20


@given(st.lists(st.integers(0, 2**40)))
def test_every_length_falls_into_its_bin(lengths):
    summary = Lengths()
    for length in lengths:
        summary.add(np.array([length]))
    histogram = summary.result()["histogram"]
    edges = histogram["edges"]
    for low, high, count in zip(edges, edges[1:], histogram["counts"], strict=False):
        assert count == sum(low <= length < high for length in lengths)
    assert sum(histogram["counts"]) == len(lengths)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30))
def test_no_finite_number_is_lost(values):
    span = Span()
    span.add(pa.array(values, pa.float64()))
    edges = span.edges(whole=False)
    finite = histograms.finite(pa.array(values, pa.float64()))
    counted = np.histogram(finite, bins=edges)[0].sum() if edges.size else 0
    assert counted == len(finite) == len(values) - span.missing


def test_contributions_count_domains_urls_and_the_few(store):
    manifest = build_manifest(
        store, "d", 1, "documents", write(store, "documents", documents(), parts=2), producer="test"
    )
    assert manifest.contributions == [{"kind": "crawl", "value": "CC-1", "rows": 2}]
    assert manifest.rows == 4 and manifest.tokens["count"] == 3
    key = "datasets/d/1/contributions.parquet"
    assert contributions.rows_of(store, key, "domain", "a.org") == 2
    assert contributions.rows_of(store, key, "domain", "c.org") == 0
    assert contributions.rows_of(store, key, "url", contributions.url_hash("http://b.org/")) == 2
    with store.open(key) as handle:
        table = contributions.pq.read_table(handle)
    pairs = list(zip(table["kind"].to_pylist(), table["value"].to_pylist(), strict=True))
    assert pairs == sorted(pairs) and len(pairs) == 5


def test_labels_count_for_their_labeler_guideline_and_campaign(store):
    who = {"labeler": "l1", "guideline": "guideline:g@1", "campaign": "campaign:4"}
    rows = [
        {"id": str(i), "text": "x", "score": 1.0, "provenance": {**who, "labeler": f"l{i % 2}"}}
        for i in range(3)
    ]
    manifest = build_manifest(store, "d", 1, "ratings", write(store, "ratings", rows), producer="test")
    assert manifest.contributions == [
        {"kind": "campaign", "value": "campaign:4", "rows": 3},
        {"kind": "guideline", "value": "guideline:g@1", "rows": 3},
        {"kind": "labeler", "value": "l0", "rows": 2},
        {"kind": "labeler", "value": "l1", "rows": 1},
    ]


def test_whoever_edited_a_label_is_a_labeler_of_its_row(store):
    rows = [
        {"id": str(n), "text": "x", "score": 1.0, "provenance": {"labeler": labeler, "editor": editor}}
        for n, (labeler, editor) in enumerate([("l0", "l1"), ("l0", None), ("l1", "l1"), (None, "l1")])
    ]
    manifest = build_manifest(store, "d", 1, "ratings", write(store, "ratings", rows), producer="test")
    assert manifest.contributions == [
        {"kind": "labeler", "value": "l0", "rows": 2},
        {"kind": "labeler", "value": "l1", "rows": 3},
    ]


def test_contributions_can_be_written_directly_and_are_sorted(store):
    contributions.write_contributions(
        store, "c.parquet", [("url", "b", 1), ("domain", "z", 2), ("url", "a", 3)]
    )
    with store.open("c.parquet") as handle:
        table = contributions.pq.read_table(handle)
    assert table.to_pydict() == {
        "kind": ["domain", "url", "url"],
        "value": ["z", "a", "b"],
        "rows": [2, 3, 1],
    }
