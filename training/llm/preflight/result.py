"""What a check says: whether it passed, in words, with figures and the rows at fault."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

MOST_ROWS = 10
LONGEST_EXCERPT = 400
Piece = tuple[str, str]
"""A stretch of text and what it is: empty (plain), ``trained``, ``cut`` (beyond the context) or ``mark``."""


class State(StrEnum):
    """How a check ended; what failed keeps the run from starting."""

    PASSED = "passed"
    WARNED = "warned"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Offender:
    """A row at fault: its source, its number in it (from 1), its id, why, and an excerpt."""

    source: str
    number: int
    id: str
    why: str
    excerpt: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the checklist.

    ``figures`` are numbers by name; ``rows`` the first rows at fault, ``more`` how many there are beside them;
    ``samples`` are rows shown as examples; ``bins`` is a histogram: (upper edge, rows).
    """

    name: str
    state: State
    words: str
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
    rows: tuple[Offender, ...] = ()
    more: int = 0
    samples: tuple[Offender, ...] = ()
    bins: tuple[tuple[int, int], ...] = ()

    def with_rows(self, found: Sequence[Offender]) -> "Check":
        """The check with the first of these rows."""
        return replace(self, rows=tuple(found[:MOST_ROWS]), more=max(0, len(found) - MOST_ROWS))

    def to_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {**asdict(self), "state": str(self.state)}


def passed(name: str, words: str, **more: Any) -> Check:
    """A check that found nothing wrong."""
    return Check(name, State.PASSED, words, **more)


def warned(name: str, words: str, **more: Any) -> Check:
    """A check that found something to know, which does not keep the run from starting."""
    return Check(name, State.WARNED, words, **more)


def failed(name: str, words: str, **more: Any) -> Check:
    """A check that keeps the run from starting."""
    return Check(name, State.FAILED, words, **more)


def plain(text: str, longest: int = LONGEST_EXCERPT) -> tuple[Piece, ...]:
    """A text as an excerpt."""
    return shortened([(text, "")], longest)


def shortened(pieces: Iterable[Piece], longest: int) -> tuple[Piece, ...]:
    """Pieces up to ``longest`` characters; what is left out is shown as an ellipsis."""
    found: list[Piece] = []
    left = longest
    for text, kind in pieces:
        if len(text) > left:
            found.append((text[:left] + "…", kind))
            break
        found.append((text, kind))
        left -= len(text)
    return tuple(found)


def rows(count: int) -> str:
    """``1 row``, ``2 rows``."""
    return f"{count:,} row{'' if count == 1 else 's'}"
