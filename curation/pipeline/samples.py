"""Which dropped documents are kept to be read: a few per reason, the same ones on every run.

A sample is the documents with the lowest hash of their id, so that merging shards' samples in any
order gives the run's sample. What a person needs to judge the drop goes with it: rule, value, limit,
and the text with the offending places.
"""

import heapq
import json
from collections.abc import Iterable
from typing import Any

import xxhash

from curation.pipeline.document import Document
from curation.pipeline.step import Drop
from tilth.storage import Storage

PER_REASON = 20
TEXT_CHARACTERS = 20_000
_LEAD = 1_000


class Samples:
    """The lowest-hash drops of each (step, reason), as JSON-ready rows."""

    def __init__(self, per_reason: int = PER_REASON) -> None:
        self._limit = per_reason
        self._heaps: dict[tuple[str, str], list[tuple[int, str, dict[str, Any]]]] = {}

    def offer(self, step: str, drop: Drop, document: Document) -> None:
        """Take a document that a step dropped, if its hash is among the lowest."""
        if self.wants(step, drop.reason, document.id):
            self.add(sample_row(step, drop, document))

    def wants(self, step: str, reason: str, document_id: str) -> bool:
        """Whether a document of this id would be taken."""
        heap = self._heaps.get((step, reason), [])
        return self._limit > 0 and (len(heap) < self._limit or -_rank(document_id) > heap[0][0])

    def add(self, row: dict[str, Any]) -> None:
        """Take a row that :func:`sample_row` made, if its hash is among the lowest."""
        if not self.wants(row["step"], row["reason"], row["id"]):
            return
        heap = self._heaps.setdefault((row["step"], row["reason"]), [])
        push = heapq.heappush if len(heap) < self._limit else heapq.heapreplace
        push(heap, (-_rank(row["id"]), row["id"], row))

    def rows(self) -> list[dict[str, Any]]:
        """All rows, ordered by step, reason and hash."""
        return [
            row
            for key in sorted(self._heaps)
            for _, _, row in sorted(self._heaps[key], key=lambda entry: (-entry[0], entry[1]))
        ]


def sample_row(step: str, drop: Drop, document: Document) -> dict[str, Any]:
    """What is kept of a dropped document; a long text is cut to a window around the first place at fault."""
    text, spans = _window(document.text, drop.spans)
    return {
        "id": document.id,
        "step": step,
        "reason": drop.reason,
        "value": drop.value,
        "limit": drop.limit,
        "spans": spans,
        "text": text,
        "text_characters": len(document.text),
        "url": document.url,
        "source": document.source,
        "record_offset": document.record_offset,
        "record_length": document.record_length,
        "crawl": document.crawl,
        "language": document.language,
    }


def merge(lists: Iterable[Iterable[dict[str, Any]]], per_reason: int = PER_REASON) -> list[dict[str, Any]]:
    """The sample of all shards out of the shards' samples."""
    merged = Samples(per_reason)
    for rows in lists:
        for row in rows:
            merged.add(row)
    return merged.rows()


def write_rows(storage: Storage, key: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=True, sort_keys=True) + "\n" for row in rows)
    with storage.create(key) as handle:
        handle.writelines(line.encode() for line in lines)


def read_rows(storage: Storage, key: str) -> list[dict[str, Any]]:
    """Read rows that :func:`write_rows` wrote."""
    return [json.loads(line) for line in storage.read_bytes(key).splitlines()]


def _window(text: str, spans: tuple[tuple[int, int], ...]) -> tuple[str, list[list[int]]]:
    start = 0
    if spans and spans[0][1] > TEXT_CHARACTERS:
        start = max(0, spans[0][0] - _LEAD)
    stop = start + TEXT_CHARACTERS
    inside = [[a - start, min(b, stop) - start] for a, b in spans if a < stop and b > start]
    return text[start:stop], [[max(0, a), b] for a, b in inside]


def _rank(document_id: str) -> int:
    return xxhash.xxh3_64_intdigest(document_id.encode())
