"""The page as it was crawled: the original record, cleaned, in a frame that can do nothing."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_GET

from curation import records
from curation.models import CurationRun
from curation.views.drops import find_sample
from tilth.accounts.permissions import requires
from tilth.datasets.browse.rows import read_row
from tilth.datasets.models import DatasetVersion
from tilth.errors import NotFound
from tilth.storage import Storage
from tilth.ui.sanitise import sandboxed_response


@requires("curation.view")
@require_GET
def drop_page(request: HttpRequest, pk: int, document: str) -> HttpResponse:
    """A dropped page as crawled, in its frame."""
    run, row = find_sample(pk, document)
    frame = reverse("curation:drop_frame", args=[pk, document])
    back = reverse("curation:drop", args=[pk, document])
    return _page(request, run, row, frame, back)


@requires("curation.view")
@require_GET
@xframe_options_sameorigin
def drop_frame(request: HttpRequest, pk: int, document: str) -> HttpResponse:
    """What the frame of a dropped page shows."""
    run, row = find_sample(pk, document)
    return _frame(run, row)


@requires("data.view")
@require_GET
def row_page(request: HttpRequest, name: str, number: int, row_id: str) -> HttpResponse:
    """A row of a dataset as crawled, in its frame."""
    run, row = _find_row(name, number, row_id)
    frame = reverse("curation:row_frame", args=[name, number, row_id])
    back = reverse("datasets:row", args=[name, number, row_id])
    return _page(request, run, row, frame, back)


@requires("data.view")
@require_GET
@xframe_options_sameorigin
def row_frame(request: HttpRequest, name: str, number: int, row_id: str) -> HttpResponse:
    """What the frame of a dataset's row shows."""
    return _frame(*_find_row(name, number, row_id))


def _find_row(name: str, number: int, row_id: str) -> tuple[CurationRun, dict[str, Any]]:
    version = get_object_or_404(DatasetVersion.objects.by_reference(name, number))
    run = CurationRun.objects.for_version(name, number)
    if run is None:
        raise NotFound(
            f"{version.reference} was not made by a curation run, so there is no crawled page behind it"
        )
    return run, read_row(version, row_id)


def _page(request: HttpRequest, run: CurationRun, row: dict[str, Any], frame: str, back: str) -> HttpResponse:
    record = records.read(Storage(settings.STORAGE), run, row)
    context = {"run": run, "row": row, "record": record, "frame": frame, "back": back}
    return render(request, "curation/crawled.html", context)


def _frame(run: CurationRun, row: dict[str, Any]) -> HttpResponse:
    record = records.read(Storage(settings.STORAGE), run, row)
    return sandboxed_response(record.html)
