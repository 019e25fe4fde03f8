"""A conversation as an example of fine-tuning: ids, and labels where something is learned."""

from collections.abc import Mapping
from typing import Any

from training.llm.chat import Chat, Encoded
from training.llm.rows import Example

IGNORED = -100
BEYOND = "have no answer within the context"
SILENT = "have no answer"


def example(chat: Chat, row: Mapping[str, Any], context: int, assistant_only: bool) -> Example | str:
    """A row of ``conversations`` or ``completions`` as ids and labels, cut at ``context``; see :func:`cut`."""
    return cut(encode(chat, row), context, assistant_only)


def encode(chat: Chat, row: Mapping[str, Any]) -> Encoded:
    """The conversation of a row; a completion follows its prompt."""
    if "completion" in row:
        return chat.encode([*row["prompt"], *row["completion"]])
    return chat.encode_row(row)


def cut(encoded: Encoded, context: int, assistant_only: bool) -> Example | str:
    """The beginning of a conversation, at most ``context`` tokens, or why it is left out.

    Left out where nothing would be learned from it; what stands first is never predicted.
    """
    labels = encoded.labels if assistant_only else list(encoded.ids)
    ids, labels = encoded.ids[:context], labels[:context]
    if all(label == IGNORED for label in labels[1:]):
        return BEYOND if any(encoded.trained) else SILENT
    return {"input_ids": ids, "labels": [IGNORED, *labels[1:]]}
