"""What curation adds to other apps' pages: the way from a document to the page as it was crawled."""

from typing import Any

from django.http import HttpRequest

from curation import records
from curation.models import CurationRun
from tilth.accounts.permissions import can
from tilth.datasets import panels
from tilth.datasets.models import DatasetVersion


def crawled(request: HttpRequest, version: DatasetVersion, row: dict[str, Any]) -> dict[str, Any] | None:
    """The link, where a curation run made the version and the row came out of a record."""
    if not row.get("record_length"):
        return None
    run = CurationRun.objects.for_version(version.dataset.name, version.number)
    if run is None:
        return None
    place = records.Place(row["source"], row["record_offset"], row["record_length"])
    may_open_run = can(request.user, "curation.view")
    return {"run": run, "url": records.crawled_url(run, place), "may_open_run": may_open_run}


def register_all() -> None:
    """Add the panels."""
    panels.register("documents", "curation/_crawled_panel.html", crawled)
