"""The import page: choose a file, look at what it would become, start the job; and the upload address."""

from typing import Any
from urllib.parse import unquote, urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.browse import present
from tilth.datasets.downloads import file_response
from tilth.datasets.import_.preview import Preview, preview
from tilth.datasets.import_.run import REPORTS, report_key
from tilth.datasets.import_.sources import Source, open_source
from tilth.datasets.import_forms import ImportForm, SourceForm, mapping_of
from tilth.datasets.importing import ImportRequest, read_report, start_import, web_source
from tilth.datasets.schemas import KINDS, schema
from tilth.datasets.uploads import RequestBody, save_upload
from tilth.errors import NotFound, TilthError
from tilth.jobs.models import Job
from tilth.storage import Storage


@requires("files.upload")
@require_POST
def upload(request: HttpRequest) -> JsonResponse:
    """Keep the request's body as a file; answers ``{sha256, name, bytes}``, or a fault as JSON."""
    try:
        body = RequestBody(request, unquote(request.headers.get("X-File-Name", "")))
        saved = save_upload(Actor.of(request), body)
    except TilthError as error:
        return JsonResponse({"message": error.message, "code": error.code}, status=error.status)
    return JsonResponse({"sha256": saved.sha256, "name": saved.name, "bytes": saved.bytes}, status=201)


@requires("data.import")
@require_GET
def elsewhere(request: HttpRequest) -> HttpResponse:
    """Where somebody looks for the import below the datasets, the way to it."""
    return redirect("datasets:import")


@requires("data.import")
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Without a source, the choice of one; with one, the preview; posted, the start of the job."""
    data = request.POST if request.method == "POST" else request.GET
    chooser = SourceForm(data or None)
    if not (data.get("upload") or data.get("path")):
        return _page(request, chooser=SourceForm())
    try:
        spec = _spec(data)
        source = open_source(spec, Storage(settings.STORAGE))
        seen = _preview(source, data)
    except TilthError as error:
        return _page(request, status=400, chooser=chooser, problem=error)
    if request.method == "POST" and "start" in data:
        return _start(request, chooser, spec, source, seen)
    typed = {name: data[name] for name in data if name in ImportForm.base_fields and name != "kind"}
    form = ImportForm(seen, source, initial=typed)
    return _page(request, chooser=chooser, source=source, seen=seen, form=form)


def _spec(data: QueryDict) -> dict[str, Any]:
    return web_source(data.get("upload", ""), data.get("path", "").strip(), data.get("part", ""))


def _preview(source: Source, data: QueryDict) -> Preview:
    kind = data.get("kind", "")
    if kind:
        schema(kind)
        return preview(source, kind, mapping_of(data, kind))
    try:
        return preview(source)
    except TilthError as error:
        if error.code != "unknown_shape":
            raise
        # Nothing is recognised: offer the first kind, so that the form can be filled in by hand.
        return preview(source, next(iter(KINDS)))


def _start(
    request: HttpRequest, chooser: SourceForm, spec: dict[str, Any], source: Source, seen: Preview
) -> HttpResponse:
    form = ImportForm(seen, source, request.POST)
    shown = {"chooser": chooser, "source": source, "seen": seen, "form": form}
    if not form.is_valid():
        return _page(request, status=400, **shown)
    if seen.problem:
        form.add_error(None, seen.problem)
        return _page(request, status=400, **shown)
    wanted = form.cleaned_data
    try:
        job = start_import(
            Actor.of(request),
            ImportRequest(
                source=spec,
                name=wanted["name"],
                kind=wanted["kind"],
                licence=wanted["licence"],
                mapping=seen.mapping,
                title=wanted["title"],
                append=wanted["append"],
                max_bad_share=wanted["max_bad_share"] / 100,
                tokenizer=wanted.get("tokenizer", ""),
                vocabulary=wanted.get("vocabulary") or 0,
            ),
        )
    except TilthError as error:
        form.add_error(error.field if error.field in form.fields else None, error.message)
        return _page(request, status=error.status, **shown)
    messages.success(request, f"{job.title}: queued.")
    return redirect("datasets:import-report", job.pk)


@requires("data.import")
@require_GET
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """What became of an import's rows: counts, the first faults, and the whole report to download."""
    job = _import_job(pk)
    mapping = list(job.params["mapping"].items())
    context = {"job": job, "report": read_report(job), "mapping": mapping}
    return render(request, "datasets/import_report.html", context)


@requires("data.import")
@require_GET
def report_file(request: HttpRequest, pk: int, kind: str) -> HttpResponseBase:
    """The error report as CSV or JSONL."""
    job = _import_job(pk)
    key = report_key(job.prefix, job.attempt, kind)
    storage = Storage(settings.STORAGE)
    if kind not in REPORTS or not storage.exists(key):
        raise NotFound("this import has no such report; it is written when all rows are read")
    return file_response(request, storage, key, f"import-{job.pk}-errors.{kind}")


def _import_job(pk: int) -> Job:
    job = Job.objects.filter(pk=pk, kind="import").first()
    if job is None:
        raise NotFound(f"there is no import with the number {pk}")
    return job


def _page(request: HttpRequest, status: int = 200, **context: Any) -> HttpResponse:
    source = context.get("source")
    if source and source.choices:
        query = {name: context["chooser"].data.get(name, "") for name in ("upload", "path")}
        context["parts"] = [
            (part, "?" + urlencode({**query, "part": part}), part == source.chosen) for part in source.choices
        ]
    if "seen" in context:
        context["rows"] = _shown_rows(context["seen"])
    return render(request, "datasets/import.html", context, status=status)


def _shown_rows(seen: Preview) -> list[dict[str, Any]]:
    """The first rows as they would be; those that cannot be, as they came."""
    columns = schema(seen.kind).columns
    return [
        {
            "number": record.row,
            "parts": present.parts(row, columns) if row else [],
            "raw": [] if row else [(name, present.cell_text(v)) for name, v in record.values.items()],
        }
        for record, row in seen.rows
    ]
