"""Exports of a version: the list, starting one, downloading, deleting."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.downloads import file_response
from tilth.datasets.export.options import Options
from tilth.datasets.exports import delete_export, record_download, start_export
from tilth.datasets.forms import ExportForm
from tilth.datasets.models import DatasetVersion, Export
from tilth.datasets.views.common import find_version, page_of, rights, version_context
from tilth.errors import NotFound
from tilth.storage import Storage


@requires("data.view")
@require_GET
def index(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The exports of a version and the form for a new one."""
    version = find_version(name, number)
    return _page(request, version, ExportForm(version.dataset.kind))


@requires("data.view")
@require_GET
def table(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The list alone, polled while an export is being made."""
    return render(request, "datasets/_exports.html", _listed(request, find_version(name, number)))


@requires("data.export")
@require_http_methods(["POST"])
def start(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Start an export."""
    version = find_version(name, number)
    form = ExportForm(version.dataset.kind, request.POST)
    if not form.is_valid():
        return _page(request, version, form)
    export = start_export(Actor.of(request), version, form.cleaned_data["format"], Options.of(form.options))
    ready = export.state == Export.State.READY
    messages.success(request, "This export is there already." if ready else "The export is on its way.")
    return redirect("datasets:exports", name, number)


@requires("data.export")
@require_GET
def download(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file of an export."""
    export = find_export(pk)
    record_download(Actor.of(request), export)
    return file_response(request, Storage(settings.STORAGE), export.key, export.filename, export.sha256)


@requires("data.export")
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an export's file away."""
    export = find_export(pk, ready=False)
    delete_export(Actor.of(request), export)
    messages.success(request, "The export is deleted. It can be made again at any time.")
    return redirect("datasets:exports", export.version.dataset.name, export.version.number)


def find_export(pk: int, ready: bool = True) -> Export:
    """An export, or :class:`NotFound`; with ``ready`` it must be there to be downloaded."""
    export = Export.objects.select_related("version__dataset", "job").filter(pk=pk).first()
    if export is None:
        raise NotFound("There is no such export.")
    if ready and export.state != Export.State.READY:
        raise NotFound(f"This export is {export.state}; start it again on the version's Exports tab.")
    return export


def _listed(request: HttpRequest, version: DatasetVersion) -> dict[str, object]:
    page = page_of(request, version.exports.there())
    busy = any(export.state == Export.State.BUILDING for export in page)
    return {
        "version": version,
        "dataset": version.dataset,
        "page": page,
        "busy": busy,
        "may": rights(request),
    }


def _page(request: HttpRequest, version: DatasetVersion, form: ExportForm) -> HttpResponse:
    context = version_context(request, version, "exports", form=form, **_without(_listed(request, version)))
    return render(request, "datasets/exports.html", context)


def _without(listed: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in listed.items() if name not in {"version", "dataset", "may"}}
