"""The table by which people are invited: CSV with a header, one address a line."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labeling.protocol.cohort import tidy
from tilth.errors import InvalidInput

COLUMNS = ("email", "name", "weekly_minutes", "languages", "expertise", "region")
MOST_LINES = 5_000
_ADDRESS = re.compile(r"[^@\s,;<>\"]{1,64}@[^@\s,;<>\"]{1,185}\.[^@\s.,;<>\"]{2,63}")


@dataclass(frozen=True, slots=True)
class Line:
    """One line; ``fault`` says what is wrong with it, if anything is."""

    number: int
    email: str = ""
    weekly_minutes: int = 0
    fields: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


def read_roster(text: str) -> Iterator[Line]:
    """The lines of a table; :class:`InvalidInput` where it has no e-mail column or too many lines.

    Languages may be several, set apart by spaces, commas, semicolons or bars.
    """
    sample = text.lstrip("\ufeff")
    first = sample.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(sample), delimiter=delimiter)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise InvalidInput(
            f"Line {reader.line_num} is no line of a table: {error}.", code="bad_table", field="file"
        ) from None
    header = [name.strip().lower().replace("-", "").replace(" ", "_") for name in rows[0]] if rows else []
    if "email" not in header:
        raise InvalidInput(
            f"The first line must name the columns, one of them email; known are {', '.join(COLUMNS)}.",
            code="no_header",
            field="file",
        )
    if len(rows) - 1 > MOST_LINES:
        raise InvalidInput(f"Invite at most {MOST_LINES:,} people at once.", code="too_many", field="file")
    for number, row in enumerate(rows[1:], start=2):
        if any(cell.strip() for cell in row):
            yield _line(number, dict(zip(header, (cell.strip() for cell in row), strict=False)))


def _line(number: int, cells: dict[str, str]) -> Line:
    address = cells.get("email", "").lower()
    if not _ADDRESS.fullmatch(address):
        return Line(number, fault=f"{address[:100]!r} is not an e-mail address")
    minutes = cells.get("weekly_minutes", "") or "0"
    if not minutes.isdecimal() or len(minutes) > 5 or int(minutes) > 10_080:
        return Line(
            number, address, fault=f"weekly_minutes must be a whole number up to 10,080, not {minutes[:20]!r}"
        )
    languages = [code.lower() for code in re.split(r"[\s,;|]+", cells.get("languages", "")) if code]
    wrong = [code for code in languages if not re.fullmatch(r"[a-z]{2,3}", code)]
    if wrong:
        return Line(number, address, fault=f"{wrong[0]!r} is no language code; write en or de")
    extra = {name: tidy(cells[name])[:80] for name in ("expertise", "region") if cells.get(name)}
    fields = {"weekly_minutes": int(minutes), "languages": languages, **extra}
    return Line(number, address, int(minutes), fields)
