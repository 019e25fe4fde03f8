"""Chats and preferences in the shapes that training tools read. Pure.

* OpenAI chat lines: ``{"messages": […], "tools": […]}``; pairs as ``input``, ``preferred_output`` and
  ``non_preferred_output`` (https://platform.openai.com/docs/guides/fine-tuning).
* ShareGPT: ``{"conversations": [{"from": "human", "value": "…"}]}``; pairs add ``chosen`` and ``rejected``
  (the layout that LLaMA-Factory documents: roles human, gpt, system, function_call, observation).
* TRL: conversational language modelling ``messages`` or preference ``prompt, chosen, rejected``; a tool
  call's arguments are objects, as chat templates want them (https://huggingface.co/docs/trl/dataset_formats).
"""

import json
from typing import Any

from tilth.datasets.export.source import Source, Tick
from tilth.datasets.export.tables import Row, write_lines
from tilth.datasets.export.target import Target

_SHAREGPT_ROLES = {
    "user": "human",
    "assistant": "gpt",
    "system": "system",
    "developer": "system",
    "tool": "observation",
}


def write_openai(source: Source, target: Target, tick: Tick) -> None:
    """OpenAI chat JSON lines."""
    write_lines(source, target, tick, openai_row)


def write_sharegpt(source: Source, target: Target, tick: Tick) -> None:
    """ShareGPT JSON lines."""
    write_lines(source, target, tick, sharegpt_row)


def write_trl(source: Source, target: Target, tick: Tick) -> None:
    """TRL JSON lines."""
    write_lines(source, target, tick, trl_row)


def openai_row(row: Row) -> Row:
    """A conversation or a preference as OpenAI's fine-tuning reads it."""
    if "chosen" in row:
        return {
            "input": {"messages": _messages(row["prompt"]), "tools": [], "parallel_tool_calls": True},
            "preferred_output": _messages(row["chosen"]),
            "non_preferred_output": _messages(row["rejected"]),
        }
    return {"messages": _messages(row["messages"]), **_tools(row)}


def trl_row(row: Row) -> Row:
    """A conversation or a preference as TRL reads it."""
    if "chosen" in row:
        return {name: _messages(row[name], decode=True) for name in ("prompt", "chosen", "rejected")}
    return {"messages": _messages(row["messages"], decode=True), **_tools(row)}


def sharegpt_row(row: Row) -> Row:
    """A conversation or a preference in ShareGPT's turns."""
    if "chosen" in row:
        return {
            "id": row.get("id"),
            "conversations": _turns(row["prompt"]),
            "chosen": _one_turn(row["chosen"]),
            "rejected": _one_turn(row["rejected"]),
        }
    tools = {"tools": row["tools"]} if row.get("tools") else {}
    return {"id": row.get("id"), "conversations": _turns(row["messages"]), **tools}


def _messages(messages: list[Row] | None, decode: bool = False) -> list[Row]:
    """Messages without the fields that are null."""
    return [_message(message, decode) for message in messages or []]


def _message(message: Row, decode: bool) -> Row:
    kept = {name: value for name, value in message.items() if value is not None and name != "tool_calls"}
    calls = [_call(call, decode) for call in message.get("tool_calls") or []]
    return {
        "role": kept.pop("role", "user"),
        "content": kept.pop("content", None if calls else ""),
        **kept,
    } | ({"tool_calls": calls} if calls else {})


def _call(call: Row, decode: bool) -> Row:
    function = call.get("function") or {}
    arguments = function.get("arguments") or "{}"
    return {
        **({"id": call["id"]} if call.get("id") else {}),
        "type": call.get("type") or "function",
        "function": {
            "name": function.get("name") or "",
            "arguments": _decoded(arguments) if decode else arguments,
        },
    }


def _tools(row: Row) -> Row:
    tools = _decoded(row["tools"]) if row.get("tools") else None
    return {"tools": tools} if tools else {}


def _decoded(text: str) -> Any:
    """JSON text as a value; what is no JSON stays text, so that no row is lost."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _turns(messages: list[Row] | None) -> list[Row]:
    return [turn for message in messages or [] for turn in _turns_of(message)]


def _turns_of(message: Row) -> list[Row]:
    """One message as turns; each tool call is a turn of its own."""
    turns = []
    calls = message.get("tool_calls") or []
    if message.get("content") or not calls:
        role = message.get("role") or "user"
        turns.append({"from": _SHAREGPT_ROLES.get(role, role), "value": message.get("content") or ""})
    for call in calls:
        function = _call(call, decode=True)["function"]
        turns.append({"from": "function_call", "value": json.dumps(function, ensure_ascii=False)})
    return turns


def _one_turn(messages: list[Row] | None) -> Row:
    """The answer of a pair, which ShareGPT wants as a single turn: all its text, in order."""
    value = "\n\n".join(turn["value"] for turn in _turns(messages) if turn["value"])
    return {"from": "gpt", "value": value}
