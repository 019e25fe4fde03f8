"""The demonstration command: curate, publish and export in one go, and again."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.curation.story import write_story
from tests.faults.jobs_fleet import PACE
from tilth.datasets.models import DatasetVersion
from tilth.storage import Storage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def quick(settings: Any, storage: Storage, tmp_path: Path) -> Path:
    """A folder of this test's own, and jobs at the tests' pace."""
    for name, value in PACE.items():
        setattr(settings, f"{name.removeprefix('TILTH_')}_SECONDS", float(value))
    settings.VAR, settings.SCRATCH = tmp_path, tmp_path / "scratch"
    return tmp_path


def test_it_goes_through_the_whole_product_and_again(quick: Path):
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


def test_a_missing_file_is_named(quick: Path):
    with pytest.raises(CommandError, match="nowhere"):
        call_command("demo", warc=[str(quick / "nowhere.warc.gz")], stdout=StringIO())
