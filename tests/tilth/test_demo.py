"""The demonstration command: curate, publish, export, rate, publish and train in one go, and again."""

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
from tests.tilth.published import publish
from tests.training.conftest import sentences
from tests.training.launching import let_through
from tilth.accounts.models import AuditEntry
from tilth.datasets.lineage import ancestors
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.datasets.models import DatasetVersion
from tilth.datasets.schemas import row_id
from tilth.errors import TilthError
from tilth.jobs.models import Job
from tilth.loop import demo_ratings, demo_training
from tilth.loop.chromium import executable
from tilth.loop.demo_training import SMALL
from tilth.loop.management.commands.demo import Command
from tilth.storage import Storage
from training.actions.preflight import KIND as PREFLIGHT
from training.models.runs import Run

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


def test_it_goes_through_the_whole_product_and_again(
    quick: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(demo_training, "can_train", lambda: False)
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
        assert "make demo TRAINING=1" in output.getvalue()
    audited = AuditEntry.objects.filter(verb="annotation.submit").values_list("user__name", flat=True)
    assert set(audited) == {"Ada (demonstration)", "Ben (demonstration)"}


@pytest.mark.parametrize("checked", [("sft",), pytest.param(tuple(SMALL), marks=pytest.mark.full)])
def test_it_goes_on_to_a_tiny_model(
    quick: Path, storage: Storage, monkeypatch: pytest.MonkeyPatch, checked: tuple[str, ...]
):
    """A run of each stage, each made of what the one before made, and where to look at them.

    Preflights take longer than these runs: in short only the one over rows that the demonstration makes is made.
    """

    def carry_out(job: Job) -> Job:
        if job.kind == PREFLIGHT and job.params["stage"] not in checked:
            let_through(Run.objects.get(preflight=job))
            return job
        return demo_ratings.carried_out(job)

    monkeypatch.setattr(demo_training, "carried_out", carry_out)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    rows = [
        {"id": row_id("demo", n), "text": text, "source": "demo", "record_offset": n}
        for n, text in enumerate(" ".join(sentences(4, 4 * n)) for n in range(12))
    ]
    version = publish(storage, "demo", "documents", rows)
    output = StringIO()
    monkeypatch.setattr(Command, "curate", lambda *rest, **more: version)
    monkeypatch.setattr(Command, "rate", lambda *rest: version)
    call_command("demo", stdout=output)
    said = output.getvalue()
    tokenizer, pretrain, sft, evaluate = Run.objects.order_by("id")
    assert evaluate.version is not None and evaluate.version.state == "published"
    assert links(evaluate.version.reference) >= {
        ("demo-marks@1", evaluate.reference),
        (evaluate.reference, "demo-questions@1"),
        (evaluate.reference, sft.checkpoints.get().reference),
        (sft.reference, "demo-talks@1"),
        (sft.reference, pretrain.checkpoints.get().reference),
        (pretrain.reference, tokenizer.checkpoints.get().reference),
        (pretrain.reference, "demo@1"),
        (tokenizer.reference, "demo@1"),
        ("demo-talks@1", "demo@1"),
        ("demo-questions@1", "demo@1"),
    }
    for address in (f"/models/runs/{evaluate.pk}/", f"/models/{sft.checkpoints.get().reference}/"):
        assert address.replace("checkpoint:", "checkpoints/") in said
    assert "kept as demo-marks@1" in said


def links(reference: str) -> set[tuple[str, str]]:
    """Every step of lineage back from a reference."""
    return {(edge.child, edge.parent) for edge in ancestors(reference)}


def test_passages_are_asked_for_and_answered(quick: Path, storage: Storage):
    words = [f"word{n}" for n in range(24 * 20)]
    texts = [" ".join(words), "too short", "x" * 400 + " y" * 23]
    rows = [
        {"id": row_id("p", n), "text": text, "source": "p", "record_offset": n}
        for n, text in enumerate(texts)
    ]
    found = demo_training.passages(publish(storage, "p", "documents", rows))
    assert len(found) == 20
    assert (found[1].begins.split(), found[1].goes_on.split()) == (words[24:32], words[32:48])
    for number in range(6):
        row = demo_training.question(found, number)
        assert row["options"][row["answer"]] == found[number].goes_on
        assert len(set(row["options"])) == demo_training.OPTIONS and found[number].begins in row["question"]
    few = publish(storage, "few", "documents", rows[1:])
    with pytest.raises(TilthError, match="few@1 has 0 passages"):
        demo_training.passages(few)


def test_a_missing_file_is_named(quick: Path):
    with pytest.raises(CommandError, match="nowhere"):
        call_command("demo", warc=[str(quick / "nowhere.warc.gz")], stdout=StringIO())


def test_a_chromium_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TILTH_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(TilthError, match="no Chromium at /nowhere/chromium"):
        executable("/bundled")
