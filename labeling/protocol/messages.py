"""Conversations as task payloads and labelers' payloads carry them: lists of role and content."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tilth.errors import InvalidInput

ROLES = ("system", "developer", "user", "assistant", "tool")
KEYS = frozenset(("role", "content", "name", "tool_call_id", "tool_calls"))
MOST_MESSAGES = 400
LONGEST = 400_000


def check_messages(messages: Any, field: str = "messages") -> list[dict[str, Any]]:
    """Messages with a known role and a text each, or :class:`InvalidInput` that says which one is wrong."""
    if not isinstance(messages, list) or len(messages) > MOST_MESSAGES:
        raise InvalidInput(
            f"{field} must be a list of at most {MOST_MESSAGES} messages", code="bad_messages", field=field
        )
    return [_check(message, number, field) for number, message in enumerate(messages, start=1)]


def _check(message: Any, number: int, field: str) -> dict[str, Any]:
    if not isinstance(message, Mapping) or message.get("role") not in ROLES:
        raise InvalidInput(
            f"{field}: message {number} needs a role, one of {', '.join(ROLES)}",
            code="bad_messages",
            field=field,
        )
    content = message.get("content")
    if not isinstance(content, str) or len(content) > LONGEST:
        raise InvalidInput(
            f"{field}: message {number} needs a text of at most {LONGEST:,} characters",
            code="bad_messages",
            field=field,
        )
    return {**message, "role": message["role"], "content": content}


def plain(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Role and content alone, as datasets carry them (other keys of the message schema are kept)."""
    return [
        {key: value for key, value in message.items() if key in KEYS and value is not None}
        for message in messages
    ]


def assistant_text(messages: Iterable[Mapping[str, Any]]) -> str:
    """What the assistant says, its turns one after another."""
    return "\n\n".join(m["content"] for m in messages if m["role"] == "assistant" and m.get("content"))


def user(text: str) -> list[dict[str, str]]:
    """A conversation of one user turn."""
    return [{"role": "user", "content": text}]


def assistant(text: str) -> list[dict[str, str]]:
    """A conversation of one assistant turn."""
    return [{"role": "assistant", "content": text}]


def prompt_of(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages of a task payload, with its ``system`` text first where it has one."""
    system = payload.get("system")
    first = [{"role": "system", "content": system}] if system else []
    return [*first, *plain(payload.get("messages") or [])]


def check_prompt(payload: Mapping[str, Any], *, needed: bool) -> dict[str, Any]:
    """A task payload whose ``messages`` (and ``system``) are well formed; ``needed`` refuses one without."""
    messages = check_messages(payload.get("messages", []))
    if needed and not messages:
        raise InvalidInput("the task has no prompt; give it messages", code="no_prompt", field="messages")
    return {**payload, "messages": messages}


def cited(payload: Mapping[str, Any]) -> Sequence[str]:
    """Ids of the guideline clauses that a payload cites; what is no citation is passed over."""
    given = payload.get("clauses")
    found = [c.get("id") for c in given if isinstance(c, Mapping)] if isinstance(given, list) else []
    return [clause for clause in found if isinstance(clause, str) and clause]
