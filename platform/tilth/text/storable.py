"""Text that every database keeps: PostgreSQL takes neither null characters nor halves of surrogate pairs."""

from typing import Any


def storable(value: Any) -> Any:
    """The JSON value without null characters; each half of a surrogate pair becomes ``?``.

    :class:`RecursionError` where it nests deeper than Python's stack.
    """
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            return value
        return value.encode(errors="replace").decode().replace("\x00", "")
    if isinstance(value, dict):
        return {storable(name): storable(part) for name, part in value.items()}
    return [storable(part) for part in value] if isinstance(value, list) else value
