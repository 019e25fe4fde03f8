"""The tabs of a version that show what its manifest and the database know: overview, statistics, card, lineage."""

import json
from dataclasses import dataclass, field

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import requires
from tilth.datasets.card import dataset_card, funnel_of
from tilth.datasets.downloads import file_response
from tilth.datasets.figures import plots
from tilth.datasets.lineage import Edge, ancestors, descendants
from tilth.datasets.manifest import ESTIMATED
from tilth.datasets.manifests import about, load_manifest
from tilth.datasets.models import DatasetVersion, Lineage
from tilth.datasets.origins import sources_of
from tilth.datasets.schemas import schema
from tilth.datasets.views.common import find_version, version_context
from tilth.errors import NotFound
from tilth.storage import Storage

FILES_SHOWN = 200
DEPTH = 5


@requires("data.view")
@require_GET
def overview(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """How a version stands, what it was made from and into, its files, and what to do next."""
    version = find_version(name, number)
    manifest = load_manifest(version) if version.manifest_key else None
    context = version_context(
        request,
        version,
        "version",
        manifest=manifest,
        sources=sources_of(manifest) if manifest else {},
        recipe=json.dumps(manifest.recipe, indent=2, ensure_ascii=False)
        if manifest and manifest.recipe
        else "",
        estimated=version.tokenizer == ESTIMATED,
        made_from=_named(Lineage.objects.filter(child=version.reference).values_list("parent", "relation")),
        made_into=_named(Lineage.objects.filter(parent=version.reference).values_list("child", "relation")),
        files=manifest.files[:FILES_SHOWN] if manifest else [],
        more_files=max(0, len(manifest.files) - FILES_SHOWN) if manifest else 0,
        exports=version.exports.there()[:5],
        is_published=version.state == DatasetVersion.State.PUBLISHED,
    )
    return render(request, "datasets/overview.html", context)


def _named(edges: QuerySet[Lineage, tuple[str, str]]) -> list[tuple[str, str]]:
    """References with the relation in words; the first few hundred."""
    return [(reference, relation.replace("_", " ")) for reference, relation in edges[:FILES_SHOWN]]


@requires("data.export")
@require_GET
def download_file(request: HttpRequest, name: str, number: int, path: str) -> HttpResponseBase:
    """One file of a version as it lies in storage."""
    version = find_version(name, number)
    manifest = load_manifest(version)
    file = next((file for file in manifest.files if file.path == path), None)
    if file is None or version.state != DatasetVersion.State.PUBLISHED:
        raise NotFound(f"{version.reference} has no file {path!r}.")
    audit.record(Actor.of(request), "version.download", version.reference, path=path)
    filename = f"{name}-{number}-{path.replace('/', '-')}"
    return file_response(
        request, Storage(settings.STORAGE), f"{manifest.folder}/{path}", filename, file.sha256
    )


@requires("data.view")
@require_GET
def statistics(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """Plots of what the rows look like."""
    version = find_version(name, number)
    manifest = load_manifest(version)
    drawn = plots(manifest.statistics, schema(manifest.kind))
    context = version_context(
        request,
        version,
        "statistics",
        plots=drawn,
        funnel=funnel_of(manifest),
        estimated=version.tokenizer == ESTIMATED,
    )
    return render(request, "datasets/statistics.html", context)


@requires("data.view")
@require_GET
def card(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The card as a page, or with ``?download=1`` as a Markdown file."""
    version = find_version(name, number)
    text = dataset_card(load_manifest(version), about(version))
    if request.GET.get("download"):
        response = HttpResponse(text, content_type="text/markdown; charset=utf-8")
        response["Content-Disposition"] = str(content_disposition_header(True, f"{name}-{number}.md"))
        return response
    return render(request, "datasets/card.html", version_context(request, version, "card", card=text))


@requires("data.view")
@require_GET
def manifest_file(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """The manifest as a JSON file."""
    version = find_version(name, number)
    response = HttpResponse(load_manifest(version).to_json(), content_type="application/json")
    response["Content-Disposition"] = str(content_disposition_header(True, f"{name}-{number}.manifest.json"))
    return response


@dataclass(slots=True)
class Branch:
    """A reference in the lineage tree, how it came to be there, and what hangs below it."""

    reference: str
    relation: str
    branches: list["Branch"] = field(default_factory=list)
    seen: bool = False


@requires("data.view")
@require_GET
def lineage(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """What the version was made from and what was made of it, some levels both ways."""
    version = find_version(name, number)
    start = version.reference
    up = tree(start, [(edge.child, edge.parent, edge) for edge in ancestors(start, DEPTH)])
    down = tree(start, [(edge.parent, edge.child, edge) for edge in descendants(start, DEPTH)])
    sources = sources_of(load_manifest(version)) if version.manifest_key else {}
    context = version_context(request, version, "lineage", up=up, down=down, depth=DEPTH, sources=sources)
    return render(request, "datasets/lineage.html", context)


def tree(start: str, edges: list[tuple[str, str, Edge]]) -> list[Branch]:
    """Nested branches below ``start``; what was shown already is named again, but not unfolded."""
    below: dict[str, list[tuple[str, str]]] = {}
    for here, there, edge in edges:
        below.setdefault(here, []).append((there, edge.relation.replace("_", " ")))
    unfolded = {start}

    def branches(here: str) -> list[Branch]:
        found = []
        for there, relation in below.get(here, []):
            known = there in unfolded
            unfolded.add(there)
            found.append(Branch(there, relation, [] if known else branches(there), known and there in below))
        return found

    return branches(start)
