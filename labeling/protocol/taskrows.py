"""Rows of tables and datasets as tasks: which column is what, and what is wrong with a row.

Understands the shapes that the ecosystem writes: message lists, prompt texts, Alpaca's instruction and
input, two answers side by side under many names, chosen and rejected, lists of responses, documents.
A mapping names columns outright: ``{"prompt": "question", "answers": "gpt,llama", "topic": "subject"}``.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from labeling.protocol.kind import Answer, TaskKind
from tilth.datasets.import_.messages import to_messages
from tilth.datasets.schemas import row_id
from tilth.errors import InvalidInput, TilthError
from tilth.text.storable import storable

FIELDS = {
    "prompt": ("messages", "prompt", "conversation", "conversations", "instruction", "question", "query"),
    "system": ("system", "system_prompt"),
    "input": ("input", "context"),
    "text": ("text", "document", "passage"),
    "url": ("url", "source_url"),
    "html": ("html", "page"),
    "note": ("note", "wanted"),
    "topic": ("topic", "category", "subject"),
    "difficulty": ("difficulty", "level"),
    "language": ("language", "lang"),
    "gold": ("gold", "known_answer"),
    "key": ("id", "uid", "key", "idx"),
}
"""Our fields, with the column names under which they are found."""

PAIRS = (
    ("response_a", "response_b"), ("response1", "response2"), ("response_1", "response_2"),
    ("output_1", "output_2"), ("answer_a", "answer_b"), ("answer1", "answer2"), ("completion_a", "completion_b"),
    ("chosen", "rejected"),
)  # fmt: skip
LISTS = ("candidates", "responses", "completions", "answers", "outputs")
SINGLES = ("response", "output", "completion", "answer")
LONGEST = {"topic": 80, "difficulty": 40, "language": 12, "model": 200, "checkpoint": 200}
"""Characters that the database keeps of each; a longer one is no such thing but a column mistaken for it."""

MODELS = ("model_a,model_b", "model1,model2", "model_1,model_2", "chosen_model,rejected_model", "model")


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row as a task, ready to be stored."""

    key: str
    payload: dict[str, Any]
    answers: list[Answer] = field(default_factory=list)
    topic: str = ""
    difficulty: str = ""
    language: str = ""
    gold: dict[str, Any] | None = None
    author: str = ""

    def to_json(self) -> dict[str, Any]:
        """As chunks of an import carry it."""
        answers = [
            {"messages": a.messages, "model": a.model, "checkpoint": a.checkpoint, "sampling": a.sampling}
            for a in self.answers
        ]
        return {
            "key": self.key,
            "payload": self.payload,
            "answers": answers,
            "topic": self.topic,
            "difficulty": self.difficulty,
            "language": self.language,
            "gold": self.gold,
            "author": self.author,
        }

    def to_columns(self) -> dict[str, Any]:
        """As it is stored in bulk: column → value, JSON columns as JSON text."""
        return {
            "key": self.key,
            "payload": _json(self.payload, "payload"),
            "topic": self.topic,
            "difficulty": self.difficulty,
            "language": self.language,
            "gold": None if self.gold is None else _json(self.gold, "gold"),
            "author": self.author,
            "candidates": [
                {
                    "messages": _json(a.messages, "answers"),
                    "model": a.model,
                    "checkpoint": a.checkpoint,
                    "sampling": None if a.sampling is None else _json(a.sampling, "answers"),
                }
                for a in self.answers
            ],
        }


_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=str).encode


def _json(value: Any, name: str) -> str:
    try:
        return _encode(value)
    except ValueError:
        raise InvalidInput("has a number that is none (NaN or infinity)", field=name) from None


def guess(columns: Iterable[str], kind: TaskKind) -> dict[str, str]:
    """Which column is what, by name; columns that nothing is made of are left out."""
    there = set(columns)
    mapping = {ours: name for ours, names in FIELDS.items() if (name := _first(names, there))}
    answers = _answers(there, kind)
    if answers:
        mapping["answers"] = answers
        models = _first([m for m in MODELS if set(m.split(",")) <= there], set(MODELS))
        if models:
            mapping["models"] = models
    return mapping


def _first(names: Iterable[str], there: set[str]) -> str:
    return next((name for name in names if name in there), "")


def _answers(there: set[str], kind: TaskKind) -> str:
    most = kind.candidates[1]
    if most >= 2:
        pair = next((pair for pair in PAIRS if set(pair) <= there), None)
        return ",".join(pair) if pair else _first(LISTS, there)
    return (_first(SINGLES, there) or _first(LISTS, there)) if most else ""


def read_row(
    row: Mapping[str, Any], mapping: Mapping[str, str], kind: TaskKind, schema: Mapping[str, Any], source: str
) -> TaskRow:
    """The row as a task; :class:`InvalidInput` names the field at fault.

    ``source`` makes the key unique where the row has none (an upload's hash and the row's number).
    """
    try:
        row = storable(dict(row))
    except RecursionError:
        raise InvalidInput("nests too deeply to be a task", code="too_deep") from None
    payload = _payload(row, mapping)
    answers = _read_answers(row, mapping)
    low, high = kind.candidates
    if not low <= len(answers) <= high:
        wanted = str(low) if low == high else f"{low} to {high}"
        raise InvalidInput(f"needs {wanted} answers and has {len(answers)}", field="answers")
    payload = kind.check_task(payload, answers)
    own = _text(row, mapping, "key")
    return TaskRow(
        key=own if len(own) == 32 and own.isalnum() else row_id(source, own) if own else row_id(source),
        payload=payload,
        answers=answers,
        topic=_short(_text(row, mapping, "topic"), "topic"),
        difficulty=_short(_text(row, mapping, "difficulty"), "difficulty"),
        language=_short(_text(row, mapping, "language"), "language"),
        gold=_gold(row, mapping, kind, schema),
        author=_author(row),
    )


def _payload(row: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    prompt = _cell(row, mapping, "prompt")
    if prompt:
        turns = _messages(prompt, "user", "prompt")
        extra = _text(row, mapping, "input")
        if extra and isinstance(prompt, str):
            turns[-1]["content"] = f"{turns[-1]['content']}\n\n{extra}"
        payload["messages"] = turns
    for name in ("system", "note"):
        if value := _text(row, mapping, name):
            payload[name] = value
    text, html = _text(row, mapping, "text"), _text(row, mapping, "html")
    url = _text(row, mapping, "url")
    if text and (url or html):
        payload["document"] = {"text": text, "url": url, **({"html": html} if html else {})}
    elif text and not prompt:
        payload["text"] = text
    return payload


def _messages(value: Any, role: str, name: str) -> list[dict[str, Any]]:
    try:
        return [
            {"role": m["role"], "content": m.get("content") or ""} for m in to_messages(_listed(value), role)
        ]
    except ValueError as error:
        raise InvalidInput(str(error), field=name) from None


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _read_answers(row: Mapping[str, Any], mapping: Mapping[str, str]) -> list[Answer]:
    columns = [name.strip() for name in mapping.get("answers", "").split(",") if name.strip()]
    values = [row.get(name) for name in columns]
    if len(values) == 1 and isinstance(_listed(values[0]), list) and not _is_conversation(values[0]):
        values = list(_listed(values[0]))
    models = [name.strip() for name in mapping.get("models", "").split(",") if name.strip()]
    named = [_short(str(row.get(name) or ""), "model", "models") for name in models]
    found = []
    for position, value in enumerate(v for v in values if v not in (None, "")):
        model = named[position] if position < len(named) else ""
        found.append(_answer(value, position, model))
    return found


def _is_conversation(value: Any) -> bool:
    first = next(iter(_listed(value)), None)
    return isinstance(first, Mapping) and bool({"role", "from"} & first.keys())


def _answer(value: Any, position: int, model: str) -> Answer:
    if isinstance(value, Mapping) and not {"role", "from"} & value.keys():
        text = value.get("messages") or value.get("text") or value.get("content") or value.get("completion")
        return Answer(
            position,
            _messages(text, "assistant", "answers"),
            _short(str(value.get("model") or model), "model", "answers"),
            _short(str(value.get("checkpoint") or ""), "checkpoint", "answers"),
            value.get("sampling"),
        )
    return Answer(position, _messages(value, "assistant", "answers"), model)


def _text(row: Mapping[str, Any], mapping: Mapping[str, str], name: str) -> str:
    value = _cell(row, mapping, name)
    return "" if value is None or isinstance(value, list | dict) else str(value).strip()


def _cell(row: Mapping[str, Any], mapping: Mapping[str, str], name: str) -> Any:
    """What stands in the column of a field; nothing where no column is that field."""
    column = mapping.get(name)
    return row.get(column) if column else None


def _short(text: str, name: str, where: str = "") -> str:
    if len(text) > LONGEST[name]:
        raise InvalidInput(f"the {name} is longer than {LONGEST[name]} characters", field=where or name)
    return text


def _gold(
    row: Mapping[str, Any], mapping: Mapping[str, str], kind: TaskKind, schema: Mapping[str, Any]
) -> dict[str, Any] | None:
    value = _cell(row, mapping, "gold")
    if value in (None, ""):
        return None
    if kind.read_gold is None:
        raise InvalidInput(f"{kind.title} has no known answers", field="gold")
    try:
        return kind.read_gold(value, schema)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(str(error) or "is no answer of this kind", field="gold") from None


def _author(row: Mapping[str, Any]) -> str:
    """The pseudonym of whoever wrote what is judged, where the row's provenance names one."""
    provenance = row.get("provenance")
    return str(provenance.get("labeler") or "") if isinstance(provenance, Mapping) else ""


def fault_of(error: TilthError) -> tuple[str, str]:
    """Field and message of a fault, for the report."""
    return error.field or "", error.message
