"""The import from file to version: report, thresholds, ids, parts, and the command."""

import csv
import io
import json

import pytest
from django.core.management import CommandError, call_command

from tilth.datasets.import_ import run
from tilth.datasets.import_.run import ImportPlan, run_import
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.datasets.reader import read_table
from tilth.datasets.schemas import row_id
from tilth.datasets.token_files import read_tokens
from tilth.errors import InvalidInput
from tilth.jobs.models import Job
from tilth.jobs.reporting import Reporter


@pytest.fixture
def write(tmp_path):
    def make(rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text(
            "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in rows), encoding="utf-8"
        )
        return path

    return make


@pytest.fixture
def go(tmp_path):
    """``go(path, kind, …)`` runs an import without a job: (result, manifest, rows, reporter)."""

    def start(path, kind, folder="work", **options):
        reporter = Reporter.null(tmp_path / folder, quiet=True)
        result = run_import(ImportPlan({"path": str(path)}, "sums", 1, kind, **options), reporter)
        manifest = Manifest.from_json(reporter.storage.read_bytes(result["manifest_key"]))
        rows = (
            []
            if kind == "tokens"
            else read_table(reporter.storage, manifest.folder, manifest.shards, kind).to_pylist()
        )
        return result, manifest, rows, reporter

    return start


def sums(count):
    return [{"question": f"{n}+1?", "answer": str(n + 1)} for n in range(count)]


def test_rows_come_in_with_ids_that_stay(write, go):
    path = write(sums(1200))
    result, manifest, rows, _ = go(path, "problems")
    assert (result["rows"], result["bad"], result["duplicates"]) == (1200, 0, 0)
    assert rows[0]["prompt"][0]["content"] == "0+1?" and rows[1199]["answer"] == "1200"
    sha256 = manifest.recipe["files"][0]["sha256"]
    assert rows[4]["id"] == row_id(sha256, 5)
    assert len({row["id"] for row in rows}) == 1200
    [source] = manifest.statistics["sources"]["files"]
    assert (source["name"], source["sha256"]) == ("rows.jsonl", sha256)
    assert (source["read"], source["kept"]) == (1200, 1200) and str(path.parent) not in manifest.to_json()
    again = go(path.rename(path.with_name("moved.jsonl")), "problems", folder="again")
    assert [shard.sha256 for shard in again[1].shards] == [shard.sha256 for shard in manifest.shards]
    assert manifest.statistics["rows"] == 1200 and manifest.producer == "import"


def test_bad_rows_are_reported_by_row_and_field_and_good_ones_loaded(write, go):
    rows = sums(20)
    rows[2] = {"question": "no answer?"}
    rows[16] = '{"question": broken\n'
    rows[18] = {"question": {"a": 1}, "answer": "=1+1"}
    result, manifest, kept, reporter = go(write(rows), "problems", max_bad_share=0.2)
    assert (result["rows"], result["bad"]) == (17, 3) and len(kept) == 17
    assert manifest.missing == [{"what": "bad rows", "rows": 3}]
    assert (manifest.statistics["sources"]["read"], manifest.statistics["sources"]["kept"]) == (20, 17)
    lines = [json.loads(x) for x in reporter.storage.read_bytes(result["errors"]["jsonl"]).splitlines()]
    assert [(x["row"], x["field"]) for x in lines] == [(3, "answer"), (17, ""), (19, "prompt")]
    table = list(csv.DictReader(io.StringIO(reporter.storage.read_bytes(result["errors"]["csv"]).decode())))
    assert [(x["file"], x["row"]) for x in table] == [
        ("rows.jsonl", "3"),
        ("rows.jsonl", "17"),
        ("rows.jsonl", "19"),
    ]
    assert result["first_errors"] == lines


def test_too_many_bad_rows_fail_and_name_the_first(write, go):
    rows = sums(10)
    rows[4] = {"question": "?"}
    with pytest.raises(InvalidInput, match=r"1 of 10 rows are bad.*row 5, answer"):
        go(write(rows), "problems")
    with pytest.raises(InvalidInput, match="no row could be imported"):
        go(write([{"question": "?", "answer": ""}]), "problems", max_bad_share=1.0)


def test_a_file_of_nothing_but_bad_rows_is_given_up_early(write, go):
    with pytest.raises(InvalidInput, match="first 1,000 rows are all bad"):
        go(write([{"question": "?", "answer": None}] * 3000), "problems", max_bad_share=1.0)


def test_a_file_that_breaks_off_fails_whole(tmp_path, go):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(sums(50))[:-40])
    with pytest.raises(InvalidInput, match="damaged after row"):
        go(path, "problems")


def test_repeated_ids_are_left_out_and_reported(write, go):
    rows = [{"key": n % 4, "question": str(n), "answer": "x"} for n in range(6)]
    mapping = {"id": "key", "prompt": "user:question", "answer": "answer"}
    result, manifest, kept, reporter = go(write(rows), "problems", mapping=mapping)
    assert (result["rows"], result["duplicates"]) == (4, 2)
    assert [row["prompt"][0]["content"] for row in kept] == ["0", "1", "2", "3"]
    lines = reporter.storage.read_bytes(result["errors"]["jsonl"]).decode()
    assert lines.count("same id") == 2
    assert manifest.missing == [{"what": "rows with an id met before", "rows": 2}]


def test_the_report_does_not_grow_without_bound_and_is_safe_in_spreadsheets(write, go, monkeypatch):
    monkeypatch.setattr(run, "MAX_REPORTED", 5)
    rows = sums(1) + [{"question": f"={n}", "answer": {"=cmd()": 1}} for n in range(9)]
    result, _, _, reporter = go(write(rows, "=evil.jsonl"), "problems", max_bad_share=0.99)
    table = reporter.storage.read_bytes(result["errors"]["csv"]).decode().splitlines()
    assert len(table) == 6 and table[1].startswith("'=evil.jsonl")


def test_tokens_come_in_flat(write, go):
    path = write([{"id": "a", "tokens": [1, 2, 3]}, {"id": "b", "tokens": []}, {"id": "c", "tokens": [9]}])
    result, manifest, _, reporter = go(
        path,
        "tokens",
        mapping={"id": "id", "tokens": "tokens"},
        tokenizer="gpt2",
        vocabulary=50257,
        max_bad_share=0.5,
    )
    back = [(i, t.tolist()) for i, t, _ in read_tokens(reporter.storage, manifest.folder, manifest.shards)]
    assert back == [(row_id("a"), [1, 2, 3]), (row_id("c"), [9])]
    assert manifest.tokens == {"count": 4, "tokenizer": "gpt2"} and result["bad"] == 1


def test_documents_with_signals_come_back_as_they_were_exported(write, go):
    row = {
        "id": row_id("x"),
        "text": "t",
        "source": "crawl/a",
        "record_offset": 9,
        "date": "2026-01-02T03:04:05Z",
        "signals": {"words": 1.0, "stop_words": 2.0},
    }
    _, _, [back], _ = go(write([row]), "documents")
    assert (back["id"], back["source"], back["record_offset"]) == (row["id"], "crawl/a", 9)
    assert back["signals"] == {"words": 1.0, "stop_words": 2.0, "tokens": None}


def command(*arguments):
    out = io.StringIO()
    call_command("import", *arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.django_db(transaction=True)
def test_the_command_publishes_and_prints_one_object(write, storage):
    path = write([{"q": "1+1?", "result": 2, "where": "school"}] * 3)
    answer = command(
        str(path),
        "--kind",
        "problems",
        "--name",
        "sums",
        "--map",
        "prompt=user:q",
        "--map",
        "answer=result",
        "--map",
        "verifier==exact",
        "--licence",
        "mit",
    )
    assert (answer["version"], answer["rows"], answer["state"]) == ("sums@1", 3, "succeeded")
    version = DatasetVersion.objects.get()
    assert version.state == "published" and version.dataset.licence == "MIT"
    manifest = Manifest.from_json(storage.read_bytes(version.manifest_key))
    [row, *_] = read_table(storage, version.folder, manifest.shards, "problems").to_pylist()
    assert (row["answer"], row["verifier"]) == ("2", "exact")
    assert (
        command(
            str(path),
            "--kind",
            "problems",
            "--name",
            "sums",
            "--append",
            "--map",
            "prompt=user:q",
            "--map",
            "answer=result",
        )["version"]
        == "sums@2"
    )


@pytest.mark.django_db(transaction=True)
def test_an_import_that_fails_publishes_nothing_and_frees_the_name(write, storage):
    rows = sums(300)
    rows[250:] = [{"question": "?"}] * 50
    path = write(rows)
    with pytest.raises(CommandError, match="nothing was published: 50 of 300 rows are bad"):
        command(str(path), "--kind", "problems", "--name", "sums")
    version = DatasetVersion.objects.get()
    assert version.state == "failed" and "50 of 300" in version.note
    assert storage.list("datasets") == []
    answer = command(str(path), "--kind", "prompts", "--name", "sums", "--map", "messages=user:question")
    assert answer["version"] == "sums@2" and Dataset.objects.get().kind == "prompts"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--kind", "poems"], "no kind 'poems'"),
        (["--kind", "problems", "--map", "prompt=user:query"], "no field 'query'"),
        (["--kind", "ratings"], "nothing is mapped to"),
        (["--kind", "problems", "--licence", "gratis"], "not a licence"),
        (["--kind", "problems", "--max-bad-share", "7"], "between 0 and 1"),
        (["--kind", "problems", "--name", "No Name"], "is not a name"),
        (["--kind", "problems", "--map", "prompt"], "is no mapping"),
    ],
)
def test_bad_arguments_are_said_and_nothing_is_left(write, storage, arguments, said):
    with pytest.raises(CommandError, match=said):
        command(str(write(sums(3))), "--name", "sums", *arguments)
    assert not Job.objects.exists() and not Dataset.objects.exists()


@pytest.mark.django_db
def test_files_that_cannot_be_read_are_said(tmp_path, storage):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    for name, said in [
        ("none.jsonl", "no file or folder"),
        ("empty.jsonl", "is empty"),
        ("picture.png", "no file that"),
    ]:
        with pytest.raises(CommandError, match=said):
            command(str(tmp_path / name), "--kind", "problems", "--name", "sums")
    assert not Job.objects.exists() and not Dataset.objects.exists()


def test_columns_left_behind_are_named_even_when_they_come_late(write, go):
    rows = [{"instruction": "i", "input": "", "output": "o", "meta": 1} for _ in range(300)]
    rows[-1] = {"instruction": "Sort.", "input": "b a", "output": "a b", "late": True}
    result, manifest, kept, _ = go(write(rows), "completions")
    assert result["unused_columns"] == manifest.recipe["unused_columns"] == ["meta", "late"]
    assert kept[-1]["prompt"][0]["content"] == "Sort.\n\nb a"


@pytest.mark.django_db(transaction=True)
def test_the_command_names_what_it_leaves_behind_and_errors_only_where_there_are_any(write, storage):
    path = write([{**row, "hint": "h"} for row in sums(3)])
    answer = command(str(path), "--kind", "problems", "--name", "sums")
    assert answer["unused_columns"] == ["hint"] and "errors" not in answer
    out = io.StringIO()
    call_command("import", str(path), "--kind", "problems", "--name", "more", stdout=out)
    assert (
        out.getvalue()
        .strip()
        .endswith("3 rows. Columns left behind, since nothing is mapped from them: hint.")
    )
    bad = write([*sums(30), {"question": "?"}])
    assert set(command(str(bad), "--kind", "problems", "--name", "bad")["errors"]) == {"csv", "jsonl"}
