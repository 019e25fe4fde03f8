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
    """The prompt with an empty answer after it."""
    given = messages.prompt_of(task.payload)
    if not any(message["role"] == "user" for message in given):
        given = [*given, {"role": "user", "content": ""}]
    if given[-1]["role"] != "assistant":
        given = [*given, {"role": "assistant", "content": ""}]
    return {"messages": given, "sources": [], "clauses": [], "comment": ""}


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """User and assistant in turn, nothing empty, the assistant last, the prompt untouched where it is fixed."""
    turns = objects(payload.get("messages"))
    found = [*_check_turns(turns, schema), *_check_prompt(turns, task, schema)]
    given = objects(payload.get("sources"))
    if schema["sources_required"] and not given:
        found.append(Problem("sources", "Name at least one source."))
    return [*found, *sources.check_sources(given)]


def _check_turns(turns: list[dict[str, Any]], schema: Schema) -> list[Problem]:
    found = []
    for number, turn in enumerate(turns):
        path = f"messages.{number}.content"
        if turn.get("role") not in ("system", "user", "assistant"):
            found.append(Problem(path, f"Turn {number + 1} has no role."))
        elif turn["role"] == "system" and (number or not schema["allow_system"]):
            where = "may only stand first" if number else "is not wanted here"
            found.append(Problem(path, f"A system message {where}."))
        elif not isinstance(turn.get("content"), str) or not turn["content"].strip():
            found.append(Problem(path, f"Turn {number + 1} ({turn['role']}) is empty."))
    spoken = [(n, turn) for n, turn in enumerate(turns) if turn.get("role") in ("user", "assistant")]
    for expected, (number, turn) in zip(("user", "assistant") * len(spoken), spoken, strict=False):
        if turn["role"] != expected:
            message = f"Turn {number + 1} should be the {expected}'s: user and assistant take turns."
            found.append(Problem(f"messages.{number}.content", message))
            break
    if not spoken or spoken[-1][1]["role"] != "assistant":
        found.append(Problem("messages", "The last turn must be the assistant's."))
    if len(turns) > schema["most_turns"]:
        found.append(Problem("messages", f"Keep to {schema['most_turns']} turns."))
    return found


def _check_prompt(turns: list[dict[str, Any]], task: TaskView, schema: Schema) -> list[Problem]:
    given = messages.prompt_of(task.payload)
    said = [(turn.get("role"), turn.get("content")) for turn in turns if turn.get("role") != "system"]
    fixed = [(turn["role"], turn["content"]) for turn in given if turn["role"] != "system"]
    if schema["prompt_fixed"] and said[: len(fixed)] != fixed:
        return [Problem("messages", "The prompt was changed; put it back as the task gives it.")]
    return []


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """How many turns are fixed, and what is wanted."""
    given = messages.prompt_of(task.payload)
    return {
        "fixed": len(given) if schema["prompt_fixed"] else 0,
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
