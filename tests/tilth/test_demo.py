"""The demonstration command: curate, publish, export, rate and publish in one go, and again."""

from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from labeling.actions import publications
from labeling.models import annotations
from labeling.models.campaigns import Campaign
from tests.curation.story import write_story
from tests.faults.jobs_fleet import PACE
from tilth.accounts.models import AuditEntry
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.datasets.models import DatasetVersion
from tilth.errors import TilthError
from tilth.loop import demo_ratings
from tilth.loop.chromium import executable
from tilth.storage import Storage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def quick(settings: Any, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of this test's own, jobs at the tests' pace, and a second to think better of a submission."""
    for name, value in PACE.items():
        setattr(settings, f"{name.removeprefix('TILTH_')}_SECONDS", float(value))
    settings.VAR, settings.SCRATCH = tmp_path, tmp_path / "scratch"
    for module in (annotations, publications, demo_ratings):
        monkeypatch.setattr(module, "UNDO", timedelta(seconds=1))
    return tmp_path


def parents_of(storage: Storage, version: DatasetVersion) -> list[str]:
    key = manifest_key(version.dataset.name, version.number)
    return Manifest.from_json(storage.read_bytes(key)).parents


def test_it_goes_through_the_whole_product_and_again(quick: Path, storage: Storage):
    warc = write_story(quick)
    for number in (1, 2):
        output = StringIO()
        call_command("demo", warc=[str(warc)], pages=12, stdout=output)
        version = DatasetVersion.objects.get(dataset__name="demo", number=number)
        assert version.state == "published"
        assert version.rows > 0
        folder = quick / "demo" / f"demo-{number}"
        assert (folder / "README.md").exists()
        assert list(folder.glob("data/**/*.parquet"))
        assert f"/datasets/demo/{number}/" in output.getvalue()
        ratings = DatasetVersion.objects.get(dataset__name="demo-ratings", number=number)
        assert (ratings.state, ratings.dataset.kind) == ("published", "ratings")
        assert f"/datasets/demo-ratings/{number}/" in output.getvalue()
        campaign = Campaign.objects.get(name=f"demo-ratings-{number}")
        tasks = campaign.tasks.count()
        assert 0 < tasks <= 20
        assert campaign.annotations.count() == ratings.rows == 2 * tasks
        assert version.reference in parents_of(storage, ratings)
    audited = AuditEntry.objects.filter(verb="annotation.submit").values_list("user__name", flat=True)
    assert set(audited) == {"Ada (demonstration)", "Ben (demonstration)"}


def test_a_missing_file_is_named(quick: Path):
    with pytest.raises(CommandError, match="nowhere"):
        call_command("demo", warc=[str(quick / "nowhere.warc.gz")], stdout=StringIO())


def test_a_chromium_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TILTH_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(TilthError, match="no Chromium at /nowhere/chromium"):
        executable("/bundled")
