"""The common shapes of data files: recognised by their fields, shown in the preview, free to change.

A shape is a default mapping. Those with more fields come first; what a shape does not map is looked up
by name and by the usual synonyms. Adding a shape is adding one entry. Pure: no Django.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tilth.datasets.import_.mapping import look_up
from tilth.datasets.schemas import KINDS, schema
from tilth.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Shape:
    """A known shape: the fields that give it away, and where each column's value is."""

    title: str
    kind: str
    needs: tuple[str, ...]
    mapping: Mapping[str, str]
    holds: tuple[str, str] = ("", "")
    """(field, text): the field's text must hold this."""


_ALPACA = "system:system|user:instruction+input|assistant:output"

SHAPES = (
    Shape(
        "Alpaca with two ranked outputs",
        "preferences",
        ("instruction", "output.0", "output.1"),
        {"prompt": "user:instruction+input", "chosen": "output.0", "rejected": "output.1"},
    ),
    Shape(
        "Two outputs and a label that counts from 1",
        "preferences",
        ("input", "output_1", "output_2", "label"),
        {
            "prompt": "user:input",
            "chosen": "[output_1, output_2]@1 label",
            "rejected": "[output_1, output_2]!1 label",
        },
    ),
    Shape("Preferences with a prompt", "preferences", ("prompt", "chosen", "rejected"), {}),
    Shape("Chosen and rejected with a shared beginning", "preferences", ("chosen", "rejected"), {}),
    Shape(
        "Battles: left, right, winner",
        "battles",
        ("left", "right", "winner"),
        {"model_a": "left", "model_b": "right"},
    ),
    Shape("Battles", "battles", ("model_a", "model_b", "winner"), {}),
    Shape(
        "PIQA",
        "choices",
        ("goal", "sol1", "sol2", "label"),
        {"question": "goal", "options": "[sol1, sol2]", "answer": "label"},
    ),
    Shape(
        "ARC: choices with labels",
        "choices",
        ("question", "choices.text", "answerKey"),
        {"options": "choices.text", "answer": "answerKey"},
    ),
    Shape(
        "AGIEval",
        "choices",
        ("passage", "question", "options", "label"),
        {"question": "passage+question", "options": "options", "answer": "label"},
    ),
    Shape("Multiple choice", "choices", ("question", "options"), {}),
    Shape("Multiple choice", "choices", ("question", "choices"), {"options": "choices"}),
    Shape("ShareGPT", "conversations", ("conversations",), {"messages": "conversations"}),
    Shape("OpenAI messages", "conversations", ("messages",), {"messages": "messages"}),
    Shape("Turns of speakers", "conversations", ("turns.0.speaker",), {"messages": "turns"}),
    Shape("Alpaca", "conversations", ("instruction", "output"), {"messages": _ALPACA}),
    Shape("Prompt and completion", "completions", ("prompt", "completion"), {}),
    Shape(
        "GSM8K: answer behind ####",
        "problems",
        ("question", "answer"),
        {"prompt": "user:question", "answer": "answer>>####", "verifier": "=math"},
        holds=("answer", "####"),
    ),
    Shape(
        "MATH: answer in \\boxed",
        "problems",
        ("problem", "solution"),
        {"prompt": "user:problem", "answer": "solution>>\\boxed", "verifier": "=math"},
        holds=("solution", "\\boxed"),
    ),
    Shape("Question and answer", "problems", ("question", "answer"), {"prompt": "user:question"}),
    Shape("Problem and answer", "problems", ("problem", "answer"), {"prompt": "user:problem"}),
    Shape(
        "Question and answer as a chat",
        "conversations",
        ("question", "answer"),
        {"messages": "user:question|assistant:answer"},
    ),
    Shape(
        "Prompt and response as a chat",
        "conversations",
        ("prompt", "response"),
        {"messages": "user:prompt|assistant:response"},
    ),
    Shape(
        "Prompt and completion as a chat",
        "conversations",
        ("prompt", "completion"),
        {"messages": "user:prompt|assistant:completion"},
    ),
    Shape("Text with a score", "ratings", ("text", "score"), {}),
    Shape("Text", "documents", ("text",), {}),
    Shape("Instructions as prompts", "prompts", ("instruction",), {"messages": "user:instruction+input"}),
    Shape("Prompts", "prompts", ("prompt",), {"messages": "user:prompt"}),
    Shape("Questions as prompts", "prompts", ("question",), {"messages": "user:question"}),
    Shape("Texts as prompts", "prompts", ("text",), {"messages": "user:text"}),
)

SYNONYMS: dict[str, tuple[str, ...]] = {
    "text": ("content", "body", "document", "raw_content"),
    "url": ("link", "uri", "source_url"),
    "domain": ("host",),
    "date": ("timestamp", "created", "published"),
    "language": ("lang",),
    "prompt": ("question", "instruction", "problem", "query", "input"),
    "completion": ("response", "output", "answer"),
    "chosen": ("accepted", "response_chosen"),
    "rejected": ("response_rejected",),
    "answer": ("target", "label", "gold", "solution", "answerKey", "output"),
    "options": ("choices", "endings"),
    "subject": ("type", "category", "subject_name"),
    "topic": ("category", "type"),
    "criterion": ("aspect", "attribute"),
    "score": ("rating", "value"),
    "item_id": ("item", "uid"),
    "item": ("item_id", "example_id", "doc_id"),
    "model": ("model_name", "generator"),
    "prediction": ("output", "response"),
    "payload": ("labels", "label"),
    "model_a": ("left", "model_x"),
    "model_b": ("right", "model_y"),
}


@dataclass(frozen=True, slots=True)
class Recognised:
    """What the first records look like."""

    kind: str
    title: str
    mapping: dict[str, str]


def recognise(records: list[Mapping[str, Any]], kind: str = "") -> Recognised:
    """The kind (if none is given), the shape's name and a default mapping for these records."""
    own = [k for k in ([kind] if kind else KINDS) if k != "tokens" and _is_own(records, k)]
    if own:
        return Recognised(own[0], "Tilth's own columns", _by_name(records, own[0], {}))
    for shape in SHAPES:
        if kind in ("", shape.kind) and _fits(records, shape):
            return Recognised(shape.kind, shape.title, _by_name(records, shape.kind, shape.mapping))
    if not kind:
        raise InvalidInput(
            "this looks like no kind of dataset that is known; choose the kind and map its columns. "
            f"The file has {', '.join(sorted(fields(records))) or 'no fields'}",
            code="unknown_shape",
            field="kind",
        )
    return Recognised(kind, "Columns by name", _by_name(records, kind, {}))


def fields(records: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    """All field names of the records, in the order met."""
    return {name: None for record in records for name in record}


def _is_own(records: list[Mapping[str, Any]], kind: str) -> bool:
    """Whether the fields are exactly a kind's: at least id and the required, and no other."""
    names = set(fields(records))
    found = schema(kind)
    return bool(names) and set(found.required) <= names <= set(found.by_name)


def _fits(records: list[Mapping[str, Any]], shape: Shape) -> bool:
    """Whether at least four of five records have the fields: files mix, and optional ones may be null."""

    def has(record: Mapping[str, Any]) -> bool:
        name, text = shape.holds
        return all(look_up(dict(record), need) is not None for need in shape.needs) and (
            not name or text in str(record[name])
        )

    return bool(records) and sum(map(has, records)) * 5 >= len(records) * 4


def _by_name(records: list[Mapping[str, Any]], kind: str, given: Mapping[str, str]) -> dict[str, str]:
    """The mapping with the other columns found by name or synonym."""
    names = fields(records)
    # A foreign id or source means something else than ours.
    left = {"id", "source", "record_offset", "record_length"} if kind == "documents" else {"id"}
    mapping = dict(given)
    taken = {part for expression in given.values() for part in names if part in expression}
    for column in schema(kind).columns:
        if column.name in mapping or (column.name in left and not _is_own(records, kind)):
            continue
        if column.name in names:
            mapping[column.name] = column.name
            continue
        synonyms = SYNONYMS.get(column.name, ())
        found = next((name for name in synonyms if name in names and name not in taken), None)
        if found and (column.required or not given):
            mapping[column.name] = _with_input(found, names, taken)
            taken.add(found)
    return mapping


def _with_input(found: str, names: Iterable[str], taken: set[str]) -> str:
    """An Alpaca instruction is whole only with its input, whatever kind it becomes."""
    if found != "instruction" or "input" not in names or "input" in taken:
        return found
    taken.add("input")
    return "instruction+input"
