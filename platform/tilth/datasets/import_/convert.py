"""From a foreign record to a row of a kind, or to the list of what is wrong with it, field by field.

Pure: no Django.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tilth.datasets.columns import BASE_SIGNALS
from tilth.datasets.import_.mapping import Expression, parse_expression
from tilth.datasets.import_.messages import split_shared
from tilth.datasets.import_.values import convert
from tilth.datasets.schemas import Schema, row_id, schema
from tilth.errors import InvalidInput

_ROW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of one row."""

    field: str
    message: str


class Converter:
    """Turns records of one file into rows of ``kind``.

    ``mapping`` is column (or ``column.field``) -> expression; ``source`` is the file's sha256, which
    together with the row's number makes the row id where no id column is mapped. ``signals`` names the
    measurements that ``documents`` carry.
    """

    def __init__(
        self, kind: str, mapping: Mapping[str, str], source: str, signals: Iterable[str] = ()
    ) -> None:
        names = tuple(signals)
        self.schema: Schema = schema(kind).with_signals(names) if names else schema(kind)
        self.source = source
        self.expressions = _checked(self.schema, mapping)
        # Where a document lies is known without asking the file, unless the file was exported from here.
        place = {"source", "record_offset"}
        self._given = place if kind == "documents" and not place <= set(mapping) else set()
        missing = self._unmapped()
        if missing:
            raise InvalidInput(
                f"nothing is mapped to {', '.join(missing)}, which {kind} rows need; "
                f"map it, such as {missing[0]}=field",
                code="missing_column",
                field="map",
            )

    def _unmapped(self) -> list[str]:
        mapped = {target.split(".")[0] for target in self.expressions} | self._given | {"id"}
        if self.schema.kind == "preferences":
            # Without a prompt it is what both conversations begin with.
            mapped.add("prompt")
        return [name for name in self.schema.required if name not in mapped]

    def check_fields(self, names: Iterable[str]) -> None:
        """Raise :class:`InvalidInput` when the mapping reads a field that the file does not have."""
        known = set(names)
        for target, expression in self.expressions.items():
            absent = [name for name in expression.names if name not in known]
            # In a text of several parts, or in turns, single parts may be absent.
            if absent and len(absent) == len(expression.names):
                raise InvalidInput(
                    f"{target}={expression.text}: the file has no field {absent[0]!r}; "
                    f"it has {', '.join(sorted(known))}",
                    code="missing_field",
                    field="map",
                )

    def unused(self, names: Iterable[str]) -> list[str]:
        """The fields that no mapping reads: what the import would leave behind."""
        return [name for name in names if not any(reads(e, name) for e in self.expressions.values())]

    def row(self, number: int, record: Mapping[str, Any]) -> tuple[dict[str, Any] | None, list[Fault]]:
        """The row, or ``None`` and why not."""
        faults: list[Fault] = []
        raw = self._read(record)
        row: dict[str, Any] = {}
        if self.schema.kind == "choices":
            raw["answer"] = _choice_place(raw.get("answer"), raw.get("options"), record)
        for name, value in raw.items():
            try:
                row[name] = convert(value, self.schema.by_name[name])
            except (ValueError, RecursionError) as error:
                faults.append(Fault(name, str(error)))
        row["id"] = self._id(number, raw.get("id"))
        if self._given:
            row |= {"source": self.source, "record_offset": number}
        if not faults:
            faults = self._finish(row)
        return (None, faults) if faults else (row, [])

    def _read(self, record: Mapping[str, Any]) -> dict[str, Any]:
        raw: dict[str, Any] = {}
        for target, expression in self.expressions.items():
            name, _, inner = target.partition(".")
            value = expression.read(record)
            if not inner:
                raw[name] = value
            elif value is not None:
                raw.setdefault(name, {})[inner] = value
        return raw

    def _id(self, number: int, mapped: Any) -> str:
        if mapped is None:
            return row_id(self.source, number)
        # A row that was exported keeps its id when it comes back.
        return mapped if isinstance(mapped, str) and _ROW_ID.fullmatch(mapped) else row_id(mapped)

    def _finish(self, row: dict[str, Any]) -> list[Fault]:
        """What needs several columns: a shared prompt, required values, an answer among the options."""
        if self.schema.kind == "preferences" and row.get("prompt") is None:
            try:
                row["prompt"], row["chosen"], row["rejected"] = split_shared(
                    row.get("chosen") or [], row.get("rejected") or []
                )
            except ValueError as error:
                return [Fault("prompt", str(error))]
        faults = [
            Fault(name, "is required and has no value")
            for name in self.schema.required
            if row.get(name) in (None, []) or (name != "text" and row[name] == "")
        ]
        if self.schema.kind == "choices" and not faults and row["answer"] >= len(row["options"]):
            faults.append(Fault("answer", f"option {row['answer']} of {len(row['options'])} does not exist"))
        return faults


def reads(expression: Expression, name: str) -> bool:
    """Whether the expression reads a field; names with dots or signs in them stand whole in its text."""
    return name in expression.names or (not name.isidentifier() and name in expression.text)


def _checked(found: Schema, mapping: Mapping[str, str]) -> dict[str, Expression]:
    for target in mapping:
        name, _, inner = target.partition(".")
        column = found.by_name.get(name)
        if column is None:
            raise InvalidInput(
                f"{found.kind} rows have no column {name!r}; they have {', '.join(found.by_name)}",
                code="unknown_column",
                field="map",
            )
        names = [field.name for field in column.type] if hasattr(column.type, "fields") else []
        if inner and inner not in names:
            raise InvalidInput(
                f"{name} has no field {inner!r}; it has {', '.join(names) or 'none'}",
                "unknown_column",
                field="map",
            )
    return {target: parse_expression(text) for target, text in mapping.items()}


def _choice_place(answer: Any, options: Any, record: Mapping[str, Any]) -> Any:
    """The index of the right option from an index, a letter, the option's own text or its label."""
    if not isinstance(answer, str) or not isinstance(options, list):
        return answer
    text = answer.strip()
    labels = record.get("choices", {}).get("label") if isinstance(record.get("choices"), dict) else None
    if isinstance(labels, list) and text in labels:
        return labels.index(text)
    if text in options:
        return options.index(text)
    letter = text.strip("().").upper()
    if len(letter) == 1 and "A" <= letter <= "Z":
        return ord(letter) - ord("A")
    return answer


def signal_names(records: Iterable[Mapping[str, Any]], mapping: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the measurements in the records, where ``signals`` is mapped to an object of numbers."""
    if "signals" not in mapping:
        return ()
    read = parse_expression(mapping["signals"]).read
    found = {name for record in records if isinstance(value := read(record), dict) for name in value}
    return tuple(sorted(found - set(BASE_SIGNALS)))
