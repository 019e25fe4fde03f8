"""What every payload must be, whatever its kind: a JSON object of bounded size and depth."""

import json
from typing import Any

from tilth.errors import InvalidInput

MOST_BYTES = 2_000_000
DEEPEST = 12


def check_payload(payload: Any) -> dict[str, Any]:
    """The payload itself, or :class:`InvalidInput`: not an object, too large, or nested too deep."""
    if not isinstance(payload, dict):
        raise InvalidInput("A draft is a JSON object.", code="bad_payload", field="payload")
    if _depth(payload) > DEEPEST:
        raise InvalidInput("The draft is nested too deep to be one of this page.", code="bad_payload")
    if len(json.dumps(payload)) > MOST_BYTES:
        raise InvalidInput(
            "The text is longer than 2 MB; shorten it, or attach a file instead.", code="too_long", status=413
        )
    return payload


def _depth(value: Any) -> int:
    """How deep lists and objects nest; stops looking past the limit."""
    layer, depth = [value], 0
    while layer and depth <= DEEPEST:
        inner = [v for v in layer if isinstance(v, dict | list)]
        layer = [item for v in inner for item in (v.values() if isinstance(v, dict) else v)]
        depth += bool(inner)
    return depth


def mapping(value: Any) -> dict[str, Any]:
    """An object within a payload; anything else, which no page sends, counts as an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list within a payload; anything else, which no page sends, is passed over."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def told(value: Any) -> Any:
    """A payload with every value in words, for reading: numbers as text, nothing where nothing was answered."""
    if isinstance(value, dict):
        return {key: told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [told(inner) for inner in value]
    if isinstance(value, bool) or value is None:
        return "yes" if value else None
    return str(value)
