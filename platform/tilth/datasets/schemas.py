"""The only definition of every kind of dataset: what a row holds, how it is named, how old ones are read.

A schema carries an integer version. Writers write the newest; readers bring older shards up to date
with :func:`upgrade`. Pure: no Django.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pyarrow as pa
import xxhash

from tilth.datasets.columns import COLUMNS, ID, MESSAGE, PROVENANCE, Column, signals_type
from tilth.errors import InvalidInput

__all__ = ["KINDS", "MESSAGE", "PROVENANCE", "Schema", "conform", "row_id", "schema", "upgrade"]


@dataclass(frozen=True)
class Schema:
    """One kind of dataset.

    ``key_columns`` (dotted) identify a row where its maker has no key of its own; see :meth:`key_id`.
    ``signals`` names the measurements a recipe adds to ``documents``.
    """

    kind: str
    version: int
    title: str
    description: str
    columns: tuple[Column, ...]
    key_columns: tuple[str, ...]

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema of a shard, naming kind and version in its metadata."""
        metadata = {"tilth.kind": self.kind, "tilth.version": str(self.version)}
        return pa.schema([column.field for column in self.columns], metadata=metadata)

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that may not be null."""
        return tuple(column.name for column in self.columns if column.required)

    def measured(self, measure: str) -> tuple[str, ...]:
        """Names of the columns that statistics look at in this way (``text``, ``category``, ``number``)."""
        return tuple(column.name for column in self.columns if column.measure == measure)

    def with_signals(self, names: Iterable[str]) -> "Schema":
        """The same schema with room for a recipe's measurements; only ``documents`` has them."""
        if "signals" not in self.by_name:
            raise InvalidInput(f"{self.kind} rows have no signals")
        struct = signals_type(tuple(names))
        changed = tuple(replace(c, type=struct) if c.name == "signals" else c for c in self.columns)
        return replace(self, columns=changed)

    def table(self, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
        """Rows as an Arrow table of this schema; raises :class:`InvalidInput` naming the column at fault.

        Fields of nested values that the schema does not know (beside signals) are left out.
        """
        listed = list(rows)
        for row in listed:
            unknown = row.keys() - self.by_name.keys()
            if unknown:
                raise InvalidInput(f"{self.kind} rows have no column {sorted(unknown)[0]!r}")
        return pa.Table.from_arrays([_array(column, listed) for column in self.columns], schema=self.arrow)

    def key_id(self, row: Mapping[str, Any]) -> str:
        """The row id made of the key columns."""
        return row_id(*(_dotted(row, name) for name in self.key_columns))


def _array(column: Column, rows: list[Mapping[str, Any]]) -> pa.Array:
    values = [row.get(column.name) for row in rows]
    if column.name == "signals":
        _check_signals(column, values)
    try:
        array = pa.array(values, type=column.type)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError, ValueError) as error:
        raise InvalidInput(f"column {column.name!r}: {error}", code="bad_value", field=column.name) from None
    if column.required and array.null_count:
        raise InvalidInput(
            f"column {column.name!r} is required but row {values.index(None) + 1} has none",
            code="missing_value",
            field=column.name,
        )
    return array


def _check_signals(column: Column, values: list[Any]) -> None:
    """A measurement without room for it would be lost in silence: refuse it."""
    known = {field.name for field in column.type}
    unknown = {name for value in values if value for name in value} - known
    if unknown:
        raise InvalidInput(
            f"no room for the signals {', '.join(sorted(unknown))}: name them when the writer is made",
            code="unknown_signal",
            field="signals",
        )


def _dotted(row: Mapping[str, Any], name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def row_id(*parts: Any) -> str:
    """xxh3-128 hex of a stable key; parts are joined by a zero byte (source id + offset, UUID + pair)."""
    return xxhash.xxh3_128_hexdigest("\x00".join(map(str, parts)).encode("utf-8", "surrogatepass"))


_ABOUT: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "documents": ("Documents", "Texts for pretraining", ("source", "record_offset")),
    "prompts": ("Prompts", "Prompts without an answer", ("source", "messages")),
    "conversations": ("Conversations", "Chats for supervised fine-tuning", ("messages", "tools")),
    "completions": ("Completions", "Answers sampled from models", ("prompt_id", "model", "completion")),
    "preferences": ("Preferences", "Pairs of a better and a worse answer", ("prompt", "chosen", "rejected")),
    "ratings": ("Ratings", "Texts with a score", ("item_id", "criterion", "provenance.annotation")),
    "problems": ("Problems", "Prompts whose answer can be checked", ("prompt", "answer")),
    "choices": ("Multiple choice", "Questions with options", ("question", "options")),
    "annotations": ("Annotations", "Every submission, unaggregated", ("item", "provenance.annotation")),
    "battles": ("Battles", "Two models, one prompt, a verdict", ("prompt", "model_a", "model_b", "winner")),
    "eval_items": ("Evaluation items", "What a model answered, item by item", ("evaluation", "item")),
    "tokens": ("Tokens", "Tokenised documents for training", ("tokens",)),
}

_VERSIONS = {kind: 2 for kind, columns in COLUMNS.items() if any(c.name == "provenance" for c in columns)}
"""Newest versions of the kinds that are past their first: 2, provenance names the editor."""

KINDS: dict[str, Schema] = {
    kind: Schema(kind, _VERSIONS.get(kind, 1), title, description, (ID, *COLUMNS[kind]), key)
    for kind, (title, description, key) in _ABOUT.items()
}

Upgrade = Callable[[pa.Table], pa.Table]


def _name_editor(table: pa.Table) -> pa.Table:
    """Provenance of version 1 with room for an editor; none is known."""
    place = table.schema.get_field_index("provenance")
    if place < 0:
        return table
    old = table.column(place).combine_chunks()
    fields = [*old.type, pa.field("editor", pa.string())]
    parts = [*(old.field(field.name) for field in old.type), pa.nulls(len(old), pa.string())]
    made = pa.StructArray.from_arrays(parts, fields=fields, mask=old.is_null())
    return table.set_column(place, "provenance", made)


UPGRADES: dict[tuple[str, int], Upgrade] = {(kind, 1): _name_editor for kind in _VERSIONS}
"""(kind, version) -> the change that makes a table of that version one of the next."""


def schema(kind: str) -> Schema:
    """The newest schema of a kind, or :class:`InvalidInput` listing the kinds there are."""
    if kind not in KINDS:
        raise InvalidInput(
            f"there is no kind {kind!r}; kinds are {', '.join(KINDS)}", code="unknown_kind", field="kind"
        )
    return KINDS[kind]


def upgrade(table: pa.Table, kind: str, from_version: int) -> pa.Table:
    """A table read from a shard of any version, as one of the newest schema."""
    newest = schema(kind)
    if from_version > newest.version:
        raise InvalidInput(
            f"this {kind} shard has version {from_version}, newer than {newest.version}: update Tilth",
            code="newer_schema",
        )
    for version in range(from_version, newest.version):
        if (kind, version) not in UPGRADES:
            raise InvalidInput(f"{kind} version {version} cannot be read", code="unknown_schema")
        table = UPGRADES[kind, version](table)
    return conform(table, newest)


def conform(table: pa.Table, target: Schema) -> pa.Table:
    """The table with exactly the schema's columns in order: missing optional ones null, types cast.

    The ``signals`` struct keeps the measurements it has.
    """
    if "signals" in target.by_name and "signals" in table.column_names:
        names = [field.name for field in table.schema.field("signals").type]
        target = target.with_signals(names)
    extra = set(table.column_names) - set(target.by_name)
    if extra:
        raise InvalidInput(f"{target.kind} rows have no column {sorted(extra)[0]!r}", code="unknown_column")
    arrays = [_conformed(table, column) for column in target.columns]
    return pa.Table.from_arrays(arrays, schema=target.arrow)


def _conformed(table: pa.Table, column: Column) -> pa.ChunkedArray:
    if column.name not in table.column_names:
        if column.required and table.num_rows:
            raise InvalidInput(f"column {column.name!r} is missing", code="missing_column", field=column.name)
        return pa.chunked_array([pa.nulls(table.num_rows, column.type)])
    array = table.column(column.name)
    if column.required and array.null_count:
        raise InvalidInput(f"column {column.name!r} has nulls", code="missing_value", field=column.name)
    return array if array.type == column.type else _cast(array, column)


def _cast(array: pa.ChunkedArray, column: Column) -> pa.ChunkedArray:
    """Cast by Arrow, and where it cannot (structs with other fields) by way of Python values."""
    try:
        return array.cast(column.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        pass
    try:
        return pa.chunked_array([pa.array(array.to_pylist(), type=column.type)])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError) as error:
        raise InvalidInput(f"column {column.name!r}: {error}", code="bad_value", field=column.name) from None
