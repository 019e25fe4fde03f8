"""What a reference points at: each app teaches this registry its own prefixes.

``fineweb-mini@3`` or ``job:91`` becomes a title and an address, without any app importing another.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tilth.errors import NotFound
from tilth.text.reference import Reference, parse_reference


@dataclass(frozen=True, slots=True)
class Resolved:
    """An object behind a reference: what to call it, where it is, who may see it, how it stands."""

    title: str
    url: str
    permission: str
    state: str = ""


Resolver = Callable[[Reference], Resolved | None]
_resolvers: dict[str, Resolver] = {}


def register(prefix: str, resolve: Resolver) -> None:
    """Teach the registry a prefix; ``resolve`` answers ``None`` where there is no such object."""
    known = _resolvers.setdefault(prefix, resolve)
    if known is not resolve:
        raise ValueError(f"the reference prefix {prefix!r} is registered twice")


def resolve(text: str) -> Resolved:
    """The object behind ``text``; raises :class:`InvalidInput` or :class:`NotFound`."""
    reference = parse_reference(text)
    resolver = _resolvers.get(reference.prefix)
    found = resolver(reference) if resolver else None
    if found is None:
        raise NotFound(f"There is nothing behind the reference {text}.")
    return found
