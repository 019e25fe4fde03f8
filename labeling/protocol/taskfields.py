"""The texts of a task payload by name: read one by one, compared, and replaced without touching the rest. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MARKS = {"role", "name", "tool_call_id", "id", "type"}
"""Keys whose values mark what a text is; they are no text themselves."""

ORDER = ("system", "messages", "text", "document", "url", "html", "note")
"""Keys in the order of reading, before all others: databases keep none."""


@dataclass(frozen=True, slots=True)
class Field:
    """One text: where it stands (``messages.0.content``), what it is called, what it says."""

    path: str
    label: str
    text: str


def fields(payload: Mapping[str, Any]) -> list[Field]:
    """Every text of a payload, in the order of reading."""
    return list(_walk(payload, "", ""))


def _walk(value: Any, path: str, label: str) -> Iterator[Field]:
    if isinstance(value, str):
        yield Field(path, label[:1].upper() + label[1:], value)
    elif isinstance(value, Mapping):
        for key, inner in sorted(value.items(), key=_place):
            if key not in MARKS:
                said = (
                    f"{label}, {value['role']}" if key == "content" and "role" in value else f"{label} {key}"
                )
                yield from _walk(inner, f"{path}.{key}" if path else key, said.strip())
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            one = "message" if label == "messages" else label
            yield from _walk(inner, f"{path}.{place}", f"{one} {place + 1}")


def _place(item: tuple[str, Any]) -> tuple[int, str]:
    return (ORDER.index(item[0]) if item[0] in ORDER else len(ORDER), item[0])


def replace(payload: Any, texts: Mapping[str, str], path: str = "") -> Any:
    """The payload with other texts at some paths; a text that differs in line ends alone stays as it is."""
    if isinstance(payload, Mapping):
        return {k: replace(v, texts, f"{path}.{k}" if path else k) for k, v in payload.items()}
    if isinstance(payload, list):
        return [replace(v, texts, f"{path}.{place}") for place, v in enumerate(payload)]
    if not isinstance(payload, str) or path not in texts:
        return payload
    return payload if _plain(texts[path]) == _plain(payload) else _plain(texts[path])


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def as_text(payload: Mapping[str, Any]) -> str:
    """All texts under their names, for comparing versions word by word."""
    return "\n\n".join(f"{field.label}:\n{field.text}" for field in fields(payload))
