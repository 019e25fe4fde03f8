"""``manage.py export``: what it writes, prints and refuses."""

import json
from io import StringIO
from pathlib import Path

import pandas
import pytest
from django.core.management import CommandError, call_command

from tests.tilth.published import document, publish
from tilth.accounts.models import AuditEntry
from tilth.datasets.models import DatasetVersion
from tilth.storage import Storage

pytestmark = pytest.mark.django_db


@pytest.fixture
def notes(storage: Storage) -> DatasetVersion:
    return publish(storage, "field-notes", "documents", [document(n) for n in range(60)])


def export(*arguments: str) -> str:
    out = StringIO()
    call_command("export", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


@pytest.mark.parametrize("name", ["parquet", "jsonl", "hf"])
def test_it_writes_into_the_folder_and_says_what(notes: DatasetVersion, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    printed = export("field-notes@1", "--format", name, "--out", str(out))
    files = [path for path in out.rglob("*") if path.is_file()]
    assert all(str(path) in printed for path in files)
    assert "60 rows" in printed
    assert AuditEntry.objects.filter(verb="version.export", system="command line").exists()


def test_json_is_one_object(notes: DatasetVersion, tmp_path: Path) -> None:
    printed = export("field-notes@1", "--out", str(tmp_path / "out"), "--json")
    written = json.loads(printed)
    assert (written["version"], written["format"], written["rows"]) == ("field-notes@1", "parquet", 60)
    frame = pandas.concat(pandas.read_parquet(file["path"]) for file in written["files"])
    assert frame["record_offset"].tolist() == list(range(60))


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("field-notes@7", "field-notes@7 does not exist. Published versions of field-notes: field-notes@1"),
        ("nothing@1", "Published versions of nothing: none"),
        ("field-notes", "is not a reference"),
        ("job:7", "is not a dataset version"),
    ],
)
def test_an_unknown_version_is_an_error(
    notes: DatasetVersion, tmp_path: Path, version: str, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        export(version, "--out", str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_not_empty_needs_force(notes: DatasetVersion, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep me")
    with pytest.raises(CommandError, match="is not empty"):
        export("field-notes@1", "--out", str(tmp_path))
    export("field-notes@1", "--out", str(tmp_path), "--force")
    assert (tmp_path / "mine.txt").read_text() == "keep me"
    with pytest.raises(CommandError, match="no column"):
        export("field-notes@1", "--out", str(tmp_path / "other"), "--columns", "colour")
