"""Who is acting: a person, a person's API token, or a named part of the system."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from tilth.accounts.models import User

SHELL = "command line"
"""The name of whoever runs a command on the server."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The first argument of every action.

    ``scopes`` is ``None`` for a person in the browser and the granted permissions for a token.
    """

    user: "User | None" = None
    token: str = ""
    scopes: frozenset[str] | None = None
    name: str = ""

    @property
    def is_system(self) -> bool:
        """Whether a part of Tilth acts on its own."""
        return self.user is None and bool(self.name)

    @property
    def is_shell(self) -> bool:
        """Whether it is somebody at the server's shell, who can read there what the account can."""
        return self.user is None and self.name == SHELL

    @classmethod
    def of(cls, request: HttpRequest) -> "Actor":
        """The person behind a browser request."""
        return cls(user=request.user if request.user.is_authenticated else None)  # type: ignore[arg-type]

    @classmethod
    def system(cls, name: str) -> "Actor":
        """A named system actor, such as ``reaper`` or ``command line``."""
        return cls(name=name)

    def __str__(self) -> str:
        return str(self.user) if self.user else self.name
