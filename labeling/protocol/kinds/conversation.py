"""Conversation: judge a whole interaction; the outcome first, then single turns.

The payload is ``outcome`` (did the user get what was needed?), ``turns`` (one entry an assistant turn:
``index`` in the conversation, ``mark`` good or bad, ``reasons``, ``comment``, ``alternative``: the best
answer in place of a bad one), a ``comment`` and ``clauses``.
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
from labeling.protocol.payload import mapping
from tilth.errors import InvalidInput

MARKS = ("good", "bad")


def default_schema() -> dict[str, Any]:
    """Outcomes from best to worst, each with its score; reasons for a bad turn."""
    return {
        "question": "Did the user get what was needed?",
        "outcomes": [
            {"name": "yes", "title": "Yes", "score": 2},
            {"name": "partly", "title": "Partly", "score": 1},
            {"name": "no", "title": "No", "score": 0},
        ],
        "reasons": ["Wrong", "Misunderstood", "Unhelpful", "Unsafe", "Repeats itself", "Too long"],
        "alternative_for_bad": False,
        "every_turn": False,
    }


def check_schema(schema: Schema) -> dict[str, Any]:
    """The schema completed: two outcomes at least, with different scores."""
    full = schemas.complete(schema, default_schema())
    schemas.named("outcomes", full["outcomes"])
    scores = [outcome["score"] for outcome in full["outcomes"]]
    if len(scores) < 2 or not all(isinstance(s, int) and not isinstance(s, bool) for s in scores):
        raise schemas.wrong("outcomes", "needs two or more, each with a whole number as score")
    if len(set(scores)) != len(scores) or len(scores) > 9:
        raise schemas.wrong("outcomes", "must have different scores, nine at most")
    return full


def turns_of(task: TaskView) -> list[dict[str, Any]]:
    """The conversation that is judged: the candidate after its prompt, or the task's own messages."""
    given = messages.prompt_of(task.payload)
    return [*given, *task.shown[0].messages] if task.candidates else given


def check_task(payload: Payload, candidates: Sequence[Answer]) -> dict[str, Any]:
    """A conversation in which an assistant speaks."""
    checked = messages.check_prompt(payload, needed=not candidates)
    for answer in candidates:
        messages.check_messages(answer.messages, "candidates")
    turns = turns_of(TaskView(checked, candidates))
    if not any(turn["role"] == "assistant" for turn in turns):
        raise InvalidInput("no assistant speaks in this conversation", code="no_assistant", field="messages")
    return checked


def blank(task: TaskView, schema: Schema) -> dict[str, Any]:
    """One entry an assistant turn, unmarked."""
    spoken = [n for n, turn in enumerate(turns_of(task)) if turn["role"] == "assistant"]
    empty: dict[str, Any] = {"mark": None, "reasons": [], "comment": "", "alternative": ""}
    return {
        "outcome": None,
        "turns": {str(n): dict(empty) for n in spoken},
        "comment": "",
        "clauses": [],
    }


def check(payload: Payload, task: TaskView, schema: Schema) -> list[Problem]:
    """An outcome; marks where every turn is to be marked; an alternative for a bad turn where it is asked for."""
    found = []
    if payload.get("outcome") not in [outcome["name"] for outcome in schema["outcomes"]]:
        found.append(Problem("outcome", schema["question"]))
    entries = entries_of(payload)
    judged = {str(n): n for n, turn in enumerate(turns_of(task)) if turn["role"] == "assistant"}
    for name in entries.keys() - judged.keys():
        found.append(Problem("turns", f"There is no turn {name[:20]!r} of the assistant."))
    for name, number in judged.items():
        entry, path = entries.get(name, {}), f"turns.{number}"
        mark = entry.get("mark")
        if mark not in (None, *MARKS):
            found.append(Problem(f"{path}.mark", f"Turn {number + 1} has no such mark as {mark!r}."))
        elif mark is None and schema["every_turn"]:
            found.append(Problem(f"{path}.mark", f"Mark turn {number + 1} as good or bad."))
        elif mark == "bad" and schema["alternative_for_bad"] and not _text(entry, "alternative"):
            found.append(Problem(f"{path}.alternative", f"Write what turn {number + 1} should have said."))
    return found


def entries_of(payload: Payload) -> dict[str, dict[str, Any]]:
    """What was said of each turn, by the turn's place in the conversation."""
    return {name: mapping(entry) for name, entry in mapping(payload.get("turns")).items()}


def _text(entry: Payload, name: str) -> str:
    return str(entry.get(name) or "").strip()


def view(task: TaskView, schema: Schema) -> dict[str, Any]:
    """The turns in order with their number, and outcomes with their keys."""
    turns = [
        {"number": n, **turn, "judged": turn["role"] == "assistant"} for n, turn in enumerate(turns_of(task))
    ]
    outcomes = [{**outcome, "key": str(n)} for n, outcome in enumerate(schema["outcomes"], start=1)]
    return {"turns": turns, "outcomes": outcomes}


def shortcuts(schema: Schema) -> list[Shortcut]:
    """Numbers for the outcome, letters for the turn at hand."""
    outcomes = [Shortcut(str(n), outcome["title"]) for n, outcome in enumerate(schema["outcomes"], start=1)]
    turns = [
        Shortcut("+", "This turn is good; again takes it back"),
        Shortcut("-", "This turn is bad; again takes it back"),
        Shortcut("c", "Comment on it"),
    ]
    return [*outcomes, *turns]


def measures(schema: Schema) -> list[Measure]:
    """The outcome on its scale, and the share of turns marked bad."""
    return [Measure("outcome", "Outcome", "ordinal"), Measure("bad_turns", "Share of bad turns", "interval")]


def measure(payload: Payload, task: TaskView, schema: Schema) -> dict[str, Any]:
    """``bad_turns`` is missing where no turn was marked."""
    scores = {outcome["name"]: outcome["score"] for outcome in schema["outcomes"]}
    values: dict[str, Any] = {}
    if payload.get("outcome") in scores:
        values["outcome"] = scores[payload["outcome"]]
    marks = [m for entry in entries_of(payload).values() if (m := entry.get("mark"))]
    if marks:
        values["bad_turns"] = round(marks.count("bad") / len(marks), 6)
    return values


def score(payload: Payload, gold: Payload, schema: Schema) -> float:
    """Half for the outcome (by closeness on its scale), half for the marks that the known answer has."""
    scores = {outcome["name"]: outcome["score"] for outcome in schema["outcomes"]}
    mine, known = scores.get(str(payload.get("outcome"))), scores[gold["outcome"]]
    span = max(scores.values()) - min(scores.values())
    outcome = 0.0 if mine is None else 1 - abs(mine - known) / span
    wanted = {n: e["mark"] for n, e in entries_of(gold).items() if e.get("mark")}
    if not wanted:
        return outcome
    given = entries_of(payload)
    right = sum(given.get(n, {}).get("mark") == mark for n, mark in wanted.items())
    return (outcome + right / len(wanted)) / 2


def facts(payload: Payload, task: TaskView, schema: Schema) -> list[tuple[str, str]]:
    """The outcome in words."""
    titles = {outcome["name"]: outcome["title"] for outcome in schema["outcomes"]}
    return [(schema["question"], titles.get(str(payload.get("outcome")), "not answered"))]


def read_gold(value: Any, schema: Schema) -> dict[str, Any]:
    """A payload, or the name of an outcome."""
    gold = dict(value) if isinstance(value, dict) else {"outcome": str(value).strip()}
    names = [outcome["name"] for outcome in schema["outcomes"]]
    if gold.get("outcome") not in names:
        raise ValueError(f"the known outcome must be one of {', '.join(names)}")
    return gold


def texts(payload: Payload) -> list[Text]:
    """Alternatives, which a model would learn from, and comments."""
    found = [Text("comment", str(payload.get("comment") or ""), trains=False)]
    for number, entry in entries_of(payload).items():
        if _text(entry, "alternative"):
            found.append(Text(f"turns.{number}.alternative", _text(entry, "alternative")))
        found.append(Text(f"turns.{number}.comment", str(entry.get("comment") or ""), trains=False))
    return found


def rows(dataset_kind: str, submission: Submission) -> list[dict[str, Any]]:
    """``ratings`` of the outcome and of marked turns; ``preferences``: alternative > bad turn."""
    turns = turns_of(submission.task)
    marked = {int(n): e for n, e in entries_of(submission.payload).items() if e.get("mark")}
    if dataset_kind == "preferences":
        return [_pair(turns, n, e, submission) for n, e in marked.items() if _is_replaced(e)]
    values = measure(submission.payload, submission.task, submission.schema)
    scores = [outcome["score"] for outcome in submission.schema["outcomes"]]
    whole = "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in turns)
    scale = {"minimum": float(min(scores)), "maximum": float(max(scores))}
    found = [
        {"item_id": submission.key, "text": whole, "criterion": "outcome", "score": float(v), "scale": scale}
        for name, v in values.items()
        if name == "outcome"
    ]
    return found + [
        {
            "item_id": f"{submission.key}/{n}",
            "text": turns[n]["content"],
            "criterion": "turn",
            "score": float(entry["mark"] == "good"),
            "scale": {"minimum": 0.0, "maximum": 1.0},
        }
        for n, entry in marked.items()
    ]


def _is_replaced(entry: Payload) -> bool:
    return entry.get("mark") == "bad" and bool(_text(entry, "alternative"))


def _pair(turns: list[dict[str, Any]], number: int, entry: Payload, submission: Submission) -> dict[str, Any]:
    model = submission.task.shown[0].model if submission.task.candidates else ""
    return {
        "prompt": messages.plain(turns[:number]),
        "chosen": messages.assistant(_text(entry, "alternative")),
        "rejected": messages.plain([turns[number]]),
        "strength": 1,
        "rejected_model": model or None,
        "group": f"{submission.key}/{number}",
    }


KIND = TaskKind(
    name="conversation",
    title="Judge a conversation",
    description="Did the user get what was needed? Then marks, comments and better answers for single turns.",
    closed=True,
    candidates=(0, 1),
    publishes=("ratings", "preferences"),
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
    score=score,
    read_gold=read_gold,
)
