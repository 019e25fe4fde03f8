"""Demonstration: the ideal conversation, written by an expert, from a prompt or from nothing.

The payload is ``messages`` (role, content; a system message may stand first), ``sources`` (url, quote,
accessed), the ``clauses`` cited and a ``comment`` for reviewers. Turns of the task's prompt are fixed
unless the schema lets labelers change them.
"""

from collections.abc import Sequence
from typing import Any

from labeling.protocol import messages, schemas, sources
from labeling.protocol.kind import (
    Answer,
    Measure,
    Payload,
    Problem,
    Schema,
    Shortcut,
    Submission,
    TaskKind,
    TaskView,
    Text,
)
from labeling.protocol.payload import objects


def default_schema() -> dict[str, Any]:
    """The prompt stays as it is; a system message is allowed; up to forty turns."""
    return {
        "prompt_fixed": True,
        "allow_system": True,
        "most_turns": 40,
        "sources_required": False,
        "wanted": "",
    }


def check_schema(schema: Schema) -> dict[str, Any]:
    """The schema completed, or :class:`InvalidInput` naming the wrong entry."""
    full = schemas.complete(schema, default_schema())
    schemas.within("most_turns", full["most_turns"], 1, 200)
    return full


def check_task(payload: Payload, candidates: Sequence[Answer]) -> dict[str, Any]:
    """A prompt, or nothing at all: then the labeler writes both sides."""
    return messages.check_prompt(payload, needed=False)


def blank(task: TaskView, schema: Schema) -> dict[str, Any]:
    """The prompt with an empty answer after it; after a prompt that ends in an answer, a whole exchange."""
    turns = messages.prompt_of(task.payload)
    says = [turn["role"] for turn in turns]
    if "user" not in says or (schema["prompt_fixed"] and says[-1] == "assistant"):
        turns = [*turns, {"role": "user", "content": ""}]
    if turns[-1]["role"] != "assistant":
        turns = [*turns, {"role": "assistant", "content": ""}]
    return {"messages": turns, "sources": [], "clauses": [], "comment": ""}


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """The prompt untouched where it is fixed; after it user and assistant in turn, nothing empty, the assistant last."""
    turns = objects(payload.get("messages"))
    found = _check_turns(turns, _fixed(task, schema), schema)
    given = objects(payload.get("sources"))
    if schema["sources_required"] and not given:
        found.append(Problem("sources", "Name at least one source."))
    return [*found, *sources.check_sources(given)]


def _fixed(task: TaskView, schema: Schema) -> list[dict[str, Any]]:
    return messages.prompt_of(task.payload) if schema["prompt_fixed"] else []


def _says(turns: Sequence[Payload]) -> list[tuple[Any, Any]]:
    return [(turn.get("role"), turn.get("content")) for turn in turns]


def _check_turns(turns: list[dict[str, Any]], fixed: list[dict[str, Any]], schema: Schema) -> list[Problem]:
    """Only what the labeler wrote is held to the form: a prompt may have tools in it, and empty turns."""
    found = []
    first = int(_own_system(turns, fixed))
    start = first + len(fixed)
    if _says(turns[first:start]) != _says(fixed):
        return [Problem("messages", "The prompt was changed; put it back as the task gives it.")]
    if first and not schema["allow_system"]:
        found.append(Problem("messages.0.content", "A system message is not wanted here."))
    elif first and not _written(turns[0]):
        found.append(Problem("messages.0.content", "The system message is empty; write it, or remove it."))
    expected = "assistant" if fixed and fixed[-1]["role"] in ("user", "tool") else "user"
    in_turn = True
    for number, turn in enumerate(turns[start:], start=start):
        path, role = f"messages.{number}.content", turn.get("role")
        if role == "system":
            found.append(Problem(path, "A system message may only stand first."))
            continue
        if not _written(turn):
            found.append(Problem(path, f"Turn {number + 1} ({role}) is empty."))
        elif role != expected and in_turn:
            in_turn = False
            message = f"Turn {number + 1} should be the {expected}'s: user and assistant take turns."
            found.append(Problem(path, message))
        expected = "user" if role == "assistant" else "assistant"
    if not turns[start:] or turns[-1].get("role") != "assistant":
        found.append(Problem("messages", "The last turn must be the assistant's, and yours."))
    if len(turns) > schema["most_turns"] + len(fixed):
        found.append(Problem("messages", f"Keep to {schema['most_turns']} turns."))
    return found


def _own_system(turns: Sequence[Payload], fixed: Sequence[Payload]) -> bool:
    """Whether the labeler put a system message first; never before one that the prompt has."""
    given = bool(fixed) and fixed[0]["role"] == "system"
    return bool(turns) and turns[0].get("role") == "system" and not given


def _written(turn: Payload) -> bool:
    return isinstance(turn.get("content"), str) and bool(turn["content"].strip())


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """How many turns are fixed, whether a system message may be added before them, and what is wanted."""
    fixed = _fixed(task, schema)
    return {
        "fixed": len(fixed),
        "may_add_system": schema["allow_system"] and (not fixed or fixed[0]["role"] != "system"),
        "wanted": schema["wanted"] or task.payload.get("note", ""),
    }


def shortcuts(schema: Schema) -> list[Shortcut]:
    """The first answer to write, and a turn more."""
    return [Shortcut("f", "Write the last turn"), Shortcut("a", "Add a turn")]


def measures(schema: Schema) -> list[Measure]:
    """Turns and words: for plots, not for agreement."""
    return [Measure("turns", "Turns", "interval"), Measure("words", "Words", "interval")]


def measure(payload: Payload, task: TaskView, schema: Schema) -> dict[str, Any]:
    """How much was written."""
    turns = objects(payload.get("messages"))
    return {"turns": len(turns), "words": len(messages.assistant_text(turns).split())}


def facts(payload: Payload, task: TaskView, schema: Schema) -> list[tuple[str, str]]:
    """Nothing beyond the text itself."""
    return []


def texts(payload: Payload) -> list[Text]:
    """Every turn that somebody wrote."""
    turns = enumerate(objects(payload.get("messages")))
    return [
        Text(f"messages.{n}.content", str(turn.get("content") or ""), trains=turn.get("role") == "assistant")
        for n, turn in turns
    ]


def rows(dataset_kind: str, submission: Submission) -> list[dict[str, Any]]:
    """One conversation."""
    return [{"messages": messages.plain(objects(submission.payload["messages"]))}]


KIND = TaskKind(
    name="demonstration",
    title="Write the ideal conversation",
    description="An expert writes what the model should have said, in one turn or many, with sources.",
    closed=False,
    candidates=(0, 0),
    publishes=("conversations",),
    default_schema=default_schema,
    check_schema=check_schema,
    check_task=check_task,
    blank=blank,
    check=check,
    view=view,
    shortcuts=shortcuts,
    measures=measures,
    measure=measure,
    facts=facts,
    texts=texts,
    rows=rows,
    module=True,
)
