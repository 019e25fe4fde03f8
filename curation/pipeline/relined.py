"""Publication's last touch where the recipe removes repeated lines: rows without them, and the count."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.pipeline.dedup import lines
from curation.pipeline.dedup.repeats import removals_of
from curation.pipeline.document import Document
from curation.pipeline.funnel import FunnelStep
from curation.pipeline.passage import text_size, token_count
from curation.pipeline.samples import Samples, sample_row
from curation.pipeline.step import Drop
from tilth.storage import Storage


@dataclass(frozen=True)
class Lines:
    """Which lines go: the step's settings, the files of removals, and how many shards they index."""

    settings: lines.Settings
    files: tuple[str, ...]
    shards: int


class LineRemover:
    """Takes published rows of one part through the step and counts them."""

    def __init__(self, storage: Storage, wanted: Lines, samples: Samples) -> None:
        self.step = FunnelStep(lines.NAME, lines.TITLE)
        self._storage, self._wanted, self._samples = storage, wanted, samples
        self._shard = -1
        self._removals: NDArray[Any] = np.empty(0)

    def edited(self, table: pa.Table, numbers: NDArray[np.int64], shard: int) -> Iterator[dict[str, Any]]:
        """The rows that are left, without their repeated lines; ``numbers`` are their corpus numbers."""
        if shard != self._shard:
            wanted = self._wanted
            self._removals = removals_of(self._storage, wanted.files, wanted.shards, shard)
            self._shard = shard
        starts = np.searchsorted(self._removals["number"], numbers, side="left")
        stops = np.searchsorted(self._removals["number"], numbers, side="right")
        for row, start, stop in zip(table.to_pylist(), starts, stops, strict=True):
            if self._keep(row, self._removals["key"][start:stop]):
                yield row

    def _keep(self, row: dict[str, Any], removed: NDArray[np.uint64]) -> bool:
        """Edit a row in place; whether enough of it is left."""
        from tilth.text import minhash  # numba: only a process that reads texts pays for it

        size = text_size(row["text"])
        self.step.entered.add(size, token_count(size))
        if len(removed):
            document = row_document(row)
            text = lines.without_lines(document, self._wanted.settings, removed)
            words, least = len(minhash.words(text)), self._wanted.settings.minimum_words
            if words < least:
                self.step.drop("nothing_left", size, token_count(size))
                self._samples.add(sample_row(lines.NAME, Drop("nothing_left", words, least), document))
                return False
            size = text_size(text)
            row["text"], row["signals"] = text, {**row["signals"], "tokens": float(token_count(size))}
        self.step.left.add(size, token_count(size))
        return True


def row_document(row: dict[str, Any]) -> Document:
    """A published row as a document: its place, crawl, URL, language and text."""
    names = ("url", "source", "record_offset", "record_length", "crawl", "language")
    document = Document(**{name: row[name] for name in names})
    document.text = row["text"]
    return document
