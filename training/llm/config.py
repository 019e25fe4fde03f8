"""What a stage can be told: typed settings that validate themselves, read from JSON or ``key=value``.

A stage's settings are one frozen dataclass whose fields are made by :func:`setting`. The launch page, the
command line and the stage itself read the same class, so that a setting is named, explained and checked
in one place. Pure and light: no torch, so that pages work where nothing is trained.
"""

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from tilth.errors import InvalidInput

T = TypeVar("T")

LARGEST = 2**63 - 1
"""No count is larger: it must fit into a file, a tensor and a database."""


def setting(
    default: T,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[str, ...] = (),
    advanced: bool = False,
    lines: bool = False,
) -> T:
    """A dataclass field with its default, one line of help, bounds (inclusive) and the values allowed.

    ``advanced`` settings are folded away on the launch page; ``lines`` marks a text of several lines.
    """
    metadata = {
        "help": help,
        "minimum": minimum,
        "maximum": maximum,
        "choices": choices,
        "advanced": advanced,
        "lines": lines,
    }
    return typing.cast(T, dataclasses.field(default=default, metadata=metadata))


@dataclass(frozen=True, slots=True)
class Setting:
    """What a form or a help text needs to know of one setting.

    ``type`` is int, float, bool or str; ``optional`` says that it may be left empty (``None``).
    """

    name: str
    type: type
    default: Any
    help: str
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    advanced: bool = False
    lines: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """The base of every stage's settings."""

    def __post_init__(self) -> None:
        for item in settings_of(type(self)):
            _check(item, getattr(self, item.name))
        self.check()

    def check(self) -> None:
        """Rules between settings; raise :class:`InvalidInput` naming the field to change."""

    def to_json(self) -> dict[str, Any]:
        """The settings as a JSON object, all of them, so that a record does not depend on later defaults."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Settings from a JSON object; what is missing has its default, what is unknown is refused."""
        known = {item.name: item for item in settings_of(cls)}
        for name in data:
            if name not in known:
                raise InvalidInput(
                    f"There is no setting {name!r}; there are: {', '.join(known)}.", field=str(name)
                )
        return cls(**{name: _whole(known[name], value) for name, value in data.items()})

    def override(self, assignments: Iterable[str]) -> Self:
        """The settings with ``key=value`` texts applied, as typed on a command line."""
        return type(self).from_json({**self.to_json(), **read_assignments(type(self), assignments)})


def read_assignments(cls: type[Config], assignments: Iterable[str]) -> dict[str, Any]:
    """Values by name out of ``key=value`` texts; raises :class:`InvalidInput` for one that sets nothing."""
    known = {item.name: item for item in settings_of(cls)}
    values = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals or name not in known:
            raise InvalidInput(
                f"{assignment!r} sets nothing: write key=value, with one of {', '.join(known)}.",
                field=name,
            )
        values[name] = parse(known[name], text)
    return values


def settings_of(cls: type[Config]) -> list[Setting]:
    """A config class's settings, in the order of its fields."""
    hints = typing.get_type_hints(cls)
    return [_setting(item, hints[item.name]) for item in dataclasses.fields(cls)]


def parse(item: Setting, text: str) -> Any:
    """The value that a person typed for a setting; an empty text is ``None`` where that is allowed."""
    text = text.strip()
    if item.optional and text in ("", "none"):
        return None
    try:
        if item.type is bool:
            return {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}[
                text.lower()
            ]
        if item.type is int:
            return _integer(text)
        return item.type(text)
    except (ValueError, KeyError, OverflowError):
        raise InvalidInput(
            f"{item.name} is {_named(item.type)}; {text[:50]!r} is none.", field=item.name
        ) from None


def _integer(text: str) -> int:
    plain = text.replace("_", "").replace(",", "")
    try:
        return int(plain)
    except ValueError:
        number = float(plain)  # 1e9 is how people write large counts
        if not number.is_integer():
            raise
        return int(number)


def _setting(item: "dataclasses.Field[Any]", hint: Any) -> Setting:
    optional = isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)
    plain = next(t for t in typing.get_args(hint) if t is not type(None)) if optional else hint
    if plain not in (int, float, bool, str):
        raise TypeError(f"{item.name}: a setting is an int, float, bool or str")
    return Setting(item.name, plain, item.default, optional=optional, **item.metadata)


def _whole(item: Setting, value: Any) -> Any:
    """JSON knows one kind of number: 1 is a fine float, and 3.0 a fine count."""
    if isinstance(value, bool):
        return value
    if item.type is float and isinstance(value, int):
        return float(value)
    if item.type is int and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _check(item: Setting, value: Any) -> None:
    if value is None and item.optional:
        return
    if type(value) is not item.type:
        raise InvalidInput(
            f"{item.name} is {_named(item.type)}, not {json.dumps(value, default=str)}.", field=item.name
        )
    if item.choices and value not in item.choices:
        raise InvalidInput(f"{item.name} is one of {', '.join(item.choices)}.", field=item.name)
    if isinstance(value, int | float):
        _check_number(item, value)


def _check_number(item: Setting, value: float) -> None:
    if isinstance(value, int) and abs(value) > LARGEST:
        raise InvalidInput(f"{item.name} lies beyond {LARGEST}.", field=item.name)
    if not math.isfinite(value):
        raise InvalidInput(f"{item.name} must be a finite number.", field=item.name)
    if item.minimum is not None and value < item.minimum:
        raise InvalidInput(f"{item.name} is at least {item.minimum:g}.", field=item.name)
    if item.maximum is not None and value > item.maximum:
        raise InvalidInput(f"{item.name} is at most {item.maximum:g}.", field=item.name)


def _named(kind: type) -> str:
    return {int: "a whole number", float: "a number", bool: "on or off", str: "a text"}[kind]
