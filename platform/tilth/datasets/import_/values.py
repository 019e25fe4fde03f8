"""One foreign value as a value of one column, or a ``ValueError`` that says what is wrong with it.

Lenient where the meaning is plain (a number as text, an ISO date, JSON text for a list), strict
otherwise: nothing is guessed or cut. Pure: no Django.
"""

import json
import math
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from tilth.datasets.columns import MESSAGES, Column
from tilth.datasets.import_.messages import to_messages

DEFAULT_ROLES = {"chosen": "assistant", "rejected": "assistant", "completion": "assistant"}
WINNERS = {
    **dict.fromkeys(("a", "model_a", "left", "model_x"), "a"),
    **dict.fromkeys(("b", "model_b", "right", "model_y"), "b"),
    **dict.fromkeys(("tie", "draw", "both"), "tie"),
    **dict.fromkeys(("both_bad", "tie (bothbad)", "bothbad", "neither"), "both_bad"),
}


def convert(value: Any, column: Column) -> Any:
    """The value for a column; ``None`` stays ``None``."""
    if value is None:
        return None
    if column.type == MESSAGES:
        return to_messages(value, DEFAULT_ROLES.get(column.name, "user"))
    if column.name == "winner":
        value = WINNERS.get(str(value).strip().lower(), value)
    converted = _json_text(value) if column.json else _typed(value, column.type)
    if column.choices and converted not in column.choices:
        raise ValueError(f"{_shown(value)} is none of {', '.join(column.choices)}")
    _check_range(converted, column)
    return converted


def _check_range(value: Any, column: Column) -> None:
    low, high = column.minimum, column.maximum
    if (low is not None and value < low) or (high is not None and value > high):
        limits = (
            f"between {low:g} and {high:g}" if low is not None and high is not None else f"at least {low:g}"
        )
        raise ValueError(f"{value} must be {limits}")


def _typed(value: Any, kind: pa.DataType) -> Any:
    if pa.types.is_string(kind):
        return _text(value)
    if pa.types.is_integer(kind):
        return _integer(value, kind)
    if pa.types.is_floating(kind):
        return _number(value)
    if pa.types.is_timestamp(kind):
        return _time(value)
    if pa.types.is_list(kind):
        items = _parsed(value, list, "a list")
        return [None if item is None else _typed(item, kind.value_type) for item in items]
    return _struct(value, kind)


def _text(value: Any) -> str:
    if isinstance(value, str):
        # A lone surrogate (a broken \\u escape) cannot be stored as UTF-8.
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise ValueError("the text has half a character in it (a lone surrogate)")
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return "\n".join(value)
    raise ValueError(f"expected text, not {_shown(value)}")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"expected a number, not {_shown(value)}")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise ValueError(f"expected a number, not {_shown(value)}") from None


def _integer(value: Any, kind: pa.DataType) -> int:
    number = value
    if isinstance(value, str):
        try:
            number = int(value)
        except ValueError:
            number = _float_or_none(value)
    if isinstance(number, float) and math.isfinite(number) and number == int(number):
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int):
        raise ValueError(f"expected a whole number, not {_shown(value)}")
    low = 0 if pa.types.is_unsigned_integer(kind) else -(2 ** (kind.bit_width - 1))
    if not low <= number < low + 2**kind.bit_width:
        raise ValueError(f"{number} does not fit in {kind.bit_width} bits")
    return number


def _float_or_none(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _time(value: Any) -> datetime:
    """A time in UTC from a datetime, an ISO 8601 text or seconds (or milliseconds) since 1970."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ValueError(f"expected a time such as 2026-05-01T12:00:00Z, not {_shown(value)}") from None
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    seconds = _number(value)
    try:
        return datetime.fromtimestamp(seconds / 1000 if abs(seconds) > 1e11 else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"{_shown(value)} is no time") from None


def _struct(value: Any, kind: pa.StructType) -> dict[str, Any]:
    given = _parsed(value, dict, "an object")
    known = {field.name: field.type for field in kind}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"there is no field {unknown[0]!r}; known are {', '.join(known)}")
    found = {}
    for name, field_type in known.items():
        inner = given.get(name)
        try:
            found[name] = None if inner is None else _typed(inner, field_type)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def _parsed(value: Any, wanted: type, name: str) -> Any:
    """A list or an object, also as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise ValueError(f"expected {name}, not {_shown(value)}") from None
    if not isinstance(value, wanted):
        raise ValueError(f"expected {name}, not {_shown(value)}")
    return value


def _json_text(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"expected JSON: {error.msg} at column {error.colno}") from None
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
