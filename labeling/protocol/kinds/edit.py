"""Edit: start from a model's answer and make it the ideal one.

The payload is ``text`` (the answer as it should be), ``ideal`` (true where it was ideal already),
``reasons`` (from the schema's list), ``reason`` in the labeler's words, and ``clauses``. Original, edit
and their distance in words are kept; it publishes as conversations, or as preferences in which the edit is
better than the original.
"""

from collections.abc import Sequence
from typing import Any

from labeling.protocol import messages, schemas
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
from tilth.errors import InvalidInput
from tilth.text.diff import edit_distance


def default_schema() -> dict[str, Any]:
    """Why answers are edited, as post-training teams tell them apart."""
    return {
        "reasons": ["Wrong", "Incomplete", "Unclear", "Too long", "Unsafe", "Style", "Ignores the request"],
        "reasons_required": True,
        "strength": 1,
    }


def check_schema(schema: Schema) -> dict[str, Any]:
    """The schema completed, or :class:`InvalidInput` naming the wrong entry."""
    full = schemas.complete(schema, default_schema())
    schemas.within("strength", full["strength"], 1, 3)
    return full


def check_task(payload: Payload, candidates: Sequence[Answer]) -> dict[str, Any]:
    """A prompt and one answer of one turn."""
    checked = messages.check_prompt(payload, needed=True)
    if len(candidates) != 1 or [m.get("role") for m in candidates[0].messages] != ["assistant"]:
        raise InvalidInput("an edit starts from exactly one answer of one turn", field="candidates")
    if not candidates[0].text.strip():
        raise InvalidInput("the answer to edit is empty", field="candidates")
    return checked


def blank(task: TaskView, schema: Schema) -> dict[str, Any]:
    """The answer as the model gave it."""
    return {"text": task.shown[0].text, "ideal": False, "reasons": [], "reason": "", "clauses": []}


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """Either edited, with a reason, or called ideal and untouched."""
    text, ideal = str(payload.get("text") or ""), payload.get("ideal") is True
    untouched = text.strip() == task.shown[0].text.strip()
    if not text.strip():
        return [Problem("text", "The answer is empty; write it, or reset it to the original.")]
    if untouched and not ideal:
        return [Problem("ideal", "Nothing was changed. Edit the answer, or say that it is ideal already.")]
    if ideal and not untouched:
        return [
            Problem("ideal", "It was changed, so it was not ideal already: untick that, or reset the text.")
        ]
    given = reasons_of(payload) or str(payload.get("reason") or "").strip()
    if schema["reasons_required"] and not ideal and not given:
        return [Problem("reason", "Say why you changed it.")]
    unknown = [r for r in reasons_of(payload) if r not in schema["reasons"]]
    return [Problem("reason", f"There is no reason {unknown[0]!r}.")] if unknown else []


def reasons_of(payload: Payload) -> list[Any]:
    """The reasons that were ticked."""
    given = payload.get("reasons")
    return given if isinstance(given, list) else []


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """The prompt, and the original answer."""
    return {"prompt": messages.prompt_of(task.payload), "original": task.shown[0].text}


def shortcuts(schema: Schema) -> list[Shortcut]:
    """Into the text, and "already ideal"."""
    return [
        Shortcut("f", "Edit the answer"),
        Shortcut("i", "It is ideal already"),
        Shortcut("d", "Show what changed"),
    ]


def measures(schema: Schema) -> list[Measure]:
    """How far the edit lies from the original, and whether there was anything to edit."""
    return [
        Measure("edit_distance", "Edit distance in words, 0 to 1", "interval"),
        Measure("ideal", "Already ideal", "nominal"),
    ]


def measure(payload: Payload, task: TaskView, schema: Schema) -> dict[str, Any]:
    """Levenshtein distance in words, by the longer text."""
    distance = edit_distance(task.shown[0].text, str(payload.get("text") or ""))
    return {"edit_distance": round(distance, 6), "ideal": payload.get("ideal") is True}


def facts(payload: Payload, task: TaskView, schema: Schema) -> list[tuple[str, str]]:
    """How much was changed, and why."""
    if payload.get("ideal"):
        return [("Judged", "already ideal")]
    distance = measure(payload, task, schema)["edit_distance"]
    found = [("Changed", f"{distance:.0%} of the words")]
    return found + ([("Reasons", ", ".join(reasons))] if (reasons := reasons_of(payload)) else [])


def texts(payload: Payload) -> list[Text]:
    """The edited answer, and the reason."""
    return [
        Text("text", str(payload.get("text") or "")),
        Text("reason", str(payload.get("reason") or ""), trains=False),
    ]


def rows(dataset_kind: str, submission: Submission) -> list[dict[str, Any]]:
    """The conversation with the edited answer, or edit > original where anything was changed."""
    prompt = messages.prompt_of(submission.task.payload)
    edited = messages.assistant(str(submission.payload["text"]))
    if dataset_kind == "conversations":
        return [{"messages": [*prompt, *edited]}]
    if submission.payload.get("ideal"):
        return []
    original = submission.task.shown[0]
    return [
        {
            "prompt": prompt,
            "chosen": edited,
            "rejected": messages.plain(original.messages),
            "strength": submission.schema["strength"],
            "rejected_model": original.model or None,
            "group": submission.key,
        }
    ]


KIND = TaskKind(
    name="edit",
    title="Edit a model's answer",
    description="Start from what a model said and make it the ideal answer; what changed is kept word by word.",
    closed=False,
    candidates=(1, 1),
    publishes=("conversations", "preferences"),
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
