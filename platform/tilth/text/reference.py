"""References: the short names by which everything points at everything else.

Grammar (one line each):

* ``NAME@N``            a dataset version             ``fineweb-mini@3``
* ``PREFIX:KEY``        any other object              ``run:12``, ``job:91``, ``labeler:<pseudonym>``
* ``PREFIX:KEY@N``      a numbered version of it      ``mixture:base@2``, ``guideline:helpful@2``
* ``PREFIX:KEY/PART``   a part of it                  ``checkpoint:12/400``

Names are lower-case letters, digits, dots, dashes and underscores, 1–100 characters, starting with a
letter or digit.
"""

import re
from dataclasses import dataclass

from tilth.errors import InvalidInput

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
_GRAMMAR = re.compile(
    r"(?:(?P<prefix>[a-z][a-z_]*):)?(?P<key>[A-Za-z0-9][A-Za-z0-9._-]{0,99})"
    r"(?:@(?P<version>[1-9][0-9]{0,8})|/(?P<part>[A-Za-z0-9][A-Za-z0-9._-]{0,99}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; ``prefix`` is ``dataset`` for ``NAME@N``."""

    prefix: str
    key: str
    version: int | None = None
    part: str | None = None

    def __str__(self) -> str:
        head = self.key if self.prefix == "dataset" else f"{self.prefix}:{self.key}"
        if self.version is not None:
            return f"{head}@{self.version}"
        return f"{head}/{self.part}" if self.part is not None else head


def parse_reference(text: str) -> Reference:
    """Read a reference, or raise :class:`InvalidInput` that shows how one looks."""
    match = _GRAMMAR.fullmatch(text)
    if not match or (match["prefix"] is None and match["version"] is None) or match["prefix"] == "dataset":
        raise InvalidInput(
            f"{text!r} is not a reference; one looks like fineweb-mini@3 or run:12", code="bad_reference"
        )
    if match["prefix"] is None and not NAME.fullmatch(match["key"]):
        raise InvalidInput(f"{text!r} is not a dataset version; names are lower case", code="bad_reference")
    version = int(match["version"]) if match["version"] else None
    return Reference(match["prefix"] or "dataset", match["key"], version, match["part"])


def check_name(name: str) -> str:
    """Return a dataset, recipe or campaign name if it is well formed, else raise :class:`InvalidInput`."""
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{name!r} is not a name: use 1-100 lower-case letters, digits, dots, dashes and underscores, "
            "starting with a letter or digit",
            code="bad_name",
            field="name",
        )
    return name
