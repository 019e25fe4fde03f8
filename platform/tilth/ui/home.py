"""Panels of the home page, contributed by the apps that know their own news."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tilth.accounts.permissions import PERMISSIONS, can


@dataclass(frozen=True, slots=True)
class Panel:
    """One card of the home page; ``context(user)`` fills ``template``, or answers ``None`` to stay away."""

    title: str
    template: str
    permission: str
    context: Callable[[Any], dict[str, Any] | None]
    order: int = 100


@dataclass(slots=True)
class Shown:
    """A panel with what it shows to one person."""

    title: str
    template: str
    context: dict[str, Any] = field(default_factory=dict)


_panels: dict[str, Panel] = {}


def register(panel: Panel) -> None:
    """Add a panel; call it in ``AppConfig.ready``."""
    if panel.permission not in PERMISSIONS:
        raise KeyError(f"{panel.permission!r} is not in the permission table")
    _panels[panel.title] = panel


def panels(user: Any) -> list[Shown]:
    """The panels with something to say to ``user``, in order."""
    allowed = (panel for panel in _panels.values() if can(user, panel.permission))
    found = []
    for panel in sorted(allowed, key=lambda panel: panel.order):
        context = panel.context(user)
        if context is not None:
            found.append(Shown(panel.title, panel.template, context))
    return found
