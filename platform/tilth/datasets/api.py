"""Datasets over the API: lists, manifests, rows, exports."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import Query, Router, Schema

from tilth.accounts.api_auth import bearer
from tilth.datasets.browse.conditions import OPERATORS, build_condition
from tilth.datasets.browse.search import search, take_rows
from tilth.datasets.browse.shards import ROW
from tilth.datasets.downloads import file_response
from tilth.datasets.export.options import Options
from tilth.datasets.export.tables import to_json
from tilth.datasets.exports import delete_export, record_download, start_export
from tilth.datasets.forms import DatasetFilter
from tilth.datasets.manifests import load_manifest, rows_of
from tilth.datasets.models import DatasetVersion, Export
from tilth.datasets.views.common import find_dataset, find_version
from tilth.datasets.views.datasets import matching
from tilth.datasets.views.exports import find_export
from tilth.errors import InvalidInput
from tilth.storage import Storage

router = Router(tags=["datasets"])
MAX_ROWS = 200


class DatasetOut(Schema):
    """A dataset."""

    name: str
    kind: str
    title: str
    description: str
    licence: str
    archived: bool
    created_at: datetime


class VersionOut(Schema):
    """A version; ``tokenizer`` says how tokens were counted, or that they are estimated."""

    reference: str
    number: int
    state: str
    rows: int
    bytes: int
    tokens: int
    tokenizer: str
    note: str
    published_at: datetime | None


class ExportIn(Schema):
    """A new export; ``options`` are columns, gzip, validation, seed."""

    format: str
    options: dict[str, Any] = {}


class ExportOut(Schema):
    """An export; download it when its state is ``ready``."""

    id: int
    version: str
    format: str
    options: dict[str, Any]
    state: str
    bytes: int
    sha256: str
    error: str
    job: str

    @staticmethod
    def resolve_version(export: Export) -> str:
        """The version's reference."""
        return export.version.reference

    @staticmethod
    def resolve_job(export: Export) -> str:
        """The job's reference."""
        return export.job.reference if export.job else ""


class Window(Schema):
    """Which part of a list to give."""

    offset: int = 0
    limit: int = 100

    def slice(self, things: Any) -> list[Any]:
        """That part."""
        start = max(0, self.offset)
        return list(things[start : start + min(max(1, self.limit), MAX_ROWS)])


@router.get("/datasets", auth=bearer("data.view"), response=list[DatasetOut])
def list_datasets(
    request: HttpRequest, window: Query[Window], q: str = "", kind: str = "", archived: str = ""
) -> list[Any]:
    """Datasets by name; ``archived`` is empty, ``yes`` or ``all``."""
    form = DatasetFilter({"q": q, "kind": kind, "archived": archived, "state": "all"})
    if not form.is_valid():
        field, problems = next(iter(form.errors.items()))
        raise InvalidInput(str(problems[0]), field=field)
    return window.slice(matching(form))


@router.get("/datasets/{name}", auth=bearer("data.view"), response=DatasetOut)
def get_dataset(request: HttpRequest, name: str) -> Any:
    """One dataset."""
    return find_dataset(name)


@router.get("/datasets/{name}/versions", auth=bearer("data.view"), response=list[VersionOut])
def list_versions(request: HttpRequest, window: Query[Window], name: str) -> list[Any]:
    """Versions of a dataset, newest first, in whatever state."""
    return window.slice(find_dataset(name).versions.select_related("dataset").order_by("-number"))


@router.get("/datasets/{name}/versions/{int:number}", auth=bearer("data.view"), response=VersionOut)
def get_version(request: HttpRequest, name: str, number: int) -> Any:
    """One version."""
    return find_version(name, number)


@router.get("/datasets/{name}/versions/{int:number}/manifest", auth=bearer("data.view"))
def get_manifest(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The manifest: shards with hashes, statistics, parents, recipe, what is missing."""
    return HttpResponse(load_manifest(find_version(name, number)).to_json(), content_type="application/json")


@router.get("/datasets/{name}/versions/{int:number}/rows", auth=bearer("data.view"))
def get_rows(
    request: HttpRequest, name: str, number: int, at: int = 0, limit: int = 25, q: str = ""
) -> HttpResponse:
    """Rows from number ``at`` on: ``{"rows", "next", "partial", "total"}``.

    ``q`` searches all text; filters are query parameters such as ``is.language=en`` or
    ``min.language_score=0.8``. ``next`` is the ``at`` to go on with (null at the end); ``partial`` says
    that the time for one search was up before the page was full.
    """
    source = rows_of(find_version(name, number))
    operators = {operator for known in OPERATORS.values() for operator in known}
    filters = {key: str(value) for key, value in request.GET.items() if key.partition(".")[0] in operators}
    condition = build_condition(source.schema, q, filters)
    start, count = max(0, at), min(max(1, limit), MAX_ROWS)
    if condition.is_empty:
        table = source.page(start, count)
        following = start + table.num_rows if start + table.num_rows < source.total else None
        partial = False
    else:
        found = search(source, condition, start, count)
        table, following, partial = take_rows(source, found.rows), found.more_from, found.timed_out
    rows = [{"row": row.pop(ROW), **row} for row in table.to_pylist()]
    body = {"rows": rows, "next": following, "partial": partial, "total": source.total}
    return HttpResponse(to_json(body), content_type="application/json")


@router.get(
    "/datasets/{name}/versions/{int:number}/exports", auth=bearer("data.view"), response=list[ExportOut]
)
def list_exports(request: HttpRequest, window: Query[Window], name: str, number: int) -> list[Any]:
    """Exports of a version, newest first."""
    return window.slice(find_version(name, number).exports.there())


@router.post(
    "/datasets/{name}/versions/{int:number}/exports", auth=bearer("data.export"), response={202: ExportOut}
)
def create_export(request: HttpRequest, name: str, number: int, payload: ExportIn) -> tuple[int, Export]:
    """Start an export; the same one is not made twice. Poll it until its state is ``ready``."""
    version: DatasetVersion = find_version(name, number)
    actor = request.auth  # type: ignore[attr-defined]
    return 202, start_export(actor, version, payload.format, Options.of(payload.options))


@router.get("/exports/{int:pk}", auth=bearer("data.view"), response=ExportOut)
def get_export(request: HttpRequest, pk: int) -> Export:
    """One export, in whatever state."""
    return find_export(pk, ready=False)


@router.get("/exports/{int:pk}/download", auth=bearer("data.export"))
def download_export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file of an export; ranges are honoured."""
    export = find_export(pk)
    record_download(request.auth, export)  # type: ignore[attr-defined]
    return file_response(request, Storage(settings.STORAGE), export.key, export.filename, export.sha256)


@router.delete("/exports/{int:pk}", auth=bearer("data.export"), response={204: None})
def remove_export(request: HttpRequest, pk: int) -> tuple[int, None]:
    """Delete an export's file."""
    delete_export(request.auth, find_export(pk, ready=False))  # type: ignore[attr-defined]
    return 204, None
