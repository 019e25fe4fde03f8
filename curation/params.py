"""What a run hands to the pipeline's child program: plain JSON, made from the run's row and the settings."""

import os
from typing import Any

from django.conf import settings

from curation.models import CurationRun
from curation.pipeline.access import Access
from tilth.errors import InvalidInput
from tilth.guards.outbound import Guard

COMMON_CRAWL_LICENCE = "ODC-By-1.0"
"""FineWeb's licence; Common Crawl's own terms of use apply to every page beside it."""

_NUMBERS: dict[str, tuple[type, float, float, str]] = {
    "limit": (int, 1, 10**12, "pages to read at most"),
    "workers": (int, 1, 1024, "processes"),
    "required_share": (float, 0.0001, 1.0, "share of the files that must succeed"),
    "disk_budget": (int, 1, 10**15, "bytes of scratch disk"),
}


def check_options(options: dict[str, Any]) -> dict[str, Any]:
    """Coerce and range-check a run's options; ``None`` means not set and is left out."""
    cleaned: dict[str, Any] = {}
    for name, value in options.items():
        if name not in _NUMBERS:
            raise InvalidInput(f"There is no option {name!r}; there are: {', '.join(_NUMBERS)}", field=name)
        if value is None:
            continue
        kind, low, high, what = _NUMBERS[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise InvalidInput(
                f"{name} ({what}) must lie between {low:g} and {high:g}, not {value!r}", field=name
            )
        cleaned[name] = kind(value)
    return cleaned


def run_params(run: CurationRun) -> dict[str, Any]:
    """The parameters of the job that makes the run's version."""
    assert run.version is not None
    shared = _shared(run)
    return {
        **shared,
        "target": run.version.folder,
        "required_share": run.options.get("required_share", 1.0),
        "base": run.base.prefix if run.base else None,
    }


def probe_params(run: CurationRun) -> dict[str, Any]:
    """The parameters of the job that estimates the run from one shard."""
    return _shared(run)


def access(run: CurationRun) -> Access:
    """The rights with which the web reads a run's files again: those of the run, for one record."""
    if run.created_by_id is None:
        return Access.for_shell(storage=settings.STORAGE, common_crawl=settings.COMMON_CRAWL_URL)
    return web_access()


def web_access() -> Access:
    """What somebody at the web may read."""
    return Access(
        guard=Guard(tuple(settings.OUTBOUND_ALLOW)),
        roots=tuple(settings.SOURCE_ROOTS),
        storage=settings.STORAGE,
        common_crawl=settings.COMMON_CRAWL_URL,
    )


def _shared(run: CurationRun) -> dict[str, Any]:
    # A person at the shell may read what the account may read; what came through the web was checked
    # against the source roots when it was typed, and its addresses go through the outbound guard.
    return {
        "sources": run.sources,
        "recipe": run.recipe.toml,
        "workers": run.options.get("workers") or os.cpu_count() or 1,
        "limit": run.options.get("limit"),
        "disk_budget": run.options.get("disk_budget"),
        "guarded": run.created_by_id is not None,
        "source_roots": [str(root) for root in settings.SOURCE_ROOTS],
        "outbound_allow": settings.OUTBOUND_ALLOW,
        "common_crawl_url": settings.COMMON_CRAWL_URL,
        "blocklists": settings.BLOCKLISTS or None,
        "language_model": settings.LID_MODEL or None,
    }
