"""Messages in other people's spellings, as ours: OpenAI, ShareGPT, transcripts, plain text.

Pure: no Django. A value that is no conversation raises ``ValueError`` with the reason.
"""

import json
import re
from typing import Any

from tilth.datasets.columns import ROLES

_ROLE_KEYS = ("role", "from", "speaker")
_TEXT_KEYS = ("content", "value", "text", "utterance")
_ROLES = {
    "human": "user",
    "prompter": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "chatbot": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "ai": "assistant",
    "observation": "tool",
    "function": "tool",
    "tool_response": "tool",
    **{role: role for role in ROLES},
}
_CALLS = ("function_call", "tool_call")
_TRANSCRIPT = re.compile(r"\n\n(Human|Assistant): ?")


def to_messages(value: Any, role: str) -> list[dict[str, Any]]:
    """A list of messages; a plain text is one message of ``role``, or a Human/Assistant transcript."""
    if isinstance(value, str):
        return _from_text(value, role)
    if isinstance(value, dict):
        value = value.get("messages", value.get("conversations", [value]))
    if not isinstance(value, list) or not value:
        raise ValueError("expected text or a list of messages")
    messages: list[dict[str, Any]] = []
    for place, item in enumerate(value, 1):
        try:
            messages.append(_message(item, messages))
        except ValueError as error:
            raise ValueError(f"message {place}: {error}") from None
    return messages


def _from_text(text: str, role: str) -> list[dict[str, Any]]:
    if not text.strip():
        raise ValueError("the text is empty")
    if text.startswith("\n\nHuman:"):
        parts = _TRANSCRIPT.split(text)[1:]
        speakers = ("user" if name == "Human" else "assistant" for name in parts[::2])
        return [
            {"role": who, "content": said.strip()} for who, said in zip(speakers, parts[1::2], strict=True)
        ]
    if text.startswith("[{"):
        try:
            return to_messages(json.loads(text), role)
        except json.JSONDecodeError:
            pass
    return [{"role": role, "content": text}]


def _message(item: Any, before: list[dict[str, Any]]) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise ValueError("expected an object with role and content")
    key = next((key for key in _ROLE_KEYS if key in item), None)
    if key is None:
        raise ValueError(f"no role; it has {', '.join(sorted(map(str, item))) or 'nothing'}")
    said = str(item[key]).lower()
    content = _content(item, said)
    if said in _CALLS:
        return {"role": "assistant", "content": None, "tool_calls": _calls(content, len(before))}
    role = "assistant" if key == "speaker" and said == "system" else _ROLES.get(said)
    if role is None:
        raise ValueError(f"unknown role {item[key]!r}; known are {', '.join((*sorted(_ROLES), *_CALLS))}")
    return {
        "role": role,
        "content": content,
        "name": item.get("name"),
        "tool_call_id": item.get("tool_call_id") or (_last_call(before) if role == "tool" else None),
        "tool_calls": _calls(item["tool_calls"], len(before)) if item.get("tool_calls") else None,
    }


def _content(item: dict[str, Any], said: str) -> str | None:
    content = next((item[key] for key in _TEXT_KEYS if key in item), None)
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else part for part in content]
        if not all(isinstance(part, str) for part in parts):
            raise ValueError("only text content can be imported, no images or sound")
        return "".join(map(str, parts))
    if content is not None and not isinstance(content, str):
        # Tools answer in objects and are called with them; people and models speak in text.
        if isinstance(content, dict) and _ROLES.get(said) != "tool" and said not in _CALLS:
            raise ValueError("the content must be text, not an object")
        return json.dumps(content, ensure_ascii=False)
    if content is None and not item.get("tool_calls"):
        raise ValueError("no content")
    return content


def _calls(value: Any, place: int) -> list[dict[str, Any]]:
    """Tool calls: ours, OpenAI's, or one ``{"name", "arguments"}`` (also as JSON text)."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"the tool call is no JSON: {error.msg}") from None
    found = []
    for number, call in enumerate(value if isinstance(value, list) else [value]):
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError("a tool call needs a function with a name")
        arguments = function.get("arguments", {})
        text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
        found.append(
            {
                "id": call.get("id") or f"call_{place}_{number}",
                "type": call.get("type") or "function",
                "function": {"name": function["name"], "arguments": text},
            }
        )
    return found


def _last_call(before: list[dict[str, Any]]) -> str | None:
    """The id of the newest tool call: what an answer without an id answers."""
    for message in reversed(before):
        if message.get("tool_calls"):
            return message["tool_calls"][0]["id"]
    return None


def split_shared(
    chosen: list[dict[str, Any]], rejected: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """Prompt, chosen and rejected of two conversations that begin alike (each keeps its last message)."""
    shared = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        shared += 1
    if not shared:
        raise ValueError("chosen and rejected share no beginning, and no prompt is mapped")
    return chosen[:shared], chosen[shared:], rejected[shared:]
