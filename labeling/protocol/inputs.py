"""The input-type log: how many characters came about how. Content-blind: nothing of the text is in it.

A browser reports each change with an ``inputType`` (W3C Input Events Level 2); the workspace adds up
characters under the names below. ``pasted_page`` was copied or dragged on the same page (the prompt, an
earlier draft), ``pasted_elsewhere`` and ``dropped`` were not. ``corrected`` is what a spelling correction put in
place of a word (``insertReplacementText``), ``dictated`` is text that came without a key press, or by a change
that names no ``inputType``. ``deleted`` counts deletions. Sources are not counted: their quotes are there to be
pasted.
"""

from collections.abc import Mapping
from typing import Any

from tilth.errors import InvalidInput

KINDS = ("typed", "pasted_page", "pasted_elsewhere", "dropped", "corrected", "dictated", "deleted")
MOST = 10_000_000


def clean(counts: Mapping[str, Any]) -> dict[str, int]:
    """A report as it is stored, or :class:`InvalidInput`: an unknown name, or no whole number from 0."""
    unknown = sorted(set(counts) - set(KINDS))
    if unknown:
        raise InvalidInput(
            f"there is no way of input {unknown[0]!r}; there are {', '.join(KINDS)}", field="inputs"
        )
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MOST:
            raise InvalidInput(f"{name} must be a whole number from 0 to {MOST:,}", field="inputs")
    return {name: counts[name] for name in KINDS if counts.get(name)}


def foreign_share(counts: Mapping[str, int]) -> float:
    """Which part of what was put in came from outside the page by paste or drop: 0 to 1."""
    put_in = sum(counts.get(name, 0) for name in KINDS if name != "deleted")
    foreign = counts.get("pasted_elsewhere", 0) + counts.get("dropped", 0)
    return foreign / put_in if put_in else 0.0
