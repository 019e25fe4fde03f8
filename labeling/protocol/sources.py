"""The sources of a written answer: a URL or DOI each, with a quote and the date of access."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from labeling.protocol.kind import Problem

_DOI = re.compile(r"(?:doi:|https?://(?:dx\.)?doi\.org/)?10\.\d{4,9}/\S+", re.IGNORECASE)
EARLIEST = date(1990, 1, 1)


def check_sources(sources: Sequence[Mapping[str, Any]]) -> list[Problem]:
    """What is wrong with each source, by the field at fault."""
    found = []
    for number, source in enumerate(sources):
        path, where = f"sources.{number}", str(source.get("url") or "").strip()
        if not where:
            found.append(Problem(f"{path}.url", f"Source {number + 1} has no address; give a URL or a DOI."))
        elif not is_address(where):
            found.append(Problem(f"{path}.url", f"Source {number + 1}: {where[:60]!r} is no URL and no DOI."))
        accessed = str(source.get("accessed") or "")
        if accessed and not _is_past(accessed):
            message = f"Source {number + 1}: the date of access must be a day up to today, like 2026-03-31."
            found.append(Problem(f"{path}.accessed", message))
    return found


def is_address(text: str) -> bool:
    """Whether this is a web address or a DOI."""
    if _DOI.fullmatch(text):
        return True
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and "." in (parts.hostname or "") and " " not in text


def _is_past(text: str) -> bool:
    try:
        return EARLIEST <= date.fromisoformat(text) <= date.today()
    except ValueError:
        return False
