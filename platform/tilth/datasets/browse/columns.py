"""What can be searched and filtered in a kind of data, worked out from its Arrow schema.

Every leaf gets a DuckDB expression built from quoted names of the schema alone, never from what a person
typed. Text anywhere in a row (messages, options, nested structs) is searchable; short strings, numbers,
truth values and times are filterable. Pure: no Django.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

LONG_TEXT = frozenset({"text", "content", "completion", "payload", "arguments", "display"})
"""Leaf names that hold running text: searched, and not offered as an equals filter."""


class ColumnKind(StrEnum):
    """How a leaf can be filtered."""

    WORD = "word"
    NUMBER = "number"
    TRUTH = "truth"
    TIME = "time"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A filterable leaf: its dotted path, kind, DuckDB expression, and the top-level column it lies in."""

    path: str
    kind: ColumnKind
    expression: str
    column: str


def leaves(schema: pa.Schema) -> list[Leaf]:
    """Filterable leaves in schema order: top-level columns and the fields of structs (not of lists)."""
    return [leaf for field in schema for leaf in _leaves(field, field.name, _quote(field.name), field.name)]


def text_expressions(schema: pa.Schema) -> list[tuple[str, str]]:
    """``(top-level column, expression)`` of everything textual; a NULL inside counts as empty text."""
    found = []
    for field in schema:
        expression = _text(field.type, _quote(field.name), 0)
        if expression is not None:
            found.append((field.name, expression))
    return found


def _leaves(field: pa.Field, path: str, expression: str, column: str) -> Iterator[Leaf]:
    if pa.types.is_struct(field.type):
        for index in range(field.type.num_fields):
            child = field.type.field(index)
            inner = f"struct_extract({expression}, {_literal(child.name)})"
            yield from _leaves(child, f"{path}.{child.name}", inner, column)
        return
    kind = _kind(field)
    if kind is not None:
        yield Leaf(path, kind, expression, column)


def _kind(field: pa.Field) -> ColumnKind | None:
    if _is_text(field.type):
        return None if field.name in LONG_TEXT else ColumnKind.WORD
    if pa.types.is_boolean(field.type):
        return ColumnKind.TRUTH
    if pa.types.is_integer(field.type) or pa.types.is_floating(field.type):
        return ColumnKind.NUMBER
    if pa.types.is_timestamp(field.type) or pa.types.is_date(field.type):
        return ColumnKind.TIME
    return None


def _text(kind: pa.DataType, expression: str, depth: int) -> str | None:
    """An expression that gives all text of a value as one string, or None where there is none."""
    if _is_text(kind):
        return f"coalesce({expression}, '')"
    if pa.types.is_struct(kind):
        fields = (kind.field(index) for index in range(kind.num_fields))
        parts = [
            _text(field.type, f"struct_extract({expression}, {_literal(field.name)})", depth)
            for field in fields
        ]
        texts = [part for part in parts if part is not None]
        return f"concat_ws(chr(10), {', '.join(texts)})" if texts else None
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        inner = _text(kind.value_type, f"x{depth}", depth + 1)
        if inner is None:
            return None
        return (
            f"coalesce(array_to_string(list_transform({expression}, lambda x{depth}: {inner}), chr(10)), '')"
        )
    return None


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
