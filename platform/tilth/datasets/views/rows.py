"""Browsing and searching a version's rows, and the page of one row."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from tilth.accounts.permissions import requires
from tilth.datasets.browse.columns import ColumnKind, Leaf, leaves
from tilth.datasets.browse.conditions import OPERATORS, Condition, build_condition
from tilth.datasets.browse.present import cell_text, parts, pieces
from tilth.datasets.browse.search import Found, search, take_rows
from tilth.datasets.browse.shards import ROW, ShardRows
from tilth.datasets.manifests import load_manifest, rows_of
from tilth.datasets.models import DatasetVersion
from tilth.datasets.panels import panels_for
from tilth.datasets.schemas import schema
from tilth.datasets.views.common import PER_PAGE, find_version, version_context
from tilth.errors import InvalidInput, NotFound

COLUMNS_SHOWN = 5
PAIR = ("chosen", "rejected")


@requires("data.view")
@require_GET
def browse(request: HttpRequest, name: str, number: int) -> HttpResponse:
    """A page of rows: all of them by number, or those that a search and filters find."""
    version = find_version(name, number)
    source = rows_of(version)
    asked = request.GET
    error = ""
    try:
        condition = build_condition(source.schema, asked.get("q", "")[:1000], _filters(asked))
    except InvalidInput as fault:
        condition, error = Condition(), fault.message
    start = _number(asked.get("at"), source.total)
    columns = _columns(asked, source)
    if error:
        found = Found()
    elif condition.is_empty:
        found = Found(list(range(start, min(start + PER_PAGE, source.total))))
    else:
        found = search(source, condition, start, PER_PAGE, backwards="back" in asked)
    context = version_context(
        request,
        version,
        "rows",
        error=error,
        found=found,
        searching=not condition.is_empty,
        rows=_shown(version, source, found, columns, condition),
        columns=[source_title(version, name) for name in columns],
        choices=[
            (field.name, source_title(version, field.name), field.name in columns) for field in source.schema
        ],
        filters=_filter_fields(version, source, asked),
        narrowed=any(key.partition(".")[2] for key in _filters(asked)),
        links=_links(asked, source, found, start, condition),
        total=source.total,
        q=asked.get("q", ""),
        start=start,
    )
    return render(request, "datasets/rows.html", context)


def source_title(version: DatasetVersion, name: str) -> str:
    """What people call a column."""
    column = schema(version.dataset.kind).by_name.get(name)
    return column.title if column else name


def _filters(asked: QueryDict) -> dict[str, str]:
    """The filters of an address: keys such as ``is.language``."""
    operators = {operator for known in OPERATORS.values() for operator in known}
    return {key: str(asked[key]) for key in asked if key.partition(".")[0] in operators and asked[key]}


def _number(text: str | None, total: int) -> int:
    """A row number from the address, brought into the range there is."""
    return min(max(0, int(text)), max(0, total - 1)) if text and text.isdecimal() and len(text) < 16 else 0


def _columns(asked: QueryDict, source: ShardRows) -> list[str]:
    """The chosen columns, or the first few that say most."""
    names = [field.name for field in source.schema]
    chosen = [name for name in names if name in asked.getlist("c")]
    if chosen:
        return chosen
    useful = [f.name for f in source.schema if f.name != "id" and not pa.types.is_struct(f.type)]
    dull = {"source", "record_offset", "record_length", "date", "crawl", "domain", "group", "cluster_size"}
    return [name for name in useful if name not in dull][:COLUMNS_SHOWN]


@dataclass(frozen=True, slots=True)
class Shown:
    """A row of the list: its number, its page and its cells."""

    number: int
    url: str
    cells: list[Any]


def _shown(
    version: DatasetVersion, source: ShardRows, found: Found, columns: list[str], condition: Condition
) -> list[Shown]:
    if not found.rows:
        return []
    wanted = [*dict.fromkeys([*columns, "id"])]
    consecutive = condition.is_empty
    table = (
        source.page(found.rows[0], len(found.rows), wanted)
        if consecutive
        else take_rows(source, found.rows, wanted)
    )
    return [
        Shown(
            row[ROW],
            f"{reverse('datasets:row', args=[version.dataset.name, version.number, row['id']])}?at={row[ROW]}",
            [pieces(cell_text(row[name]), condition.words.wanted) for name in columns],
        )
        for row in table.to_pylist()
    ]


def _links(
    asked: QueryDict, source: ShardRows, found: Found, start: int, condition: Condition
) -> Mapping[str, str]:
    """Addresses of the pages before and after this one, where there are such."""
    if condition.is_empty:
        ends = {"first": 0 if start else None, "previous": max(0, start - PER_PAGE) if start else None}
        ends |= {"next": start + PER_PAGE if start + PER_PAGE < source.total else None}
        ends |= {"last": (source.total - 1) // PER_PAGE * PER_PAGE if ends["next"] is not None else None}
        return {name: _address(asked, at) for name, at in ends.items() if at is not None}
    backwards = "back" in asked
    ahead = (start + 1 if start + 1 < source.total else None) if backwards else found.more_from
    behind = found.more_from if backwards else (start - 1 if start else None)
    links = {"first": _address(asked, 0)} if start else {}
    if ahead is not None:
        links["next"] = _address(asked, ahead)
    if behind is not None:
        links["previous"] = _address(asked, behind, back=True)
    return links


def _address(asked: QueryDict, at: int, back: bool = False) -> str:
    query = asked.copy()
    query.pop("back", None)
    query["at"] = str(at)
    if back:
        query["back"] = "1"
    return f"?{query.urlencode()}"


@dataclass(frozen=True, slots=True)
class FilterField:
    """One input of the filter form."""

    key: str
    label: str
    type: str
    value: str
    options: list[str]


_INPUTS = {
    ColumnKind.WORD: "text",
    ColumnKind.NUMBER: "number",
    ColumnKind.TRUTH: "text",
    ColumnKind.TIME: "date",
}
_LABELS = {"is": "is", "has": "contains", "min": "from", "max": "to"}


def _filter_fields(version: DatasetVersion, source: ShardRows, asked: QueryDict) -> list[FilterField]:
    """Inputs for every filterable leaf; a category's frequent values are offered."""
    statistics = load_manifest(version).statistics.get("columns", {})

    def label(leaf: Leaf) -> str:
        inner = leaf.path.partition(".")[2]
        return f"{source_title(version, leaf.column)}{': ' if inner else ''}{inner}"

    return [
        FilterField(
            f"{operator}.{leaf.path}",
            f"{label(leaf)} {_LABELS[operator]}",
            _INPUTS[leaf.kind],
            asked.get(f"{operator}.{leaf.path}", ""),
            [str(value) for value, _ in statistics.get(leaf.path, {}).get("top", [])]
            if operator == "is"
            else [],
        )
        for leaf in leaves(source.schema)
        if leaf.path != "id"
        for operator in _offered(leaf, asked, bool(statistics.get(leaf.path)))
    ]


def _offered(leaf: Leaf, asked: QueryDict, is_category: bool) -> tuple[str, ...]:
    """The filters to show: words are compared where they are categories and searched elsewhere."""
    operators = OPERATORS[leaf.kind]
    if leaf.kind is not ColumnKind.WORD:
        return operators
    usual = "is" if is_category else "has"
    return tuple(name for name in operators if name == usual or asked.get(f"{name}.{leaf.path}"))


@requires("data.view")
@require_GET
def row(request: HttpRequest, name: str, number: int, row_id: str) -> HttpResponse:
    """One row, whole. ``at`` says where it lies; without it the ids are searched."""
    version = find_version(name, number)
    source = rows_of(version)
    found = _at(source, row_id, request.GET.get("at"))
    if found is not None:
        return _row_page(request, version, source, found)
    start = _number(request.GET.get("from"), source.total)
    hits = search(source, build_condition(source.schema, "", {"is.id": row_id}), start, 1)
    if hits.rows:
        return _row_page(request, version, source, source.page(hits.rows[0], 1).to_pylist()[0])
    if hits.timed_out and hits.more_from is not None:
        context = version_context(
            request, version, "rows", row_id=row_id, more_from=hits.more_from, total=source.total
        )
        return render(request, "datasets/row_search.html", context)
    raise NotFound(f"{version.reference} has no row {row_id!r}.")


@requires("data.view")
@require_GET
def row_at(request: HttpRequest, name: str, number: int, at: int) -> HttpResponse:
    """The row with this number: how a row's page finds its neighbours."""
    version = find_version(name, number)
    source = rows_of(version)
    if at >= source.total:
        raise NotFound(f"{version.reference} has {source.total:,} rows, numbered from 0; there is no {at:,}.")
    return _row_page(request, version, source, source.page(at, 1).to_pylist()[0])


def _row_page(
    request: HttpRequest, version: DatasetVersion, source: ShardRows, found: dict[str, Any]
) -> HttpResponse:
    at = found.pop(ROW)
    shown = parts(found, schema(version.dataset.kind).columns)
    context = version_context(
        request,
        version,
        "rows",
        row_id=found["id"],
        at=at,
        parts=[part for part in shown if part.shape not in {"value", "fields"} and part.name not in PAIR],
        pair=[part for part in shown if part.name in PAIR],
        values=[part for part in shown if part.shape == "value"],
        groups=[part for part in shown if part.shape == "fields"],
        panels=panels_for(request, version, found),
        before=at - 1 if at else None,
        after=at + 1 if at + 1 < source.total else None,
        total=source.total,
    )
    return render(request, "datasets/row.html", context)


def _at(source: ShardRows, row_id: str, at: str | None) -> dict[str, Any] | None:
    """The row at this number, if it is the one that is meant."""
    if not at or not at.isdecimal() or len(at) > 15 or int(at) >= source.total:
        return None
    found: dict[str, Any] = source.page(int(at), 1).to_pylist()[0]
    return found if found["id"] == row_id else None
