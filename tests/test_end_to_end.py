"""The main job by commands alone: curate, export, import back, and the same without a database.

The commands run as at the shell (exit status, stdout, stderr) with real child programs; bad input says what
is wrong on stderr, exits non-zero and publishes nothing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.conf import settings as django_settings
from django.core.management import load_command_class

from tests.curation.cc_server import common_crawl_server
from tests.curation.story import GOOD, write_story
from tests.faults.jobs_fleet import PACE
from tests.tilth.published import conversation, document, publish
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.storage import Storage

pytestmark = pytest.mark.django_db(transaction=True)
Shell = Callable[..., tuple[int, str, str]]
COMMANDS = {"curate": "curation", "export": "tilth.datasets", "import": "tilth.datasets"}
SAME = ("id", "url", "text", "language", "source", "record_offset", "record_length", "cluster_size")


@pytest.fixture
def shell(storage: Storage, settings: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Shell:
    """``shell("curate", …)`` runs a command as ``manage.py`` does: exit status, stdout, stderr."""
    for name, value in PACE.items():
        setattr(settings, f"{name.removeprefix('TILTH_')}_SECONDS", float(value))
    settings.SCRATCH = tmp_path / "scratch"

    def run(name: str, *arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        command, status = load_command_class(COMMANDS[name], name), 0
        try:
            command.run_from_argv(["manage.py", name, *map(str, arguments)])
        except SystemExit as error:
            status = int(error.code or 0)
        return status, *capfd.readouterr()

    return run


def rows_of(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.parquet"))
    return [row for file in files for row in pq.read_table(file, partitioning=None).to_pylist()]


def json_lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.open()]


def common(rows: list[dict[str, Any]], names: tuple[str, ...] = SAME) -> list[list[Any]]:
    return sorted([row[name] for name in names] for row in rows)


def without_a_database(*arguments: object) -> subprocess.CompletedProcess[str]:
    root = django_settings.ROOT
    paths = os.pathsep.join([str(root), str(root / "platform")])
    return subprocess.run(
        [sys.executable, "-m", "curation.pipeline", "run", *map(str, arguments)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_curate_export_import_and_the_pipeline_alone_agree(shell: Shell, tmp_path: Path) -> None:
    file = write_story(tmp_path / "crawl")
    status, out, err = shell("curate", file, "--name", "story", "--workers", 1, "--json")
    assert status == 0, err
    answer = json.loads(out)
    assert answer["version"] == "story@1"
    assert answer["seconds"] > 0
    assert len(answer["shards"]) == 1
    steps = answer["funnel"]["steps"]
    assert (steps[0]["out"]["documents"], steps[-1]["out"]["documents"]) == (12, len(GOOD))

    assert shell("export", "story@1", "--format", "parquet", "--out", tmp_path / "columns")[0] == 0
    assert shell("export", "story@1", "--format", "jsonl", "--out", tmp_path / "lines")[0] == 0
    columns, lines = rows_of(tmp_path / "columns"), json_lines(tmp_path / "lines")
    assert {row["url"].rsplit("/", 1)[1] for row in columns} == set(GOOD)
    assert common(lines) == common(columns)

    (exported,) = (tmp_path / "lines").rglob("*.jsonl")
    status, out, err = shell("import", exported, "--kind", "documents", "--name", "back", "--json")
    assert status == 0, err
    assert shell("export", "back@1", "--format", "parquet", "--out", tmp_path / "back")[0] == 0
    assert common(rows_of(tmp_path / "back"), ("text", "url")) == common(columns, ("text", "url"))

    alone = without_a_database(
        "--recipe", "fineweb", "--out", tmp_path / "alone", "--workers", 1, "--json", file
    )
    assert alone.returncode == 0, alone.stderr
    assert common(rows_of(tmp_path / "alone" / "data")) == common(columns)
    assert json.loads(alone.stdout)["funnel"] == answer["funnel"]


def published(storage: Storage) -> tuple[list[str], list[str]]:
    """Versions that exist or come to be, and manifests."""
    versions = DatasetVersion.objects.exclude(state=DatasetVersion.State.FAILED)
    manifests = [key for key in storage.list("datasets") if key.endswith("manifest.json")]
    return sorted(version.reference for version in versions), sorted(manifests)


def refused(shell: Shell, storage: Storage, *arguments: object, says: str) -> None:
    """The command exits non-zero, says what is wrong on stderr and nothing on stdout, and publishes nothing."""
    before = published(storage)
    status, out, err = shell(*arguments)
    assert status != 0
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert published(storage) == before


def test_a_file_that_is_missing(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    gone = tmp_path / "gone.warc.gz"
    refused(shell, storage, "curate", gone, "--name", "bad", says="gone.warc.gz")


def test_an_address_that_is_not_there(shell: Shell, storage: Storage) -> None:
    with common_crawl_server() as server:
        refused(shell, storage, "curate", f"{server.url}/gone.warc.gz", "--name", "bad", says="404")


def test_a_file_that_is_not_warc(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    file = tmp_path / "poem.warc.gz"
    file.write_text("Roses are red, and this is no archive.\n" * 50)
    refused(shell, storage, "curate", file, "--name", "bad", says="poem.warc.gz")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--recipe", "finewbe"], "fineweb, minimal"),
        (["--set", "language.minimun=0.5"], "minimun"),
        (["--set", "language.minimum=7"], "minimum"),
        (["--recipe", "broken.toml"], "broken.toml"),
        (["--workers", "0"], "workers"),
        (["--limit", "-3"], "limit"),
        (["--required-share", "2"], "required_share"),
        (["--append"], "without --append"),
        (["--retry"], "has failed or was cancelled"),
        (["--no-wait"], "No worker is running"),
    ],
)
def test_options_that_cannot_be(
    shell: Shell, storage: Storage, tmp_path: Path, arguments: list[str], says: str
) -> None:
    file = write_story(tmp_path)
    refused(shell, storage, "curate", file, "--name", "bad", *arguments, says=says)
    assert not Dataset.objects.exists(), "something was reserved for a run that cannot be"


def test_a_name_in_use(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    publish(storage, "taken", "documents", [document(0)])
    lines = tmp_path / "rows.jsonl"
    lines.write_text('{"text": "a"}\n')
    refused(shell, storage, "curate", write_story(tmp_path), "--name", "taken", says="already")
    refused(shell, storage, "import", lines, "--kind", "documents", "--name", "taken", says="in use")
    publish(storage, "chats", "conversations", [conversation("a", "b")])
    refused(shell, storage, "curate", write_story(tmp_path), "--name", "chats", "--new-version", says="chats")


def test_a_name_whose_run_failed_is_free_again(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    refused(shell, storage, "curate", tmp_path / "typo.warc.gz", "--name", "mine", says="typo.warc.gz")
    status, out, err = shell(
        "curate", write_story(tmp_path), "--name", "mine", "--recipe", "minimal", "--json"
    )
    assert status == 0, err
    assert json.loads(out)["version"] == "mine@2"


def test_no_source_and_a_name_that_is_none(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    refused(shell, storage, "curate", "--name", "bad", says="source")
    refused(shell, storage, "curate", write_story(tmp_path), "--name", "Not A Name", says="not a name")


def test_a_version_or_a_file_that_is_not_there(shell: Shell, storage: Storage, tmp_path: Path) -> None:
    refused(shell, storage, "export", "gone@1", "--out", tmp_path / "out", says="gone")
    gone = tmp_path / "gone.jsonl"
    refused(shell, storage, "import", gone, "--kind", "documents", "--name", "x", says="gone.jsonl")
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


def test_the_pipeline_alone_says_the_same(tmp_path: Path) -> None:
    done = without_a_database("--recipe", "finewbe", "--out", tmp_path / "out", write_story(tmp_path))
    assert done.returncode != 0
    assert "fineweb, minimal" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((tmp_path / "out").rglob("*.parquet")) == []
