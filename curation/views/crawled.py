"""The page as it was crawled: the original record, cleaned, in a frame that can do nothing.

A record is named by the run, whose plan knows the file, and by the place in the file that the row carries.
"""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from curation import records
from curation.models import CurationRun
from curation.uploads import namer
from curation.views.runs import find_run
from tilth.accounts.permissions import can, requires
from tilth.errors import InvalidInput
from tilth.storage import Storage
from tilth.ui.sanitise import sandboxed_response


@requires("data.view")
@require_GET
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """A record with what is known of it, and its frame."""
    run = find_run(pk)
    place = _place(request)
    record = _read(run, place)
    frame = f"{reverse('curation:crawled_frame', args=[pk])}?{request.GET.urlencode()}"
    context = {
        "run": run,
        "place": place,
        "file": namer([place.source])(place.source),
        "record": record,
        "frame": frame,
        "may_open_run": can(request.user, "curation.view"),
    }
    return render(request, "curation/crawled.html", context)


@requires("data.view")
@require_GET
def frame(request: HttpRequest, pk: int) -> HttpResponse:
    """What the frame shows."""
    return sandboxed_response(_read(find_run(pk), _place(request)).text)


def _place(request: HttpRequest) -> records.Place:
    source, offset, length = (request.GET.get(name, "") for name in ("source", "offset", "length"))
    if not source or not offset.isdecimal() or not length.isdecimal() or len(offset + length) > 40:
        raise InvalidInput("A record is named by source, offset and length")
    return records.Place(source, int(offset), int(length))


def _read(run: CurationRun, place: records.Place) -> records.Record:
    return records.read(Storage(settings.STORAGE), run, place)
