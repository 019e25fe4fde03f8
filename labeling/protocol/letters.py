"""What pages call the answers that they show: letters from left to right, never stored positions.

Answers are shuffled for each labeler, and whoever reads a page's source shall not learn how they are stored
(which model is the first, say). So payloads name answers by stored position in the database and by letter in
everything that a page sends and receives. Pure: no Django.
"""

from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from labeling.protocol.kind import TaskKind


def letters(order: Sequence[int]) -> dict[str, str]:
    """Letters by stored position (as payloads spell it), given the positions as they stand from left to right."""
    return {str(position): letter for position, letter in zip(order, ascii_uppercase, strict=False)}


def to_page(kind: TaskKind, payload: Any, order: Sequence[int]) -> Any:
    """A stored payload as the page reads it."""
    return _renamed(kind, payload, letters(order))


def from_page(kind: TaskKind, payload: Any, order: Sequence[int]) -> Any:
    """What a page sent as it is stored; a position in place of a letter names nothing."""
    return _renamed(kind, payload, {letter: position for position, letter in letters(order).items()})


def _renamed(kind: TaskKind, payload: Any, names: dict[str, str]) -> Any:
    if kind.rename is None or not isinstance(payload, dict):
        return payload
    return kind.rename(payload, names)
