"""The kinds of tasks there are: every module in ``labeling/protocol/kinds`` that defines ``KIND``."""

import importlib
import pkgutil
from functools import cache

from labeling.protocol import kinds
from labeling.protocol.kind import Schema, TaskKind
from tilth.errors import InvalidInput

WORKSPACE_KEYS = {
    "?": "Show the shortcuts",
    "/": "Search the guideline",
    "g": "Then a letter: go to another section",
    "n": "Skip this task",
    "h": "Ask for help",
    "j": "Next row",
    "k": "Row before",
    "Esc": "Leave a text field, or show an answer whole that appears bit by bit",
}
"""Single keys that mean the same in every workspace; kinds may not use them."""


@cache
def all_kinds() -> dict[str, TaskKind]:
    """Every kind by name, in alphabetical order."""
    found = {}
    for module in pkgutil.iter_modules(kinds.__path__):
        kind = getattr(importlib.import_module(f"{kinds.__name__}.{module.name}"), "KIND", None)
        if kind is not None:
            found[kind.name] = kind
    return dict(sorted(found.items()))


def kind_of(name: str) -> TaskKind:
    """The kind of this name, or :class:`InvalidInput` naming those there are."""
    known = all_kinds()
    if name not in known:
        raise InvalidInput(
            f"there is no kind of task {name!r}; kinds are {', '.join(known)}",
            code="unknown_kind",
            field="kind",
        )
    return known[name]


def collisions(kind: TaskKind, schema: dict) -> list[str]:
    """Keys that would mean two things at once in a workspace of this kind."""
    seen: dict[str, str] = dict(WORKSPACE_KEYS)
    found = []
    for shortcut in kind.shortcuts(schema):
        if shortcut.key in seen:
            found.append(f"{shortcut.key!r} means both {seen[shortcut.key]!r} and {shortcut.label!r}")
        seen[shortcut.key] = shortcut.label
    return found


def keys(kind: TaskKind, schema: Schema) -> list[tuple[str, str]]:
    """What keys do in a workspace, the kind's own first; without those that mean the same on every page."""
    own = [(shortcut.key, shortcut.label) for shortcut in kind.shortcuts(schema)]
    shared = [(key, label) for key, label in WORKSPACE_KEYS.items() if key not in ("?", "/", "g")]
    return [*own, *shared, ("Ctrl Enter", "Submit")]
