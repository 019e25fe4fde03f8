"""One shard through a recipe: from a source file to kept rows, counts, samples and deduplication keys.

Two stages, each with a marker that is written last and carries the hash of what it depends on:

* ``documents``: read → document steps → ``kept.rows``, ``drops.jsonl``, ``marker.json``
* ``keys``: kept rows → ``keys.bin``, ``marker.json``

under ``<shard>/documents-<hash>/`` and ``<shard>/keys-<hash>/``. A stage whose marker is there is not
run again: that is what resuming, retrying, appending and changing a late step rest on. Equal input
gives equal files; run times are in the marker alone.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from curation.pipeline import samples
from curation.pipeline.access import Access
from curation.pipeline.dedup.keyfile import write_keys, write_many
from curation.pipeline.dedup.lines import line_keys
from curation.pipeline.dedup.scopes import KeysOf
from curation.pipeline.document import Document
from curation.pipeline.engines.base import Watch
from curation.pipeline.kept import KeptWriter, kept_documents
from curation.pipeline.passage import Passage, program, text_size
from curation.pipeline.reading import open_source
from curation.pipeline.recipe import document_hash, key_hash, parse_recipe
from curation.pipeline.source_file import SourceFile
from curation.pipeline.step import Resources
from curation.pipeline.warc import BadRecord
from tilth.storage import Storage

VERSION = 1


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to know to do one shard.

    ``documents`` and ``keys`` are the stages' folders in the storage at ``url``; ``limit`` ends reading
    after so many documents (0: all); ``samples`` drops are kept per reason.
    """

    url: str
    documents: str
    keys: str
    source: SourceFile
    recipe: str
    resources: Resources = field(default_factory=Resources)
    access: Access = field(default_factory=Access)
    limit: int = 0
    samples: int = samples.PER_REASON


@lru_cache(maxsize=16)
def documents_folder(recipe_toml: str, limit: int = 0) -> str:
    """Name of the documents stage's folder for a recipe."""
    return f"documents-{document_hash(parse_recipe(recipe_toml))}" + (f"-first-{limit}" if limit else "")


@lru_cache(maxsize=16)
def keys_folder(recipe_toml: str, limit: int = 0) -> str:
    """Name of the keys stage's folder for a recipe."""
    return f"keys-{key_hash(parse_recipe(recipe_toml))}" + (f"-first-{limit}" if limit else "")


def read_marker(storage: Storage, folder: str) -> dict[str, Any] | None:
    """The marker of a finished stage, or ``None``."""
    key = f"{folder}/marker.json"
    return dict(storage.read_json(key)) if storage.exists(key) else None


def process_shard(task: ShardTask, watch: Watch) -> dict[str, Any]:
    """Do what is not done yet of a shard; returns the documents stage's marker."""
    storage = Storage(task.url)
    marker = read_marker(storage, task.documents) or _documents(storage, task, watch)
    if read_marker(storage, task.keys) is None:
        _keys(storage, task)
    return marker


def _documents(storage: Storage, task: ShardTask, watch: Watch) -> dict[str, Any]:
    storage.delete(task.documents)
    ready = program(task.recipe, task.resources)
    passage = Passage(ready, samples.Samples(task.samples))
    cpu, clock = time.process_time(), time.monotonic()
    with KeptWriter(storage, f"{task.documents}/kept.rows", ready.signals) as kept:
        for document in _documents_of(task, passage, watch):
            size = None
            if document.record_offset in watch.skip:
                passage.killed(document)
            else:
                with watch.document(document.record_offset):
                    size = passage.take(document)
            if size is not None:
                kept.add(document, *size)
            if watch.news_due():
                watch.tell({"funnel": passage.funnel.to_json(), "place": document.record_offset})
    samples.write_rows(storage, f"{task.documents}/drops.jsonl", passage.samples.rows())
    marker = {
        "version": VERSION,
        "source": asdict(task.source),
        "rows": kept.rows,
        "funnel": passage.funnel.to_json(),
        "killed": sorted(watch.skip),
        "cpu_seconds": round(time.process_time() - cpu, 3),
        "seconds": round(time.monotonic() - clock, 3),
        "peak_memory": peak_memory(),
    }
    storage.write_json(f"{task.documents}/marker.json", marker)
    return marker


def _documents_of(task: ShardTask, passage: Passage, watch: Watch) -> Iterator[Document]:
    """The source's documents up to the limit; bad records are counted on the way."""
    left = task.limit or sys.maxsize
    for item in open_source(task.source, task.access):
        if isinstance(item, BadRecord):
            passage.bad(item)
            continue
        yield item
        left -= 1
        if not left:
            return


def _keys(storage: Storage, task: ShardTask) -> None:
    storage.delete(task.keys)
    functions, buckets = key_functions(task.recipe)

    def rows() -> Iterator[tuple[Any, int]]:
        for document in kept_documents(storage, f"{task.documents}/kept.rows"):
            parts = [function(document) for function in functions]
            yield np.concatenate(parts) if parts else np.empty(0, np.uint64), text_size(document.text)

    count = write_keys(storage, f"{task.keys}/keys.bin", rows(), buckets)
    marker = {"version": VERSION, "rows": count}
    step = parse_recipe(task.recipe).line_step
    if step is not None:
        documents = kept_documents(storage, f"{task.documents}/kept.rows")
        lines = (line_keys(document, step.settings) for document in documents)
        marker["lines"] = write_many(storage, f"{task.keys}/lines.bin", lines)
    storage.write_json(f"{task.keys}/marker.json", marker)


def key_functions(recipe_toml: str) -> tuple[list[KeysOf], int]:
    """The corpus steps' key functions, and how many keys a document has in all."""
    steps = parse_recipe(recipe_toml).corpus_steps
    functions: list[Callable[[Document], Any]] = [s.module.build(s.settings, Resources()) for s in steps]
    return functions, sum(p.buckets for s in steps for p in s.module.passes(s.settings))


def peak_memory() -> int:
    """The most memory this process ever held, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
