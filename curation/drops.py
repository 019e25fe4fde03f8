"""The samples of dropped documents of a run: the run's own once it is done, its finished files' before."""

from typing import Any

from curation import figures
from curation.models import CurationRun
from curation.pipeline.plan import PLAN
from curation.pipeline.run import DROPS
from curation.pipeline.samples import merge, read_rows
from tilth.storage import Storage

FILES = 50
"""Finished files whose samples are merged while a run is under way."""


def reasons(run: CurationRun) -> list[dict[str, Any]]:
    """Every reason with its step and how many documents it dropped, most first."""
    found = [
        {"step": step.name, "title": step.title, "reason": reason, **amount}
        for step in figures.snapshot(run).steps[1:]
        for reason, amount in step.reasons
    ]
    return sorted(found, key=lambda entry: (-entry["documents"], entry["reason"]))


def rows(storage: Storage, run: CurationRun) -> list[dict[str, Any]]:
    """The samples that there are now (see ``curation.pipeline.samples.sample_row``)."""
    if run.job_id is None:
        return []
    whole, plan = f"{run.prefix}/{DROPS}", f"{run.prefix}/{PLAN}"
    if storage.exists(whole):
        return read_rows(storage, whole)
    if not storage.exists(plan):
        return []
    keys = [f"{shard['documents']}/{DROPS}" for shard in storage.read_json(plan)["shards"]]
    finished = [key for key in keys if storage.exists(key)][:FILES]
    return merge(read_rows(storage, key) for key in finished)
