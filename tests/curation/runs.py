"""Curation runs for tests of pages and actions: a draft, and one that is done, with what a run leaves in the storage."""

from curation import actions
from curation.models import CurationRun
from curation.pipeline.funnel import Funnel, FunnelStep
from curation.pipeline.live import LIVE
from curation.pipeline.run import DROPS
from curation.pipeline.samples import write_rows
from tests.tilth.published import document, publish
from tilth.accounts.actors import Actor
from tilth.jobs.models import Job
from tilth.storage import Storage

ACTOR = Actor.system("test")
TEXT = "A good line.\nBUY NOW BUY NOW\nAnother good line."
SPAN = [TEXT.index("BUY"), TEXT.index("\nAnother")]


def draft(name: str, sources: tuple[str, ...] = ("cc:CC-MAIN-2026-20:0",), **options: object) -> CurationRun:
    """A draft with the recipe ``minimal``."""
    recipe = actions.pin_recipe(ACTOR, "minimal")
    return actions.draft_run(ACTOR, dataset_name=name, recipe=recipe, sources=list(sources), options=options)


def drop_row(number: int = 0, **changes: object) -> dict:
    """A sample of a dropped document, as a run keeps it."""
    row = {
        "id": "d" * 32 if number == 0 else f"{number:032x}",
        "step": "extract",
        "reason": "no_text",
        "value": 0.31,
        "limit": 0.2,
        "spans": [SPAN],
        "text": TEXT,
        "text_characters": len(TEXT),
        "url": "https://example.org/bad",
        "source": "cc:x.warc.gz",
        "record_offset": 10 + number,
        "record_length": 20,
        "crawl": "CC-MAIN-2026-20",
        "language": "en",
    }
    return {**row, **changes}


def funnel() -> Funnel:
    """Ten documents read, three dropped by extraction."""
    read, extract = FunnelStep("read", "Reading records"), FunnelStep("extract", "Main text")
    for _ in range(10):
        read.entered.add(100, 0)
        read.left.add(100, 0)
        extract.entered.add(100, 0)
    for _ in range(7):
        extract.left.add(50, 12)
    for _ in range(3):
        extract.drop("no_text", 100, 0)
    return Funnel([read, extract])


def finished(storage: Storage, name: str, rows: list[dict] | None = None) -> CurationRun:
    """A run that is done: a published version, a funnel, samples of drops."""
    run = draft(name)
    version = publish(storage, name, "documents", [document(n) for n in range(3)])
    job = Job.objects.create(
        kind="curate",
        state="succeeded",
        progress=1,
        result={"funnel": funnel().to_json()},
        title=f"Curate {name}",
    )
    CurationRun.objects.filter(pk=run.pk).update(version=version, job=job)
    run = CurationRun.objects.with_objects().get(pk=run.pk)
    write_rows(storage, f"{run.prefix}/{DROPS}", rows if rows is not None else [drop_row()])
    table = [
        {
            "source": "cc:x.warc.gz",
            "state": "done",
            "documents": 10,
            "kept": 7,
            "share": 1.0,
            "seconds": 1.5,
            "flags": ["keeps 7%; its siblings 70%"],
            "reason": "",
        }
    ]
    live = {
        "stage": "done",
        "workers": 2,
        "shards": {"total": 1, "done": 1, "failed": 0},
        "documents": 10,
        "rate": 5.0,
        "remaining_seconds": None,
        "funnel": funnel().to_json(),
        "table": table,
    }
    storage.write_json(f"{run.prefix}/{LIVE}", live)
    return run
