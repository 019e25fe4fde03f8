"""What a run will take, measured on the first documents of its first shard before anything starts.

Time, disk and documents scale with the bytes of the sources where those are known, else with the
number of shards. Deduplication is not measured: it adds a few percent of time and only removes rows.
"""

import math
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.pipeline.access import Access
from curation.pipeline.document import Document
from curation.pipeline.job import plan_of
from curation.pipeline.kept import KeptWriter
from curation.pipeline.passage import Passage, program
from curation.pipeline.plan import RunPlan
from curation.pipeline.reading import open_source
from curation.pipeline.recipe import parse_recipe
from curation.pipeline.samples import Samples
from curation.pipeline.source_file import SourceFile
from curation.pipeline.warc import BadRecord
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage

DOCUMENTS = 500
SECONDS = 45.0
_WORKING_COPIES = 2.2
"""Kept rows, their keys and the published files, in units of the kept rows' compressed bytes."""


@dataclass(frozen=True)
class Probe:
    """What the first documents of a shard cost."""

    documents: int
    kept: int
    seconds: float
    kept_bytes: int
    share: float


def probe_job(reporter: Reporter) -> dict[str, Any]:
    """Carry out a probe job (parameters as in :mod:`curation.pipeline.job`, without a target)."""
    reporter.progress(0, 1, "planning", "looking for the sources")
    plan = plan_of(reporter)
    reporter.progress(0.2, 1, "measuring", plan.shards[0].source.id)
    return estimate(plan, int(reporter.params.get("workers") or 1))


def estimate(plan: RunPlan, workers: int) -> dict[str, Any]:
    """Estimate a plan: ``seconds``, ``disk_bytes``, ``requests``, ``documents`` (kept), ``documents_in``, ``shards``,
    ``workers``, ``sample`` (in words) and the ``funnel`` of the sample."""
    first = next((shard.source for shard in plan.shards if shard.source.size), plan.shards[0].source)
    passage = Passage(program(plan.recipe, plan.resources), Samples(0))
    signals = program(plan.recipe, plan.resources).signals
    probe = measure_shard(passage, signals, first, plan.access)
    factor = _factor(plan, first, probe)
    if plan.limit and probe.documents:
        factor = min(factor, plan.limit / probe.documents)
    parallel = min(workers, len(plan.shards)) if not plan.limit else 1
    return {
        "seconds": math.ceil(probe.seconds * factor / max(1, parallel)),
        "disk_bytes": math.ceil(probe.kept_bytes * factor * _WORKING_COPIES),
        "requests": _requests(plan, factor, probe),
        "documents": round(probe.kept * factor),
        "documents_in": round(probe.documents * factor),
        "shards": len(plan.shards),
        "workers": workers,
        "sample": f"the first {probe.documents:,} documents of {first.id}",
        "funnel": passage.funnel.to_json(),
        "free_disk_bytes": shutil.disk_usage(tempfile.gettempdir()).free,
        "deduplicates": bool(parse_recipe(plan.recipe).corpus_steps),
    }


def measure_shard(passage: Passage, signals: tuple[str, ...], source: SourceFile, access: Access) -> Probe:
    """Take the first documents of a source through the steps, for a while at most."""
    with tempfile.TemporaryDirectory(prefix="tilth-probe-") as folder:
        storage = Storage(folder)
        started, count, place = time.monotonic(), 0, 0
        with KeptWriter(storage, "kept.rows", signals) as kept:
            for document in _first_documents(passage, source, access, started):
                count, place = count + 1, document.record_offset + document.record_length
                size = passage.take(document)
                if size is not None:
                    kept.add(document, *size)
        seconds = time.monotonic() - started
        whole = count < DOCUMENTS and seconds < SECONDS
        share = 1.0 if whole or not source.size else min(1.0, place / source.size)
        return Probe(count, kept.rows, seconds, Path(folder, "kept.rows").stat().st_size, share or 1.0)


def _first_documents(
    passage: Passage, source: SourceFile, access: Access, started: float
) -> Iterator[Document]:
    left = DOCUMENTS
    for item in open_source(source, access):
        if isinstance(item, BadRecord):
            passage.bad(item)
        else:
            yield item
            left -= 1
        if not left or time.monotonic() - started > SECONDS:
            return


def _factor(plan: RunPlan, first: SourceFile, probe: Probe) -> float:
    """How many times the sample the whole plan is."""
    sizes = [shard.source.size for shard in plan.shards]
    if first.size:
        known = [size for size in sizes if size]
        typical = sum(known) / len(known)
        return sum(size or typical for size in sizes) / (first.size * probe.share)
    return len(plan.shards) / probe.share


def _requests(plan: RunPlan, factor: float, probe: Probe) -> int:
    """Requests to other machines: one a remote file, as many files as the limit needs."""
    remote = sum(
        "://" in shard.source.url and not shard.source.url.startswith("file:") for shard in plan.shards
    )
    if not plan.limit:
        return remote
    return min(remote, max(1, math.ceil(factor * probe.share)))
