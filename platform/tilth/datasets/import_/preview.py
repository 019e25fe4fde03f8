"""A look at the first rows before anything is imported: format, shape, mapping, and what would go wrong.

Pure: no Django.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from tilth.datasets.import_.convert import Converter, signal_names
from tilth.datasets.import_.readers import BadRecord, Found, Record, detect_format, read_records
from tilth.datasets.import_.shapes import fields, recognise
from tilth.datasets.import_.sources import Source
from tilth.errors import InvalidInput, TilthError

SAMPLE = 200
SHOWN = 10


@dataclass(frozen=True)
class Sample:
    """The first records of a source."""

    format: str
    records: list[Record]
    bad: list[BadRecord]

    @property
    def values(self) -> list[Mapping[str, Any]]:
        """The records' values."""
        return [record.values for record in self.records]


@dataclass(frozen=True)
class Preview:
    """What the form shows: everything the job would do to the first rows.

    ``rows`` pairs a record with its row (or ``None``); ``errors`` are ``{"row", "field", "message"}``;
    ``problem`` is a fault of the mapping as a whole; ``unused`` are the fields that no mapping reads.
    """

    format: str
    kind: str
    shape: str
    mapping: dict[str, str]
    fields: list[str]
    rows: list[tuple[Record, dict[str, Any] | None]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""
    good: int = 0
    seen: int = 0
    unused: list[str] = field(default_factory=list)


def sample(source: Source, count: int = SAMPLE) -> Sample:
    """The first records of the first file; raises :class:`InvalidInput` for a file that is none of ours."""
    first = source.files[0]
    kind = detect_format(first)
    found: list[Found] = list(islice(_until_damaged(read_records(first, kind)), count))
    records = [item for item in found if isinstance(item, Record)]
    bad = [item for item in found if isinstance(item, BadRecord)]
    if not found:
        raise InvalidInput(f"{first.name} has no rows", code="empty_file", field="source")
    if not records:
        raise InvalidInput(
            f"no row of {first.name} can be read; row {bad[0].row}: {bad[0].reason}",
            "unreadable",
            field="source",
        )
    return Sample(kind, records, bad)


def _until_damaged(found: Iterator[Found]) -> Iterator[Found]:
    """Records up to where the file breaks; nothing at all is an error."""
    count = 0
    try:
        for item in found:
            count += 1
            yield item
    except InvalidInput:
        # The job reports where the file breaks; a preview needs only the rows before.
        if not count:
            raise


def preview(source: Source, kind: str = "", mapping: Mapping[str, str] | None = None) -> Preview:
    """Recognise, map and convert the first rows; a given ``mapping`` replaces the recognised one."""
    taken = sample(source)
    seen = recognise(taken.values, kind)
    chosen = dict(mapping) if mapping is not None else seen.mapping
    names = list(fields(taken.values))
    result = Preview(
        taken.format, seen.kind, seen.title, chosen, names, seen=len(taken.records) + len(taken.bad)
    )
    errors: list[dict[str, Any]] = [{"row": bad.row, "field": "", "message": bad.reason} for bad in taken.bad]
    try:
        converter = Converter(seen.kind, chosen, "preview", signal_names(taken.values, chosen))
        converter.check_fields(names)
    except TilthError as error:
        return _replace(result, problem=error.message, errors=errors)
    rows: list[tuple[Record, dict[str, Any] | None]] = []
    for record in taken.records:
        row, faults = converter.row(record.row, record.values)
        rows.append((record, row))
        errors += [{"row": record.row, "field": f.field, "message": f.message} for f in faults]
    good = sum(row is not None for _, row in rows)
    errors.sort(key=lambda error: error["row"])
    unused = converter.unused(names)
    return _replace(result, rows=rows[:SHOWN], errors=errors, good=good, unused=unused)


def _replace(result: Preview, **changes: Any) -> Preview:
    return Preview(**{**result.__dict__, **changes})
