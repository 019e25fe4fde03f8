"""Reading files: every format, every compression, and what is said about broken ones."""

import gzip
import json

import datasets as hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tilth.datasets.import_ import readers
from tilth.datasets.import_.readers import BadRecord, Record, detect_format, read_records
from tilth.datasets.import_.sources import open_source
from tilth.errors import InvalidInput, NotFound
from tilth.storage import Storage

ROWS = [{"q": "one", "n": 1}, {"q": "zwei ü", "n": 2}]
JSONL = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS).encode()


@pytest.fixture
def write(tmp_path):
    """``write(name, data)`` puts a file down and gives it as a source file."""

    def make(name, data):
        path = tmp_path / name
        path.write_bytes(data)
        return open_source({"path": str(path)}, Storage(str(tmp_path))).files[0]

    return make


def everything(file):
    return list(read_records(file, detect_format(file)))


def values(file):
    found = everything(file)
    assert all(isinstance(item, Record) for item in found), found
    assert [item.row for item in found] == list(range(1, len(found) + 1))
    return [item.values for item in found]


def parquet(rows):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    return sink.getvalue().to_pybytes()


def arrow(rows):
    sink = pa.BufferOutputStream()
    table = pa.Table.from_pylist(rows)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.jsonl", JSONL),
        ("a.jsonl", b"\xef\xbb\xbf" + JSONL),
        ("a.json", json.dumps(ROWS).encode()),
        ("a.json", b" \n[\n" + b",\n".join(json.dumps(row).encode() for row in ROWS) + b"\n]\n"),
        ("a.jsonl.gz", gzip.compress(JSONL, mtime=0)),
        ("two.gz", gzip.compress(JSONL[:14], mtime=0) + gzip.compress(JSONL[14:], mtime=0)),
        ("a.jsonl.zst", pa.compress(JSONL, codec="zstd", asbytes=True)),
        ("a.parquet", parquet(ROWS)),
        ("a.arrow", arrow(ROWS)),
    ],
)
def test_each_format_gives_the_same_rows(write, name, data):
    assert values(write(name, data)) == ROWS


def test_csv_cells_are_text_and_may_hold_anything(write):
    file = write("a.csv", 'q,n\n"a, ""b""\nc",1\nüx,\n\n'.encode())
    assert values(file) == [{"q": 'a, "b"\nc', "n": "1"}, {"q": "üx", "n": None}]
    for delimiter in "\t;|":
        assert values(write("b.tsv", f"q{delimiter}n\nx{delimiter}1\n".encode())) == [{"q": "x", "n": "1"}]


@given(st.lists(st.dictionaries(st.text(), st.none() | st.integers() | st.text(), max_size=3), max_size=6))
def test_json_lists_of_anything_come_back(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("lists") / "a.json"
    path.write_text(json.dumps(rows, indent=2), encoding="utf-8")
    file = open_source({"path": str(path)}, Storage(str(path.parent))).files[0]
    assert [item.values for item in read_records(file, "json")] == rows


def test_records_longer_than_a_block_are_put_together(write):
    rows = [{"text": "x" * 3_000_000}, {"text": "y"}]
    assert values(write("a.json", json.dumps(rows).encode())) == rows


def test_a_broken_line_is_reported_and_the_rest_is_read(write):
    lines = [b'{"n": %d}' % n for n in range(1, 21)]
    lines[16] = b'{"n": 17'
    lines[3] = b'{"n": "\xff"}'
    lines[5] = b"[1, 2]"
    found = everything(write("a.jsonl", b"\n".join(lines)))
    bad = {item.row: item.reason for item in found if isinstance(item, BadRecord)}
    assert set(bad) == {4, 6, 17}
    assert "UTF-8" in bad[4] and "object" in bad[6] and "broken JSON at column 9" in bad[17]
    assert [item.values["n"] for item in found if isinstance(item, Record)] == [
        n for n in range(1, 21) if n not in bad
    ]


def test_an_endless_line_is_skipped_without_being_held(write, monkeypatch):
    monkeypatch.setattr(readers, "MAX_RECORD_BYTES", 1000)
    found = everything(write("a.jsonl", b'{"n": 1}\n' + b"x" * 5000 + b'\n{"n": 3}\n'))
    assert [type(item) for item in found] == [Record, BadRecord, Record]
    assert found[2].row == 3


def test_csv_rows_of_another_width_or_encoding_are_reported(write):
    found = everything(write("a.csv", b"a,b\n1,2\n1,2,3\n\xff,1\n3,4\n"))
    assert [(item.row, item.reason) for item in found if isinstance(item, BadRecord)] == [
        (2, "3 cells where the header has 2"),
        (3, "not UTF-8"),
    ]
    assert [item.values["a"] for item in found if isinstance(item, Record)] == ["1", "3"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b"  \n", "is empty"),
        ("a.zip", b"PK\x03\x04....", "no file that can be imported"),
        ("a.bin", b"\x00\x01\x02", "no file that can be imported"),
        ("a.txt", b"once upon a time", "no file that can be imported"),
        ("a.csv", "a,b\n".encode("utf-16"), "save it as UTF-8"),
        ("a.csv", b"a\xff,b\n1,2\n", "not UTF-8"),
        ("a.csv", b"a,a\n1,2\n", "the same name"),
        ("a.parquet", b"PAR1 but nothing else PAR1", "damaged"),
        ("a.json", b'[{"a": 1}, {"a": ', "damaged after row 1"),
        ("a.jsonl.gz", gzip.compress(JSONL * 1000, mtime=0)[:-20], "damaged after row"),
        ("a.jsonl.gz", b"\x1f\x8b nonsense", "damaged"),
    ],
)
def test_a_bad_file_says_what_is_wrong(write, name, data, said):
    with pytest.raises(InvalidInput, match=said):
        everything(write(name, data))


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(NotFound, match="no file or folder"):
        open_source({"path": str(tmp_path / "none")}, Storage(str(tmp_path)))


def folder_rows(path, part=""):
    source = open_source({"path": str(path), "part": part}, Storage(str(path)))
    return source, [item.values for file in source.files for item in everything(file)]


def test_a_folder_by_its_card(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("train-0", "train-1", "held"):
        (tmp_path / "data" / f"{name}.parquet").write_bytes(parquet([{"q": name}]))
    card = {
        "config_name": "main",
        "data_files": [
            {"split": "train", "path": "data/train-*"},
            {"split": "test", "path": ["data/held.parquet"]},
        ],
    }
    head = json.dumps({"license": "cc-by-4.0", "pretty_name": "Questions", "configs": [card]})
    (tmp_path / "README.md").write_text(f"---\n{head}\n---\n# Questions\n")
    source, rows = folder_rows(tmp_path)
    assert rows == [{"q": "train-0"}, {"q": "train-1"}]
    assert (source.licence, source.title) == ("cc-by-4.0", "Questions")
    assert source.choices == ("main/train", "main/test") and source.chosen == "main/train"
    assert folder_rows(tmp_path, "test")[1] == folder_rows(tmp_path, "main/test")[1] == [{"q": "held"}]
    with pytest.raises(InvalidInput, match="no part 'dev'"):
        folder_rows(tmp_path, "dev")


def test_a_folder_by_file_names(tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("train-00000-of-00001", "validation-00000-of-00001"):
        (tmp_path / "data" / f"{name}.parquet").write_bytes(parquet([{"q": name}]))
    source, rows = folder_rows(tmp_path)
    assert source.choices == ("default/train", "default/validation")
    assert rows == [{"q": "train-00000-of-00001"}]


def test_a_card_cannot_lead_out_of_its_folder(tmp_path):
    (tmp_path / "secret.jsonl").write_bytes(JSONL)
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    for pattern in ("../secret.jsonl", "link.jsonl", str(tmp_path / "secret.jsonl")):
        head = json.dumps({"configs": [{"config_name": "a", "data_files": pattern}]})
        (folder / "README.md").write_text(f"---\n{head}\n---\n")
        with pytest.raises(InvalidInput, match="holds no data file"):
            folder_rows(folder)


def test_what_hugging_face_saves_to_disk(tmp_path):
    made = hub.DatasetDict({"train": hub.Dataset.from_list(ROWS), "test": hub.Dataset.from_list(ROWS[:1])})
    made.save_to_disk(str(tmp_path / "both"))
    assert folder_rows(tmp_path / "both")[1] == ROWS
    assert folder_rows(tmp_path / "both", "test")[1] == ROWS[:1]
    made["test"].save_to_disk(str(tmp_path / "one"))
    assert folder_rows(tmp_path / "one")[1] == ROWS[:1]


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(InvalidInput, match="holds no data file"):
        folder_rows(tmp_path)
