"""Answer schemas of kinds: completing them from the defaults, and saying which entry is wrong.

A schema is plain JSON: texts, whole numbers, switches, lists of texts, and lists of flat objects. Its
default shows the type of every entry, which is all that the form for leads needs to know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tilth.errors import InvalidInput

MOST_ENTRIES = 40
LONGEST = 2_000


def complete(schema: Mapping[str, Any], default: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` with what it leaves out taken from ``default``; :class:`InvalidInput` names a wrong entry."""
    if not isinstance(schema, Mapping):
        raise InvalidInput(
            "An answer schema is a JSON object of its entries.", code="bad_schema", field="schema"
        )
    unknown = sorted(set(schema) - set(default))
    if unknown:
        raise wrong(unknown[0], f"is no entry of this schema; there are {', '.join(default)}")
    full = {name: schema.get(name, value) for name, value in default.items()}
    for name, value in full.items():
        _check_type(name, value, default[name])
    return full


def wrong(name: str, what: str, field: str = "") -> InvalidInput:
    """The fault of one entry, in words that name it; ``field``: the entry, where ``name`` says more."""
    return InvalidInput(f"{name.replace('_', ' ')} {what}.", code="bad_schema", field=field or name)


def _check_type(name: str, value: Any, like: Any, field: str = "") -> None:
    if isinstance(like, bool):
        _expect(isinstance(value, bool), name, "must be yes or no", field)
    elif isinstance(like, int):
        whole = isinstance(value, int) and not isinstance(value, bool)
        _expect(whole, name, "must be a whole number", field)
    elif isinstance(like, str):
        fits = isinstance(value, str) and len(value) <= LONGEST
        _expect(fits, name, f"must be a text of at most {LONGEST} characters", field)
    else:
        _expect(isinstance(value, list), name, "must be a list")
        _expect(len(value) <= MOST_ENTRIES, name, f"may have {MOST_ENTRIES} entries at most")
        for entry in value:
            _check_entry(name, entry, like)


def _check_entry(name: str, entry: Any, like: Sequence[Any]) -> None:
    if like and isinstance(like[0], Mapping):
        _expect(isinstance(entry, Mapping), name, "must be a list of objects")
        missing = [key for key in like[0] if key not in entry]
        _expect(not missing, name, f"has an entry without {missing[0] if missing else ''}")
        for key, value in like[0].items():
            _check_type(f"{name}: {key}", entry[key], value, field=name)
        unknown = sorted(set(entry) - set(like[0]))
        _expect(
            not unknown, name, f"has an entry with {unknown[0] if unknown else ''}, which is no part of it"
        )
        return
    _expect(isinstance(entry, str) and bool(entry.strip()), name, "has an empty entry")


def _expect(holds: bool, name: str, what: str, field: str = "") -> None:
    if not holds:
        raise wrong(name, what, field)


def named(name: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Every entry has a ``name`` of its own that can stand in a payload: lower-case words."""
    seen: set[str] = set()
    for entry in entries:
        key = str(entry.get("name", ""))
        _expect(
            key.replace("_", "").isalnum() and key == key.lower(),
            name,
            f"has the name {key!r}; use lower-case words",
        )
        _expect(key not in seen, name, f"has the name {key!r} twice")
        seen.add(key)


def within(name: str, value: int, low: int, high: int) -> None:
    """A number lies between two bounds."""
    _expect(low <= value <= high, name, f"must lie between {low} and {high}")
