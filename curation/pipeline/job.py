"""The child programs' work for the web and the API: a curate job's parameters become a run.

Parameters (``config.json``'s ``params``):

* ``sources``: list of spelled sources; ``recipe``: TOML text
* ``target``: storage key of the version's folder (``datasets/<name>/<number>``)
* ``workers``: processes; ``limit``: documents at most, null for all
* ``required_share``: share of the shards that must succeed; ``base``: prefix of a finished run to
  append to, or null
* ``guarded``: whether the sources were typed in the web: then local ones must lie in ``source_roots``
  and requests go through the guard, which lets ``outbound_allow`` pass
* ``common_crawl_url``, ``blocklists`` and ``language_model`` (paths): or null
* ``disk_budget``: bytes of disk for downloading whole files before they are read; null streams them

Result: ``funnel``, ``table`` (a line per shard), ``shards`` (of the dataset), ``statistics``, ``missing``,
``seconds``, and ``manifest``, the manifest's JSON text, to which the supervisor adds what only the
database knows. While it runs, ``<prefix>/live.json`` is written.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from curation.pipeline.access import Access
from curation.pipeline.engines.base import Stopped
from curation.pipeline.plan import RunPlan, make_plan
from curation.pipeline.recipe import load_recipe
from curation.pipeline.run import RunResult, Target, run
from curation.pipeline.sources import resolve_sources
from curation.pipeline.step import Resources
from tilth.datasets.build import build_manifest
from tilth.datasets.manifest import Manifest
from tilth.errors import InvalidInput
from tilth.guards.outbound import Guard
from tilth.jobs.reporting import Reporter


def curate(reporter: Reporter) -> dict[str, Any] | None:
    """Carry out a curate job; ``None`` when it was asked to stop."""
    params = reporter.params
    target, name, number = _target(params)
    reporter.progress(0, 1, "planning", "looking for the sources")
    plan = plan_of(reporter)
    workers = int(params.get("workers") or 1)
    place = Target(target, str(reporter.attempt))
    try:
        result = run(plan, reporter.storage, reporter.prefix, reporter, target=place, workers=workers)
    except Stopped:
        return None
    reporter.progress(1, 1, "statistics", "counting what is in the dataset")
    manifest = build_manifest(
        reporter.storage,
        name,
        number,
        "documents",
        result.dataset_shards,
        producer=f"job:{reporter.job}",
        recipe=load_recipe(plan.recipe).to_json(),
        missing=result.missing,
        sources=result.sources,
    )
    manifest = with_funnel(manifest, result)
    return {
        "manifest": manifest.to_json(),
        "funnel": result.funnel.to_json(),
        "table": result.table[:2000],
        "shards": [asdict(shard) for shard in result.dataset_shards],
        "statistics": {"rows": manifest.rows, "bytes": manifest.total_bytes, "tokens": manifest.tokens},
        "missing": result.missing,
        "seconds": round(result.seconds, 3),
    }


def with_funnel(manifest: Manifest, result: RunResult) -> Manifest:
    """The manifest with the run's funnel beside its statistics: it documents every drop for good."""
    return replace(manifest, statistics={**manifest.statistics, "funnel": result.funnel.to_json()})


def plan_of(reporter: Reporter) -> RunPlan:
    """The plan that a job's parameters describe."""
    params = reporter.params
    access = access_of(reporter)
    base = params.get("base") or ""
    return make_plan(
        reporter.storage,
        reporter.prefix,
        params["recipe"],
        resolve_sources(params["sources"], access),
        base=base,
        resources=Resources(_path(params, "blocklists"), _path(params, "language_model")),
        access=access,
        limit=int(params.get("limit") or 0),
        required_share=float(params.get("required_share") or 1.0),
    )


def access_of(reporter: Reporter) -> Access:
    """How a job may reach its sources."""
    params, budget = reporter.params, int(reporter.params.get("disk_budget") or 0)
    places: dict[str, Any] = {
        "storage": reporter.storage.url,
        "common_crawl": params.get("common_crawl_url") or Access.common_crawl,
        "backoff": reporter.job_dir / "backoff",
        "cache": reporter.job_dir / "cache" if budget else None,
        "cache_budget": budget,
    }
    if not params.get("guarded", True):
        return Access.for_shell(**places)
    roots = tuple(Path(root) for root in params.get("source_roots") or ())
    return Access(guard=Guard(tuple(params.get("outbound_allow") or ())), roots=roots, **places)


def _path(params: dict[str, Any], name: str) -> Path | None:
    return Path(params[name]) if params.get(name) else None


def _target(params: dict[str, Any]) -> tuple[str, str, int]:
    """The target's key, and the dataset's name and number in it."""
    parts = str(params.get("target", "")).split("/")
    if len(parts) != 3 or parts[0] != "datasets" or not parts[2].isdecimal():
        raise InvalidInput("the target must be datasets/<name>/<number>", field="target")
    return "/".join(parts), parts[1], int(parts[2])
