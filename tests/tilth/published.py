"""Published versions for tests, made through the product's own writers and actions."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tilth.accounts.actors import Actor
from tilth.datasets import actions
from tilth.datasets.build import build_manifest
from tilth.datasets.models import Dataset, DatasetVersion
from tilth.datasets.schemas import row_id
from tilth.datasets.writer import DatasetWriter
from tilth.storage import Storage

ACTOR = Actor.system("test")


def document(n: int, **changes: Any) -> dict[str, Any]:
    """One document row."""
    row = {
        "id": row_id("test", n),
        "text": f"Document number {n} speaks of {'wheat' if n % 3 == 0 else 'barley'}.",
        "url": f"https://example.org/page/{n}",
        "domain": "example.org",
        "date": datetime(2026, 5, 1, tzinfo=UTC),
        "crawl": "CC-MAIN-2026-20",
        "source": "warc/1.warc.gz",
        "record_offset": n,
        "record_length": 10,
        "language": "en" if n % 4 else "de",
        "language_score": 0.5 + (n % 50) / 100,
        "cluster_size": 1,
    }
    return {**row, **changes}


def conversation(*contents: str) -> dict[str, Any]:
    """A conversation row: user and assistant in turn."""
    roles = ("user", "assistant")
    messages = [{"role": roles[n % 2], "content": content} for n, content in enumerate(contents)]
    return {"id": row_id(*contents), "messages": messages}


def preference(prompt: str, chosen: str, rejected: str) -> dict[str, Any]:
    """A preference row."""
    return {
        "id": row_id(prompt, chosen, rejected),
        "prompt": [{"role": "user", "content": prompt}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "strength": 2,
        "provenance": {"campaign": "campaign:4", "labeler": "p" * 32, "seconds": 12.0},
    }


def publish(
    storage: Storage,
    name: str,
    kind: str,
    rows: Iterable[dict[str, Any]],
    *,
    parents: Iterable[str] = (),
    recipe: dict[str, Any] | None = None,
    missing: Iterable[dict[str, Any]] = (),
    sources: Iterable[dict[str, Any]] = (),
    **fields: Any,
) -> DatasetVersion:
    """The next published version of a dataset, which is made where it is not there yet."""
    dataset = Dataset.objects.filter(name=name).first()
    dataset = dataset or actions.create_dataset(ACTOR, name, kind, **fields)
    version = actions.reserve_version(ACTOR, dataset)
    with DatasetWriter(storage, f"{version.folder}/1", kind) as writer:
        writer.write(list(rows))
    shards = writer.close()
    manifest = build_manifest(
        storage,
        name,
        version.number,
        kind,
        shards,
        producer="test",
        parents=parents,
        recipe=recipe,
        missing=missing,
        sources=sources,
    )
    return actions.publish_version(ACTOR, version, manifest)
