"""A run from the shell into a folder: Parquet files, manifest and funnel, and nothing else in the end.

While it runs, ``DIR/work`` holds what makes it resumable; a finished run removes it, a fault leaves it so
that the same command continues, but leaves no published file behind. ``manifest.json`` comes last.
"""

import os
import signal
import threading
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from curation.pipeline.access import Access
from curation.pipeline.engines.base import Stopped
from curation.pipeline.plan import make_plan
from curation.pipeline.recipe import Recipe, load_recipe
from curation.pipeline.run import DROPS, FUNNEL, RunResult, Target, run
from curation.pipeline.sources import resolve_sources
from curation.pipeline.step import Resources
from tilth.datasets.contributions import count_contributions
from tilth.datasets.manifest import Manifest
from tilth.datasets.origins import KEY, listed
from tilth.datasets.schemas import schema
from tilth.datasets.statistics import collect
from tilth.errors import Conflict, InvalidInput
from tilth.jobs.reporting import Reporter
from tilth.jobs.version import code_version
from tilth.storage import Storage

MANIFEST = "manifest.json"
"""Written last: with it the folder is a finished dataset."""

_DATA = "data"
_WORK = "work"


def run_into_folder(
    sources: Iterable[str],
    recipe: str,
    out: str | Path,
    *,
    workers: int = 1,
    limit: int = 0,
    assignments: Iterable[str] = (),
    quiet: bool = False,
) -> dict[str, Any]:
    """Curate the sources into the folder; returns ``{"out", "shards", "rows", "funnel", "missing", "seconds"}``.

    Raises :class:`TilthError` for what the caller can mend; the folder then holds no published file.
    """
    checked = _recipe(recipe, assignments)
    if workers < 1:
        raise InvalidInput("--workers must be 1 or more", field="workers")
    folder = Path(out).resolve()
    if (folder / MANIFEST).exists():
        raise Conflict(
            f"{folder} holds a finished dataset; choose another folder", code="exists", field="out"
        )
    access = _access(folder)
    files = resolve_sources(sources, access)
    reporter = _reporter(folder, quiet)
    # The storage is rooted above the folder, so that the folder itself plays the version's folder.
    storage, name = Storage(str(folder.parent)), folder.name
    plan = make_plan(
        storage,
        f"{name}/{_WORK}",
        checked.to_toml(),
        files,
        resources=_resources(),
        access=access,
        limit=limit,
    )
    try:
        result = run(plan, storage, f"{name}/{_WORK}", reporter, target=Target(name, _DATA), workers=workers)
        manifest = _manifest(storage, name, checked, result)
    except Stopped:
        raise KeyboardInterrupt from None
    except BaseException:
        storage.delete(f"{name}/{_DATA}")
        raise
    storage.put(folder / _WORK / FUNNEL, f"{name}/{FUNNEL}")
    storage.put(folder / _WORK / DROPS, f"{name}/{DROPS}")
    storage.write_bytes(f"{name}/{MANIFEST}", manifest.to_json().encode())
    storage.delete(f"{name}/{_WORK}")
    return {
        "out": str(folder),
        "shards": [asdict(shard) for shard in result.dataset_shards],
        "rows": manifest.rows,
        "funnel": result.funnel.to_json(),
        "missing": result.missing,
        "seconds": round(result.seconds, 3),
    }


def _recipe(recipe: str, assignments: Iterable[str]) -> Recipe:
    checked = load_recipe(recipe)
    for assignment in assignments:
        checked = checked.with_setting(assignment)
    return checked


def _access(folder: Path) -> Access:
    """The shell may read what the account may read: nothing is guarded."""
    url = os.environ.get("TILTH_COMMON_CRAWL_URL", Access.common_crawl)
    return Access.for_shell(common_crawl=url.rstrip("/"), backoff=folder / _WORK / "backoff")


def _resources() -> Resources:
    lists, model = (os.environ.get(name) for name in ("TILTH_BLOCKLISTS", "TILTH_LID_MODEL"))
    return Resources(Path(lists) if lists else None, Path(model) if model else None)


def _reporter(folder: Path, quiet: bool) -> Reporter:
    reporter = Reporter.null(folder / _WORK, quiet=quiet)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    return reporter


def _manifest(storage: Storage, name: str, recipe: Recipe, result: RunResult) -> Manifest:
    shards = result.dataset_shards
    statistics = collect(storage, shards, "documents", name)
    few = count_contributions(storage, shards, "documents", name, f"{name}/{_WORK}/contributions.bin")
    return Manifest(
        dataset=recipe.name,
        number=1,
        kind="documents",
        schema_version=schema("documents").version,
        shards=shards,
        statistics={**statistics, "funnel": result.funnel.to_json(), KEY: listed(result.sources)},
        producer="curation",
        recipe=recipe.to_json(),
        missing=result.missing,
        code_version=code_version(),
        tokens=statistics["tokens"],
        contributions=few,
    )
