"""Tables that people open in a spreadsheet, where a cell of theirs must not become a formula. Pure: no Django."""

from collections.abc import Iterable
from typing import Any

FORMULA = frozenset("=+-@\t\r\n＝＋－＠")
"""What a formula begins with (OWASP, CSV injection), also after a line break and in full width."""

PARTING = frozenset(',;\t"\r\n')
"""What parts cells or lines in one spreadsheet or another: only a comma here, a semicolon in much of Europe."""


def harmless(cell: str) -> str:
    """The cell, with a quote before what a spreadsheet would take for a formula."""
    return f"'{cell}" if cell[:1] in FORMULA else cell


class Table:
    """Writes CSV (RFC 4180) line by line to a file. Texts are harmless; what is no text stays as it is."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, cells: Iterable[Any]) -> Any:
        """One line; answers what the file's ``write`` does."""
        return self._file.write(",".join(map(_cell, cells)) + "\r\n")


def _cell(value: Any) -> str:
    text = harmless(value) if isinstance(value, str) else "" if value is None else str(value)
    if PARTING.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
