"""What other apps add to the page of a row: each registers a panel for a kind of data.

A panel is a template and a function that gives its context from the row, or None where it has nothing to
show. Curation adds "Show the page as crawled" to ``documents``, for instance.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from tilth.datasets.models import DatasetVersion
from tilth.datasets.schemas import schema

Context = Callable[[HttpRequest, DatasetVersion, dict[str, Any]], dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel that is ready to be included: its template and context."""

    template: str
    context: dict[str, Any]


_registered: dict[str, list[tuple[str, Context]]] = {}


def register(kind: str, template: str, context: Context) -> None:
    """Show ``template`` on the page of every row of a kind; call it in ``AppConfig.ready``."""
    schema(kind)
    known = _registered.setdefault(kind, [])
    if (template, context) not in known:
        known.append((template, context))


def panels_for(request: HttpRequest, version: DatasetVersion, row: dict[str, Any]) -> list[Panel]:
    """The panels of a row, in the order of registration."""
    found = []
    for template, context in _registered.get(version.dataset.kind, []):
        values = context(request, version, row)
        if values is not None:
            found.append(Panel(template, values))
    return found
