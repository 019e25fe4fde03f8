"""Rows as people read them: short cells with the found words marked, and whole rows part by part. Pure.

Everything here is plain data; templates escape it. Nothing is cut without saying so.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from tilth.datasets.columns import MESSAGES, Column

CELL = 220
WHOLE = 200_000
_JSON_COLUMNS = frozenset({"tools", "payload", "display", "verifier_args"})
_TEXT_COLUMNS = frozenset({"text", "completion", "prediction", "question"})


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text; ``hit`` says that it is a word that was searched."""

    text: str
    hit: bool = False


def pieces(text: str, words: Sequence[str], width: int = CELL) -> list[Piece]:
    """About ``width`` characters around the first word found (the beginning if none), with words marked."""
    pattern = re.compile("|".join(re.escape(word) for word in words), re.IGNORECASE) if words else None
    first = pattern.search(text) if pattern else None
    start = max(0, first.start() - width // 3) if first and first.end() > width else 0
    shown = text[start : start + width]
    found = [Piece("…")] if start else []
    position = 0
    for match in pattern.finditer(shown) if pattern else ():
        found += [Piece(shown[position : match.start()]), Piece(match[0], hit=True)]
        position = match.end()
    found.append(Piece(shown[position:]))
    if start + width < len(text):
        found.append(Piece("…"))
    return [piece for piece in found if piece.text]


def cell_text(value: Any) -> str:
    """A value on one line."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, list):
        return "  ·  ".join(
            _message_line(item) if isinstance(item, dict) else cell_text(item) for item in value
        )
    if isinstance(value, dict):
        return ", ".join(f"{name} {cell_text(item)}" for name, item in value.items() if item is not None)
    return " ".join(str(value)[: 4 * WHOLE].split())


def _message_line(message: dict[str, Any]) -> str:
    calls = "".join(f" → {(c.get('function') or {}).get('name')}()" for c in message.get("tool_calls") or [])
    if "role" not in message:
        return cell_text(message)
    return f"{message['role']}: {cell_text(message.get('content'))}{calls}"


@dataclass(frozen=True, slots=True)
class Part:
    """One column of a row, ready for the page.

    ``shape`` is ``messages``, ``text``, ``json``, ``options``, ``fields`` or ``value``; ``cut`` counts the
    characters that are not shown.
    """

    name: str
    title: str
    description: str
    shape: str
    value: Any
    cut: int = 0


def parts(row: dict[str, Any], columns: Sequence[Column]) -> list[Part]:
    """The columns of a row that have a value, in the schema's order; the id is not among them."""
    return [_part(column, row[column.name]) for column in columns if _is_there(row.get(column.name), column)]


def _is_there(value: Any, column: Column) -> bool:
    if isinstance(value, dict):
        return any(item is not None for item in value.values())
    return value is not None and value != "" and column.name != "id"


def _part(column: Column, value: Any) -> Part:
    shape, shown, cut = "value", value, 0
    if column.type == MESSAGES:
        shape, shown = "messages", [_message(message) for message in value]
    elif pa.types.is_struct(column.type):
        shape, shown = "fields", _fields(value)
    elif column.name in _JSON_COLUMNS or pa.types.is_nested(column.type):
        shape, shown = (
            ("options", value) if column.type == pa.list_(pa.string()) else ("json", _pretty(value))
        )
    elif column.name in _TEXT_COLUMNS:
        shape, shown, cut = "text", value[:WHOLE], max(0, len(value) - WHOLE)
    elif isinstance(value, float | datetime):
        shown = cell_text(value)
    return Part(column.name, column.title, column.description, shape, shown, cut)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    calls = [
        {
            "name": (call.get("function") or {}).get("name") or "",
            "arguments": _pretty((call.get("function") or {}).get("arguments") or ""),
        }
        for call in message.get("tool_calls") or []
    ]
    content = message.get("content") or ""
    return {
        "role": message.get("role") or "",
        "name": message.get("name") or "",
        "content": content[:WHOLE],
        "cut": max(0, len(content) - WHOLE),
        "calls": calls,
    }


def _fields(value: dict[str, Any]) -> list[tuple[str, str]]:
    return [(name, cell_text(item)) for name, item in value.items() if item is not None]


def _pretty(value: Any) -> str:
    """JSON text indented; text that is no JSON stays as it is."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return str(value)[:WHOLE]
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)[:WHOLE]
