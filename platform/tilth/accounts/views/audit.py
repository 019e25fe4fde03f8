"""Admin → Audit: what was done, by whom, to what; and the same as a CSV file."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tilth.accounts.forms import AuditFilter
from tilth.accounts.models import AuditEntry, AuditQuerySet
from tilth.accounts.permissions import requires
from tilth.accounts.views.helpers import page_of
from tilth.text.cells import Table

COLUMNS = ["at", "actor", "actor_pseudonym", "token", "verb", "target", "data"]


@requires("audit.view")
@require_GET
def index(request: HttpRequest) -> HttpResponse:
    """The log, newest first."""
    form = AuditFilter(request.GET)
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "form": form,
        "page": page_of(request, _narrow(form)),
        "query": query.urlencode(),
        "narrowed": any(query.values()),
    }
    return render(request, "accounts/audit.html", context)


@requires("audit.view")
@require_GET
def download(request: HttpRequest) -> StreamingHttpResponse:
    """The narrowed log as CSV, streamed."""
    response = StreamingHttpResponse(_lines(_narrow(AuditFilter(request.GET))), content_type="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _narrow(form: AuditFilter) -> AuditQuerySet:
    found = AuditEntry.objects.select_related("user")
    if not form.is_valid():
        return found.none()
    wanted = form.cleaned_data
    if wanted["actor"]:
        found = found.by(wanted["actor"])
    if wanted["verb"]:
        found = found.filter(verb__startswith=wanted["verb"])
    if wanted["target"]:
        found = found.filter(target__icontains=wanted["target"])
    if wanted["since"]:
        found = found.filter(at__gte=datetime.combine(wanted["since"], time.min, UTC))
    if wanted["until"]:
        found = found.filter(at__lt=datetime.combine(wanted["until"] + timedelta(days=1), time.min, UTC))
    return found


class _Echo:
    """A file that hands back what is written to it, so that a table can feed a stream."""

    def write(self, value: str) -> str:
        return value


def _lines(entries: AuditQuerySet) -> Iterator[str]:
    table = Table(_Echo())
    yield table.write(COLUMNS)
    for entry in entries.iterator(chunk_size=2000):
        pseudonym = entry.user.pseudonym if entry.user else ""
        data = json.dumps(entry.data, sort_keys=True, ensure_ascii=False)
        row = [entry.at.isoformat(), entry.actor, pseudonym, entry.token, entry.verb, entry.target, data]
        yield table.write(row)
