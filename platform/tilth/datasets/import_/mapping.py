"""The small language that says where a column's value comes from in a foreign record.

=====================================  ================================================================
``question``                           the field of that name
``conversations.value``, ``output.0``  a field inside it: of an object, of each item of a list, by place
``instruction+input``                  several texts, empty ones left out, with a blank line between
``answer>>####``                       the text after the last ``####``; ``solution>>\\boxed`` its content
``[sol1, sol2]``                       a list of several fields
``[a, b]@0 label``, ``[a, b]!1 label``  the item at (or not at) a place counted from 0 or 1
``system:s|user:q+input|assistant:a``  messages: role and text of each turn, empty ones left out
``=maths``                             the same text in every row
=====================================  ================================================================

Pure: no Django.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tilth.datasets.columns import ROLES
from tilth.errors import InvalidInput

Values = Mapping[str, Any]
_PICK = re.compile(r"\[(?P<items>.*)\]\s*(?:(?P<which>[@!])(?P<base>[01])\s*(?P<by>.+))?", re.DOTALL)
_TURN = re.compile(rf"\s*(?P<role>{'|'.join(ROLES)}):(?P<rest>.*)", re.DOTALL)
BOXED = "\\boxed"


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression: its text, the top-level fields it may read, and how it reads a record."""

    text: str
    names: tuple[str, ...]
    read: Callable[[Values], Any]


def parse_maps(items: Iterable[str]) -> dict[str, str]:
    """``column=expression`` items (``subject==maths`` for a constant) as a dict."""
    found = {}
    for item in items:
        column, equals, expression = item.partition("=")
        if not equals or not column.strip() or not expression.strip():
            raise InvalidInput(
                f"{item!r} is no mapping; write column=field, such as prompt=question",
                "bad_mapping",
                field="map",
            )
        found[column.strip()] = expression.strip()
    return found


def parse_expression(text: str) -> Expression:
    """Read an expression; every text is one, since a field may be called anything."""
    if text.startswith("="):
        constant = text[1:]
        return Expression(text, (), lambda values: constant)
    if match := _PICK.fullmatch(text.strip()):
        return _list(text, match)
    if _TURN.match(text):
        return _turns(text)
    return _joined(text)


def _list(text: str, match: re.Match[str]) -> Expression:
    items = [parse_expression(item.strip()) for item in match["items"].split(",")]
    names = tuple(name for item in items for name in item.names)
    if not match["which"]:
        return Expression(text, names, lambda values: [item.read(values) for item in items])
    chooser, base, wanted = parse_expression(match["by"].strip()), int(match["base"]), match["which"] == "@"

    def pick(values: Values) -> Any:
        place = _place(chooser.read(values), base, len(items))
        if place is None:
            return None
        if wanted or len(items) != 2:
            return items[place].read(values) if wanted else None
        return items[1 - place].read(values)

    return Expression(text, (*names, *chooser.names), pick)


def _place(value: Any, base: int, count: int) -> int | None:
    try:
        place = int(value) - base
    except (TypeError, ValueError):
        return None
    return place if 0 <= place < count else None


def _turns(text: str) -> Expression:
    turns = []
    for part in text.split("|"):
        match = _TURN.fullmatch(part)
        if not match:
            raise InvalidInput(
                f"{part!r} is no turn; write role:field with one of {', '.join(ROLES)}",
                "bad_mapping",
                field="map",
            )
        turns.append((match["role"], _joined(match["rest"].strip())))

    def read(values: Values) -> list[dict[str, Any]]:
        said = [(role, expression.read(values)) for role, expression in turns]
        return [{"role": role, "content": content} for role, content in said if content not in (None, "")]

    return Expression(text, tuple(name for _, e in turns for name in e.names), read)


def _joined(text: str) -> Expression:
    body, _, marker = text.partition(">>")
    paths = [part.strip() for part in body.split("+")]
    names = tuple(path.split(".")[0] for path in paths)

    def read(values: Values) -> Any:
        if text in values:
            return values[text]
        found = [look_up(values, path) for path in paths]
        if len(found) == 1:
            value = found[0]
        else:
            value = "\n\n".join(str(part) for part in found if part not in (None, "")) or None
        return after(value, marker.strip()) if marker else value

    return Expression(text, names if text not in names else (text,), read)


def look_up(value: Any, path: str) -> Any:
    """The value at a dotted path; ``None`` where there is nothing. Names with dots in them win."""
    if path == "":
        return value
    if isinstance(value, Mapping):
        if path in value:
            return value[path]
        head, _, rest = path.partition(".")
        return look_up(value[head], rest) if head in value and rest else None
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if head.isdigit():
            return look_up(value[int(head)], rest) if int(head) < len(value) else None
        return [look_up(item, path) for item in value]
    return None


def after(value: Any, marker: str) -> Any:
    r"""The text behind the last marker, stripped; for ``\boxed`` what its braces hold. None without one."""
    if not isinstance(value, str) or marker not in value:
        return None
    rest = value.rpartition(marker)[2].strip()
    return _braced(rest) if marker == BOXED else rest


def _braced(text: str) -> str | None:
    """What the first pair of braces holds; without braces, the first word."""
    if not text.startswith("{"):
        return text.split("$")[0].split(" ")[0] or None
    depth = 0
    for place, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if depth == 0:
            return text[1:place]
    return None
