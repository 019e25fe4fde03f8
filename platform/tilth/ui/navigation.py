"""The side navigation: each app registers its own pages, so nothing is shown that does not exist."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.urls import NoReverseMatch, reverse

from tilth.accounts.permissions import PERMISSIONS, can

SECTIONS = {"Home": "h", "Data": "d", "Labeling": "l", "Models": "m", "Jobs": "j", "Admin": "a"}
"""Sections in the order of the screen, with the key that opens each one's first page after ``g``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One registered page."""

    section: str
    label: str
    url_name: str
    permission: str
    order: int
    icon: str


@dataclass(slots=True)
class Link:
    """One line of the navigation as one person sees it; ``icon`` names a symbol of ``icons.svg``."""

    label: str
    url: str
    icon: str
    active: bool = False
    key: str = ""


@dataclass(slots=True)
class Section:
    """A named group of links."""

    name: str
    links: list[Link] = field(default_factory=list)


_entries: dict[tuple[str, str], Entry] = {}


def register(
    section: str, label: str, url_name: str, permission: str, order: int = 100, icon: str = ""
) -> None:
    """Show a page in the navigation to those who hold ``permission``; call it in ``AppConfig.ready``."""
    if section not in SECTIONS:
        raise KeyError(f"{section!r} is no section of the navigation; there are {', '.join(SECTIONS)}")
    if permission not in PERMISSIONS:
        raise KeyError(f"{permission!r} is not in the permission table")
    _entries[section, url_name] = Entry(section, label, url_name, permission, order, icon or section.lower())


def sections(user: Any, path: str) -> list[Section]:
    """The sections that ``user`` may open, with the link nearest to ``path`` marked active."""
    found = [_section(name, _visible(name, user)) for name in SECTIONS]
    shown = [section for section in found if section.links]
    _mark_active([link for section in shown for link in section.links], path)
    return shown


def _visible(name: str, user: Any) -> Iterable[Entry]:
    mine = (e for e in _entries.values() if e.section == name and can(user, e.permission))
    return sorted(mine, key=lambda entry: (entry.order, entry.label))


def _section(name: str, entries: Iterable[Entry]) -> Section:
    links = [Link(entry.label, url, entry.icon) for entry in entries if (url := _url(entry))]
    if links:
        links[0].key = SECTIONS[name]
    return Section(name, links)


def _url(entry: Entry) -> str | None:
    """The page's address; a page that is not mounted is not shown."""
    try:
        return reverse(entry.url_name)
    except NoReverseMatch:
        return None


def _mark_active(links: list[Link], path: str) -> None:
    """The active page is the longest registered address that the current one starts with."""
    under = [link for link in links if path == link.url or (link.url != "/" and path.startswith(link.url))]
    if under:
        max(under, key=lambda link: len(link.url)).active = True
