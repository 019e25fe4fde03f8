"""Exports of every format, read back by the tool each is named for."""

import gzip
import hashlib
import io
import json
import uuid
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import mlcroissant
import pandas
import pyarrow.json
import pyarrow.parquet as pq
import pytest

from tilth.datasets import schemas, statistics
from tilth.datasets.card import About
from tilth.datasets.export.options import Options
from tilth.datasets.export.run import export_to_folder, export_to_storage, make_source
from tilth.datasets.export.source import DamagedFile, Source
from tilth.datasets.export.target import Folder
from tilth.datasets.manifest import Manifest
from tilth.datasets.token_files import TokenWriter
from tilth.datasets.writer import DatasetWriter
from tilth.errors import Conflict, InvalidInput
from tilth.storage import Storage

CALL = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"city": "Oslo"}'}}
OTHER_CALL = {"id": "c2", "type": "function", "function": {"name": "add", "arguments": '{"numbers": [1, 2]}'}}
TOOLS = '[{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}]'


def documents(count: int) -> list[dict]:
    return [
        {
            "id": schemas.row_id("test", n),
            "text": f"Text {n} with <b>markup</b>, a comma,\nlines and ünïcode \u2028 🌾",
            "url": f"https://example.org/{n}",
            "domain": "example.org",
            "date": datetime(2026, 5, 1, 12, 0, n % 60, 5, tzinfo=UTC),
            "source": "test",
            "record_offset": n,
            "language": "en" if n % 4 else "de",
            "language_score": None if n == 3 else n / 100,
            "signals": {"tokens": 1.0, "words": None},
            "cluster_size": 1,
        }
        for n in range(count)
    ]


def conversations() -> list[dict]:
    turns = [
        [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
        ],
        [
            {"role": "user", "content": "Weather in Oslo?"},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "content": "rain", "tool_call_id": "c1", "name": "look_up"},
            {"role": "assistant", "content": "Rain."},
        ],
        [
            {"role": "user", "content": "1+2"},
            {"role": "assistant", "content": "", "tool_calls": [OTHER_CALL]},
        ],
    ]
    return [
        {"id": schemas.row_id("chat", n), "messages": messages, "tools": TOOLS if n else None}
        for n, messages in enumerate(turns)
    ]


def preferences() -> list[dict]:
    return [
        {
            "id": schemas.row_id("pair", n),
            "prompt": [{"role": "user", "content": f"Question {n // 2}"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
            "strength": 2,
            "group": f"g{n // 2}",
            "provenance": {"campaign": "campaign:4", "created_at": datetime(2026, 1, 1, tzinfo=UTC)},
        }
        for n in range(60)
    ]


def publish(storage: Storage, kind: str, rows: list[dict], parts: int = 1) -> Manifest:
    """A version on storage, in ``parts`` shards, with its statistics."""
    shards = []
    size = -(-len(rows) // parts)
    for part in range(parts):
        writer = DatasetWriter(storage, f"datasets/field-notes/3/a{part}", kind)
        writer.write(rows[part * size : (part + 1) * size])
        shards += writer.close()
    numbers = statistics.collect(storage, shards, kind, "datasets/field-notes/3")
    return Manifest(
        "field-notes",
        3,
        kind,
        schemas.schema(kind).version,
        shards,
        numbers,
        producer="test",
        tokens=numbers["tokens"],
    )


ABOUT = About('Field notes: "all" of them', "Notes *from* the field.", "CC-BY-4.0", "2026-05-02")


def ignore(rows: int) -> None:
    """Nobody watches the progress."""


def to_folder(storage: Storage, manifest: Manifest, name: str, path: Path, **options: object) -> Path:
    source, chosen = make_source(storage, manifest, name, Options.of(options), ABOUT)
    export_to_folder(source, chosen, Folder.prepare(path), ignore)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Storage:
    return Storage(str(tmp_path / "storage"))


@pytest.fixture
def hf_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    datasets.disable_progress_bars()
    return datasets


def test_parquet_export_is_the_shards_themselves(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "documents", documents(50), parts=2)
    folder = to_folder(store, manifest, "parquet", tmp_path / "out")
    files = sorted(folder.iterdir())
    assert [path.name for path in files] == ["train-00000-of-00002.parquet", "train-00001-of-00002.parquet"]
    assert [hashlib.sha256(path.read_bytes()).hexdigest() for path in files] == [
        s.sha256 for s in manifest.shards
    ]
    frame = pandas.concat([pandas.read_parquet(path) for path in files])
    assert frame["record_offset"].tolist() == list(range(50))


def test_chosen_columns_alone_are_exported(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "documents", documents(20))
    folder = to_folder(store, manifest, "parquet", tmp_path / "p", columns=["text", "id"])
    assert pq.read_schema(folder / "train-00000-of-00001.parquet").names == ["id", "text"]
    folder = to_folder(store, manifest, "jsonl", tmp_path / "j", columns=["url"])
    first = (folder / "field-notes-3.jsonl").read_text().splitlines()[0]
    assert json.loads(first) == {"url": "https://example.org/0"}
    with pytest.raises(InvalidInput, match="no column 'nope'; there are id, text"):
        make_source(store, manifest, "parquet", Options(("nope",)), ABOUT)


def test_jsonl_is_read_by_pandas_and_pyarrow_and_keeps_every_value(store: Storage, tmp_path: Path) -> None:
    rows = documents(40)
    rows[5]["language_score"] = float("nan")
    manifest = publish(store, "documents", rows)
    path = to_folder(store, manifest, "jsonl", tmp_path / "out") / "field-notes-3.jsonl"
    lines = path.read_bytes().decode().split("\n")
    assert len(lines) == 41 and lines[-1] == ""
    read = json.loads(lines[4])
    assert read["text"] == rows[4]["text"]
    assert read["date"] == "2026-05-01T12:00:04.000005+00:00"
    assert json.loads(lines[5])["language_score"] is None
    assert pandas.read_json(path, lines=True)["text"].tolist() == [row["text"] for row in rows]
    assert pyarrow.json.read_json(path).num_rows == 40


def test_gzip_is_the_same_bytes_each_time(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "documents", documents(40))
    one = to_folder(store, manifest, "jsonl", tmp_path / "a", gzip=True) / "field-notes-3.jsonl.gz"
    two = to_folder(store, manifest, "jsonl", tmp_path / "b", gzip=True) / "field-notes-3.jsonl.gz"
    assert one.read_bytes() == two.read_bytes()
    plain = to_folder(store, manifest, "jsonl", tmp_path / "c") / "field-notes-3.jsonl"
    assert gzip.decompress(one.read_bytes()) == plain.read_bytes()


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("documents", documents(30)), ("conversations", conversations()), ("preferences", preferences())],
)
def test_hugging_face_loads_the_folder(
    kind: str, rows: list[dict], store: Storage, tmp_path: Path, hf_offline
) -> None:
    manifest = publish(store, kind, rows, parts=2 if kind == "documents" else 1)
    folder = to_folder(store, manifest, "hf", tmp_path / "out", validation=0.3, seed=1)
    loaded = hf_offline.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert set(loaded) == {"train", "validation"}
    both = loaded["train"]["id"][:] + loaded["validation"]["id"][:]
    assert sorted(both) == sorted(row["id"] for row in rows)
    builder = hf_offline.load_dataset_builder(str(folder), cache_dir=str(tmp_path / "cache"))
    assert builder.info.features == loaded["train"].features


def test_the_front_matter_is_yaml_whatever_the_title(store: Storage, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    manifest = publish(store, "documents", documents(10))
    hostile = About(
        'x"\n---\nlicense: mit\n# \x85\u2028 🌾: [', "---\nnot: front matter\n---", "My Own: licence"
    )
    source, chosen = make_source(store, manifest, "hf", Options(), hostile)
    export_to_folder(source, chosen, Folder.prepare(tmp_path / "out"), ignore)
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.pretty_name == hostile.title
    assert card.data.license == "other"
    assert card.data.license_name == "my-own-licence"
    assert card.data.language == ["de", "en"]
    assert card.data.size_categories == ["n<1K"]


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("documents", documents(12)), ("conversations", conversations()), ("preferences", preferences())],
)
def test_croissant_is_valid_and_readable(kind: str, rows: list[dict], store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, kind, rows, parts=2)
    folder = to_folder(store, manifest, "hf", tmp_path / "out")
    dataset = mlcroissant.Dataset(str(folder / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert not dataset.metadata.ctx.issues.warnings
    records = list(dataset.records("rows"))
    assert [
        record["rows/id"].decode() if isinstance(record["rows/id"], bytes) else record["rows/id"]
        for record in records
    ] == [row["id"] for row in rows]
    if kind == "conversations":
        assert [turn["rows/messages/role"].decode() for turn in records[1]["rows/messages"]] == [
            "user",
            "assistant",
            "tool",
            "assistant",
        ]
    hashes = {
        d["@id"]: d["sha256"]
        for d in json.loads((folder / "croissant.json").read_text())["distribution"]
        if "sha256" in d
    }
    assert hashes == {
        f"data/{path.name}": hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (folder / "data").iterdir()
    }


def test_openai_lines_carry_tools_and_no_nulls(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "conversations", conversations())
    path = to_folder(store, manifest, "openai", tmp_path / "out") / "field-notes-3.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[0] == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
        ]
    }
    assert rows[1]["tools"] == json.loads(TOOLS)
    assert rows[1]["messages"][1] == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert rows[1]["messages"][2] == {
        "role": "tool",
        "content": "rain",
        "name": "look_up",
        "tool_call_id": "c1",
    }


def test_openai_pairs(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "preferences", preferences())
    path = to_folder(store, manifest, "openai", tmp_path / "out") / "field-notes-3.jsonl"
    assert json.loads(path.read_text().splitlines()[0]) == {
        "input": {
            "messages": [{"role": "user", "content": "Question 0"}],
            "tools": [],
            "parallel_tool_calls": True,
        },
        "preferred_output": [{"role": "assistant", "content": "good"}],
        "non_preferred_output": [{"role": "assistant", "content": "bad"}],
    }


@pytest.mark.parametrize("name", ["openai", "sharegpt", "trl"])
@pytest.mark.parametrize(
    ("kind", "rows"), [("conversations", conversations()), ("preferences", preferences())]
)
def test_chat_lines_load_as_a_dataset(
    name: str, kind: str, rows: list[dict], store: Storage, tmp_path: Path, hf_offline
) -> None:
    path = to_folder(store, publish(store, kind, rows), name, tmp_path / "out") / "field-notes-3.jsonl"
    loaded = hf_offline.load_dataset(
        "json", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded.num_rows == len(rows)


def test_sharegpt_turns(store: Storage, tmp_path: Path) -> None:
    path = (
        to_folder(store, publish(store, "conversations", conversations()), "sharegpt", tmp_path / "c")
        / "field-notes-3.jsonl"
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [turn["from"] for turn in rows[1]["conversations"]] == [
        "human",
        "function_call",
        "observation",
        "gpt",
    ]
    assert json.loads(rows[1]["conversations"][1]["value"]) == {
        "name": "look_up",
        "arguments": {"city": "Oslo"},
    }
    assert rows[0]["conversations"][0] == {"from": "system", "value": "Be brief."}


def test_trl_rows_are_conversational_with_decoded_arguments(store: Storage, tmp_path: Path) -> None:
    path = (
        to_folder(store, publish(store, "conversations", conversations()), "trl", tmp_path / "c")
        / "field-notes-3.jsonl"
    )
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert rows[1]["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"city": "Oslo"}


def test_pairs_of_one_prompt_stay_in_one_split(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "preferences", preferences())
    folder = to_folder(store, manifest, "jsonl", tmp_path / "out", validation=0.3, seed=7)
    groups = {
        split: {json.loads(line)["group"] for line in (folder / f"{split}.jsonl").read_text().splitlines()}
        for split in ("train", "validation")
    }
    assert groups["validation"] and groups["train"]
    assert not groups["train"] & groups["validation"]
    again = to_folder(store, manifest, "jsonl", tmp_path / "again", validation=0.3, seed=7)
    assert (again / "validation.jsonl").read_bytes() == (folder / "validation.jsonl").read_bytes()
    other = to_folder(store, manifest, "jsonl", tmp_path / "other", validation=0.3, seed=8)
    assert (other / "validation.jsonl").read_bytes() != (folder / "validation.jsonl").read_bytes()


def to_store(store: Storage, manifest: Manifest, name: str, prefix: str, **options: object):
    source, chosen = make_source(store, manifest, name, Options.of(options), ABOUT)
    return export_to_storage(source, chosen, store, prefix, ignore)


def test_several_files_become_one_zip_that_is_the_same_each_time(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "documents", documents(30), parts=2)
    one = to_store(store, manifest, "hf", "exports/a")
    two = to_store(store, manifest, "hf", "exports/b")
    assert one.key == "exports/a/field-notes-3-hf.zip"
    assert (one.sha256, one.bytes) == (two.sha256, two.bytes)
    data = store.read_bytes(one.key)
    assert (hashlib.sha256(data).hexdigest(), len(data)) == (one.sha256, one.bytes)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            "field-notes-3/data/train-00000-of-00002.parquet",
            "field-notes-3/data/train-00001-of-00002.parquet",
            "field-notes-3/README.md",
            "field-notes-3/croissant.json",
        ]


def test_one_file_is_stored_as_itself(store: Storage) -> None:
    manifest = publish(store, "documents", documents(30))
    assert (
        to_store(store, manifest, "jsonl", "exports/a", gzip=True).key == "exports/a/field-notes-3.jsonl.gz"
    )
    parquet = to_store(store, manifest, "parquet", "exports/a")
    assert parquet.key == "exports/a/field-notes-3.parquet"
    assert parquet.sha256 == manifest.shards[0].sha256


def test_a_damaged_shard_stops_the_export_and_leaves_nothing(store: Storage, tmp_path: Path) -> None:
    manifest = publish(store, "documents", documents(30), parts=2)
    key = f"datasets/field-notes/3/{manifest.shards[1].path}"
    data = bytearray(store.read_bytes(key))
    data[100] ^= 1
    store.write_bytes(key, bytes(data))
    with pytest.raises(DamagedFile, match="sha256"):
        to_folder(store, manifest, "parquet", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(DamagedFile):
        to_store(store, manifest, "parquet", "exports/a")
    assert store.list("exports") == []


def test_options_and_formats_that_do_not_exist_say_so(store: Storage) -> None:
    manifest = publish(store, "documents", documents(3))
    with pytest.raises(InvalidInput, match="choose one of parquet, jsonl, hf"):
        make_source(store, manifest, "trl", Options(), ABOUT)
    with pytest.raises(InvalidInput, match="0 to 0.5"):
        Options.of({"validation": 0.7})
    with pytest.raises(InvalidInput, match="no export option"):
        Options.of({"colour": "blue"})
    with pytest.raises(InvalidInput, match="Export options are"):
        Options.of({"seed": "many"})


def test_a_folder_with_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(Conflict, match="--force"):
        Folder.prepare(tmp_path)
    with pytest.raises(Conflict, match="is a file"):
        Folder.prepare(tmp_path / "mine.txt")
    assert Folder.prepare(tmp_path, force=True).path == tmp_path


def test_memory_while_exporting_does_not_grow_with_the_rows(store: Storage) -> None:
    manifest = publish(store, "documents", documents(2000), parts=3)
    source, _ = make_source(store, manifest, "jsonl", Options(validation=0.1), ABOUT)
    sizes = [table.num_rows for table in source.batches("train")]
    assert max(sizes) <= 512
    assert isinstance(source, Source)


def test_an_object_store_gives_the_same_bytes(store: Storage) -> None:
    far = Storage(f"memory://export-{uuid.uuid4().hex}")
    near = to_store(store, publish(store, "documents", documents(30), parts=2), "hf", "exports/a")
    there = to_store(far, publish(far, "documents", documents(30), parts=2), "hf", "exports/a")
    assert (near.sha256, near.bytes) == (there.sha256, there.bytes)


def test_token_files_are_copied_as_they_are(store: Storage, tmp_path: Path) -> None:
    writer = TokenWriter(store, "datasets/field-notes/3/a0", "gpt2", 50_257)
    writer.write("a", [1, 2, 3])
    writer.write("b", [4, 5])
    manifest = Manifest("field-notes", 3, "tokens", 1, writer.close())
    folder = to_folder(store, manifest, "bin", tmp_path / "out")
    for file in manifest.files:
        assert hashlib.sha256((folder / file.path).read_bytes()).hexdigest() == file.sha256
    with pytest.raises(InvalidInput, match="choose one of bin"):
        make_source(store, manifest, "parquet", Options(), ABOUT)
