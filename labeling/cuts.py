"""Lists that show their beginning and say how many more there are."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet


@dataclass(frozen=True, slots=True)
class Cut:
    """The first rows of a list, and how many more there are."""

    rows: list[Any]
    more: int


def cut(found: QuerySet[Any] | list[Any], most: int) -> Cut:
    """The beginning of a list or query; counts only where there is more than that."""
    rows = list(found[: most + 1])
    if len(rows) <= most:
        return Cut(rows, 0)
    return Cut(rows[:most], (len(found) if isinstance(found, list) else found.count()) - most)
