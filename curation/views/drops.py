"""What a run dropped, to be read: samples per reason with the places at fault marked, and single documents."""

from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from curation import drops, figures, marks, records
from curation.models import CurationRun
from curation.pipeline.step import registry
from curation.uploads import namer
from curation.views.runs import find_run
from tilth.accounts.permissions import requires
from tilth.storage import Storage


@requires("curation.view")
@require_GET
def samples(request: HttpRequest, pk: int) -> HttpResponse:
    """The reasons with their counts, and the samples of the chosen one."""
    run = find_run(pk)
    reasons = drops.reasons(run)
    step, reason = request.GET.get("step", ""), request.GET.get("reason", "")
    if not reason and reasons:
        step, reason = reasons[0]["step"], reasons[0]["reason"]
    rows = [
        shown(row)
        for row in drops.rows(Storage(settings.STORAGE), run)
        if (row["step"], row["reason"]) == (step, reason)
    ]
    context = {
        "run": run,
        "reasons": reasons,
        "step": step,
        "reason": reason,
        "explained": explain(step, reason),
        "page": Paginator(rows, 10).get_page(request.GET.get("page")),
    }
    return render(request, "curation/drops.html", context)


@requires("curation.view")
@require_GET
def sample(request: HttpRequest, pk: int, document: str) -> HttpResponse:
    """One dropped document whole: rule, value, limit, text with marks."""
    run, row = find_sample(pk, document)
    place = records.Place(row["source"], row["record_offset"], row["record_length"])
    context = {
        "run": run,
        "row": {**shown(row), "source": namer([row["source"]])(row["source"])},
        "explained": explain(row["step"], row["reason"]),
        "crawled": records.crawled_url(run, place) if place.length else "",
    }
    return render(request, "curation/drop.html", context)


def find_sample(pk: int, document: str) -> tuple[CurationRun, dict[str, Any]]:
    """The run and the sample with a document's id."""
    run = find_run(pk)
    for row in drops.rows(Storage(settings.STORAGE), run):
        if row["id"] == document:
            return run, row
    raise Http404("no such sample")


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A sample as the templates take it."""
    pieces = marks.cut(row["text"], row["spans"])
    value, limit = figures.against(row["value"], row["limit"])
    found, wanted = ("Found", "Wanted") if row["reason"] == "other_language" else ("Measured", "Limit")
    return {
        **row,
        "value": value,
        "limit": limit,
        "value_label": found,
        "limit_label": wanted,
        "pieces": pieces,
        "excerpt": marks.around(pieces),
        "cut": len(row["text"]) < row["text_characters"],
    }


def explain(step: str, reason: str) -> str:
    """What a drop reason means, in a sentence."""
    module = registry().get(step)
    return module.REASONS.get(reason, "") if module else ""
