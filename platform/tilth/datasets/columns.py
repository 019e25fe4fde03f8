"""The columns of every kind of dataset: their Arrow types and what people are told about them.

``schemas.py`` makes the schemas out of these; pages, cards, exports and imports read the titles and
descriptions. Adding a kind is adding one entry to ``COLUMNS``. All times are UTC; anything whose shape
may differ from row to row (tool arguments, verifier arguments, payloads) is JSON text.
"""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")

TOOL_CALL = pa.struct(
    [
        ("id", pa.string()),
        ("type", pa.string()),
        ("function", pa.struct([("name", pa.string()), ("arguments", pa.string())])),
    ]
)
MESSAGE = pa.struct(
    [
        ("role", pa.string()),
        ("content", pa.string()),
        ("name", pa.string()),
        ("tool_call_id", pa.string()),
        ("tool_calls", pa.list_(TOOL_CALL)),
    ]
)
MESSAGES = pa.list_(MESSAGE)
ROLES = ("system", "developer", "user", "assistant", "tool")

PROVENANCE = pa.struct(
    [
        ("campaign", pa.string()),
        ("task", pa.string()),
        ("annotation", pa.string()),
        ("labeler", pa.string()),
        ("guideline", pa.string()),
        ("seconds", pa.float64()),
        ("created_at", TIMESTAMP),
        ("editor", pa.string()),
    ]
)
"""Where a label comes from. ``labeler`` and ``editor`` are pseudonyms; ``editor`` is the reviewer whose text stands
for the labeler's, where one edited or decided it."""

SAMPLING = pa.struct(
    [
        ("temperature", pa.float64()),
        ("top_p", pa.float64()),
        ("top_k", pa.int64()),
        ("max_tokens", pa.int64()),
        ("seed", pa.int64()),
    ]
)
CANDIDATE = pa.struct(
    [
        ("model", pa.string()),
        ("checkpoint", pa.string()),
        ("sampling", SAMPLING),
        ("position", pa.int32()),
    ]
)
SCALE = pa.struct([("minimum", pa.float64()), ("maximum", pa.float64())])
LENGTHS = pa.struct([("a", pa.int64()), ("b", pa.int64())])

BASE_SIGNALS = ("tokens", "words")
"""Measurements that every ``documents`` shard has room for; a recipe adds its own beside them."""

Measure = Literal["text", "category", "number", ""]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: what it holds, and how statistics look at it.

    ``measure`` is ``text`` (length, bytes, tokens), ``category`` (most frequent values), ``number``
    (histogram) or empty. ``choices`` are the only values allowed, where there are such; ``json`` marks
    text that holds JSON.
    """

    name: str
    type: pa.DataType
    title: str
    description: str
    required: bool = False
    measure: Measure = ""
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    json: bool = False

    @property
    def field(self) -> pa.Field:
        """The Arrow field: required columns cannot hold nulls."""
        return pa.field(self.name, self.type, nullable=not self.required)


def signals_type(names: tuple[str, ...] = ()) -> pa.StructType:
    """The struct of named measurements: the base ones and ``names``, sorted, all float64."""
    return pa.struct([(name, pa.float64()) for name in sorted({*BASE_SIGNALS, *names})])


ID = Column("id", pa.string(), "Row id", "xxh3-128 hex of the row's stable key", required=True)
_PROVENANCE = Column(
    "provenance",
    PROVENANCE,
    "Provenance",
    "Who labelled and edited it, in which campaign, by which guideline, and when",
)
_PROMPT = Column(
    "prompt", MESSAGES, "Prompt", "The messages that were answered", required=True, measure="text"
)
_MODEL_TEXT = "Name or checkpoint reference of the model"

COLUMNS: dict[str, tuple[Column, ...]] = {
    "documents": (
        Column("text", pa.string(), "Text", "The document's main text", required=True, measure="text"),
        Column("url", pa.string(), "URL", "Where it was published"),
        Column("domain", pa.string(), "Domain", "Registered domain of the URL", measure="category"),
        Column("date", TIMESTAMP, "Date", "When it was crawled or written"),
        Column(
            "crawl", pa.string(), "Crawl", "Name of the crawl, such as CC-MAIN-2026-20", measure="category"
        ),
        Column(
            "source",
            pa.string(),
            "Source",
            "Source id: file within the crawl or upload's hash",
            required=True,
        ),
        Column(
            "record_offset", pa.int64(), "Offset", "Byte offset or row number in the source", required=True
        ),
        Column("record_length", pa.int64(), "Length", "Bytes of the record in the source, 0 for rows"),
        Column("language", pa.string(), "Language", "ISO 639 code of the main language", measure="category"),
        Column(
            "language_score", pa.float64(), "Language score", "Confidence in the language", measure="number"
        ),
        Column("signals", signals_type(), "Signals", "Named measurements by the recipe's filters"),
        Column(
            "cluster_size",
            pa.int32(),
            "Cluster size",
            "Near-copies that this one stands for, itself included",
            measure="number",
        ),
    ),
    "prompts": (
        Column("messages", MESSAGES, "Messages", "The prompt as messages", required=True, measure="text"),
        Column("topic", pa.string(), "Topic", "What it is about", measure="category"),
        Column("source", pa.string(), "Source", "Where the prompt comes from", measure="category"),
    ),
    "conversations": (
        Column("messages", MESSAGES, "Messages", "The turns, in order", required=True, measure="text"),
        Column("tools", pa.string(), "Tools", "Tools on offer: a JSON list of function schemas", json=True),
        _PROVENANCE,
    ),
    "completions": (
        Column("prompt_id", pa.string(), "Prompt id", "Row id of the prompt"),
        _PROMPT,
        Column(
            "completion", MESSAGES, "Completion", "The messages that answer it", required=True, measure="text"
        ),
        Column("model", pa.string(), "Model", _MODEL_TEXT, measure="category"),
        Column("checkpoint", pa.string(), "Checkpoint", "Reference of the checkpoint", measure="category"),
        Column("sampling", SAMPLING, "Sampling", "How it was sampled"),
    ),
    "preferences": (
        _PROMPT,
        Column("chosen", MESSAGES, "Chosen", "The better answer", required=True, measure="text"),
        Column("rejected", MESSAGES, "Rejected", "The worse answer", required=True, measure="text"),
        Column(
            "strength",
            pa.int8(),
            "Strength",
            "How much better: 1 slightly, 2 better, 3 much better",
            measure="number",
            minimum=1,
            maximum=3,
        ),
        Column("chosen_model", pa.string(), "Chosen model", _MODEL_TEXT, measure="category"),
        Column("rejected_model", pa.string(), "Rejected model", _MODEL_TEXT, measure="category"),
        Column("group", pa.string(), "Group", "Same for all pairs of one prompt"),
        _PROVENANCE,
    ),
    "ratings": (
        Column("item_id", pa.string(), "Item id", "Row id or name of what was rated"),
        Column("text", pa.string(), "Text", "The rated text", required=True, measure="text"),
        Column("criterion", pa.string(), "Criterion", "What it was rated for", measure="category"),
        Column("score", pa.float64(), "Score", "The rating", required=True, measure="number"),
        Column("scale", SCALE, "Scale", "Lowest and highest score possible"),
        _PROVENANCE,
    ),
    "problems": (
        _PROMPT,
        Column("answer", pa.string(), "Answer", "The right answer", required=True, measure="text"),
        Column("verifier", pa.string(), "Verifier", "How an answer is checked", measure="category"),
        Column("verifier_args", pa.string(), "Verifier arguments", "JSON object for the verifier", json=True),
        _PROVENANCE,
    ),
    "choices": (
        Column("question", pa.string(), "Question", "The question", required=True, measure="text"),
        Column("options", pa.list_(pa.string()), "Options", "The answers on offer", required=True),
        Column(
            "answer",
            pa.int32(),
            "Answer",
            "Index of the right option, from 0",
            required=True,
            measure="number",
            minimum=0,
        ),
        Column("subject", pa.string(), "Subject", "Field of knowledge", measure="category"),
    ),
    "annotations": (
        Column("item", pa.string(), "Item", "Reference or row id of what was labelled", required=True),
        Column("kind", pa.string(), "Kind", "Kind of task", required=True, measure="category"),
        Column("payload", pa.string(), "Payload", "The labels: versioned JSON", required=True, json=True),
        Column("state", pa.string(), "State", "Where the annotation stands", measure="category"),
        Column("review", pa.string(), "Review", "Outcome of the review", measure="category"),
        Column("candidates", pa.list_(CANDIDATE), "Candidates", "The models behind the shown answers"),
        Column("display", pa.string(), "Display", "What the labeler saw, such as the order: JSON", json=True),
        _PROVENANCE,
    ),
    "battles": (
        Column("prompt", MESSAGES, "Prompt", "The messages that both answered", measure="text"),
        Column("model_a", pa.string(), "Model A", _MODEL_TEXT, required=True, measure="category"),
        Column("model_b", pa.string(), "Model B", _MODEL_TEXT, required=True, measure="category"),
        Column(
            "winner",
            pa.string(),
            "Winner",
            "a, b, tie or both_bad",
            required=True,
            measure="category",
            choices=("a", "b", "tie", "both_bad"),
        ),
        Column("lengths", LENGTHS, "Lengths", "Characters of the two answers"),
        _PROVENANCE,
    ),
    "eval_items": (
        Column("evaluation", pa.string(), "Evaluation", "Name of the evaluation", required=True),
        Column("item", pa.string(), "Item", "Id of the evaluated item", required=True),
        Column("prediction", pa.string(), "Prediction", "What the model answered", measure="text"),
        Column("score", pa.float64(), "Score", "Points for the answer", measure="number"),
        Column("logprob", pa.float64(), "Log-probability", "Of the answer, summed", measure="number"),
    ),
    "tokens": (
        Column("tokens", pa.list_(pa.uint32()), "Tokens", "Token ids of one document", required=True),
    ),
}
