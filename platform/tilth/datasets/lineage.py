"""Reads over lineage: what something was made from, what was made of it, and who holds whose data."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from tilth.datasets import contributions
from tilth.datasets.models import DatasetVersion, Lineage
from tilth.errors import InvalidInput
from tilth.storage import Storage


@dataclass(frozen=True, slots=True)
class Edge:
    """One step of lineage, ``depth`` steps away from where the question started."""

    child: str
    parent: str
    relation: str
    depth: int


@dataclass(frozen=True, slots=True)
class Holding:
    """A version and how many of its rows are concerned."""

    version: DatasetVersion
    rows: int


def ancestors(reference: str, depth: int | None = None) -> list[Edge]:
    """Everything it was made from, nearest first; ``depth`` limits the steps."""
    return _walk(reference, "child", "parent", depth)


def descendants(reference: str, depth: int | None = None) -> list[Edge]:
    """Everything that was made of it, nearest first."""
    return _walk(reference, "parent", "child", depth)


def _walk(start: str, here: str, there: str, depth: int | None) -> list[Edge]:
    """Breadth first, one query a step; each reference is visited once, so that a loop ends."""
    edges: list[Edge] = []
    seen, frontier, step = {start}, {start}, 0
    while frontier and (depth is None or step < depth):
        step += 1
        found = Lineage.objects.filter(**{f"{here}__in": sorted(frontier)}).order_by("id")
        edges += [Edge(e.child, e.parent, e.relation, step) for e in found]
        frontier = {getattr(e, there) for e in found} - seen
        seen |= frontier
    return edges


def versions_with(kind: str, value: str) -> list[DatasetVersion]:
    """Published versions with rows of a ``labeler``, ``guideline``, ``campaign``, ``crawl``, ``parent``,
    ``domain`` or ``url``, by name and number."""
    return [holding.version for holding in holdings(kind, value)]


def holdings(kind: str, value: str) -> Iterator[Holding]:
    """The same with row counts; one query for the few kinds, a small scan a version for the many."""
    published = (
        DatasetVersion.objects.published().select_related("dataset").order_by("dataset__name", "number")
    )
    if kind in (*contributions.FEW, "parent"):
        for version in published.filter(contributions__kind=kind, contributions__value=value):
            yield Holding(version, version.contributions.get(kind=kind, value=value).rows)
        return
    if kind not in contributions.MANY:
        known = ", ".join((*contributions.FEW, "parent", *contributions.MANY))
        raise InvalidInput(f"contributions are counted by {known}; not by {kind!r}", code="unknown_kind")
    storage = Storage(settings.STORAGE)
    wanted = contributions.url_hash(value) if kind == "url" else value
    # Only documents carry domains and URLs.
    for version in published.filter(dataset__kind="documents"):
        rows = contributions.rows_of(storage, f"{version.folder}/{contributions.NAME}", kind, wanted)
        if rows:
            yield Holding(version, rows)
