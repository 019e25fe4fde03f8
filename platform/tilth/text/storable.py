"""Values that every database keeps: PostgreSQL takes no null character, no half of a surrogate pair, and no NaN."""

import math
from typing import Any


def storable(value: Any) -> Any:
    """The JSON value without null characters; each half of a surrogate pair becomes ``?``.

    Numbers that are not finite, which JSON (RFC 8259, 6) does not know and Python reads all the same, become
    ``None``, as in JavaScript. :class:`RecursionError` where it nests deeper than Python's stack.
    """
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.encode(errors="replace").decode().replace("\x00", "")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    return [storable(part) for part in value] if isinstance(value, list) else value
