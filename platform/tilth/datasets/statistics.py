"""What a version's rows look like: counted while streaming over the shards, kept in the manifest.

What is measured follows from the schema's columns (``measure``): lengths and tokens of texts, most
frequent categories, histograms of numbers; message lists also by turns and roles. Pure: no Django.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from tilth.datasets.columns import MESSAGES
from tilth.datasets.histograms import Lengths, Span, TopValues, finite
from tilth.datasets.manifest import ESTIMATED, Shard
from tilth.datasets.reader import read_batches
from tilth.datasets.schemas import Schema, schema
from tilth.datasets.sizes import characters, list_lengths, row_sums, text_bytes
from tilth.datasets.token_files import read_tokens
from tilth.storage import Storage

BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """Counts tokens; ``name`` goes into the manifest."""

    name: str
    count: Callable[[list[str]], int]


class _Text:
    """Length, bytes and tokens of one column of texts or message lists."""

    def __init__(self, tokenizer: Tokenizer | None) -> None:
        self.lengths, self.turns, self.roles = Lengths(), Lengths(), TopValues()
        self.bytes = self.tokens = 0
        self.messages = False
        self._tokenizer = tokenizer

    def add(self, column: pa.ChunkedArray) -> None:
        for chunk in column.chunks:
            self.messages = chunk.type == MESSAGES
            texts = chunk
            if self.messages:
                self.turns.add(list_lengths(chunk))
                flat = chunk.flatten()
                self.roles.add(flat.field("role"))
                texts = _contents(chunk)
            self.lengths.add(row_sums(texts, characters))
            self.bytes += int(row_sums(texts, text_bytes).sum())
            if self._tokenizer:
                strings = texts.flatten() if self.messages else texts
                self.tokens += self._tokenizer.count([s for s in strings.to_pylist() if s])

    def result(self) -> dict[str, Any]:
        tokens = self.tokens if self._tokenizer else self.bytes // BYTES_PER_TOKEN
        found = {"characters": self.lengths.result(), "bytes": self.bytes, "tokens": tokens}
        if self.messages:
            found |= {"turns": self.turns.result(), "roles": self.roles.result()["top"]}
        return found


def _contents(messages: pa.ListArray) -> pa.ListArray:
    """The contents of message lists, as lists of strings (null lists count as empty ones)."""
    offsets = np.concatenate([[0], np.cumsum(list_lengths(messages))]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, messages.flatten().field("content"))


def collect(
    storage: Storage,
    shards: Iterable[Shard],
    kind: str,
    folder: str,
    tokenizer: Tokenizer | None = None,
) -> dict[str, Any]:
    """Statistics of the shards under ``folder``; memory does not grow with their number.

    Returns ``rows``, ``bytes``, ``tokens`` (count and the tokenizer's name, or "estimated from bytes") and
    ``columns``: name -> ``{"measure", …}``.
    """
    listed = list(shards)
    total = {"rows": sum(s.rows for s in listed), "bytes": sum(s.bytes for s in listed)}
    if kind == "tokens":
        return total | _token_statistics(storage, folder, listed)
    target = schema(kind)
    texts = {name: _Text(tokenizer) for name in target.measured("text")}
    categories = {name: TopValues() for name in target.measured("category")}
    spans = {name: Span() for name in target.measured("number")}
    for table in read_batches(storage, folder, listed, kind, [*texts, *categories, *spans]):
        for name, summary in {**texts, **categories, **spans}.items():
            summary.add(table.column(name))  # type: ignore[attr-defined]
    columns: dict[str, dict[str, Any]] = {
        name: {"measure": "text", **text.result()} for name, text in texts.items()
    }
    columns |= {name: {"measure": "category", **top.result()} for name, top in categories.items()}
    columns |= _numbers(storage, listed, target, folder, spans)
    count = sum(columns[name]["tokens"] for name in texts)
    tokens = {"count": count, "tokenizer": tokenizer.name if tokenizer else ESTIMATED}
    return total | {"tokens": tokens, "columns": columns}


def _numbers(
    storage: Storage, shards: list[Shard], target: Schema, folder: str, spans: dict[str, Span]
) -> dict[str, dict[str, Any]]:
    """Histograms in a second pass, over the number columns alone, now that their ranges are known."""
    if not spans:
        return {}
    whole = {name: pa.types.is_integer(target.by_name[name].type) for name in spans}
    edges = {name: span.edges(whole[name]) for name, span in spans.items()}
    counts = {name: np.zeros(max(len(edge) - 1, 0), np.int64) for name, edge in edges.items()}
    for table in read_batches(storage, folder, shards, target.kind, list(spans)):
        for name, edge in edges.items():
            if edge.size:
                counts[name] += np.histogram(finite(table.column(name)), bins=edge)[0]
    return {
        name: {"measure": "number", **span.result(edges[name], counts[name])} for name, span in spans.items()
    }


def _token_statistics(storage: Storage, folder: str, shards: list[Shard]) -> dict[str, Any]:
    lengths, tokenizer = Lengths(), ""
    for _, tokens, tokenizer in read_tokens(storage, folder, shards):  # noqa: B007 (the last one's name is kept)
        lengths.add(np.array([tokens.size]))
    return {
        "tokens": {"count": lengths.total, "tokenizer": tokenizer},
        "columns": {"tokens": {"measure": "length", **lengths.result()}},
    }
