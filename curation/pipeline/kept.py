"""The kept rows of a shard on their way to publication: Parquet inside, but no published file yet.

Rows are the ``documents`` schema with the recipe's signals. Row groups close by bytes of text, so that
neither writing nor reading holds more than a few megabytes, whatever the pages.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.pipeline.document import Document
from tilth.datasets.schemas import schema
from tilth.storage import Storage

GROUP_BYTES = 8 << 20
BATCH_ROWS = 1_000


class KeptWriter:
    """Writes kept documents; the file appears when the ``with`` block ends without error."""

    def __init__(self, storage: Storage, key: str, signals: Iterable[str]) -> None:
        self._schema = schema("documents").with_signals(signals)
        self._signals = frozenset(field.name for field in self._schema.by_name["signals"].type)
        self._storage, self._key = storage, key
        self._rows: list[dict[str, Any]] = []
        self._held = 0
        self.rows = 0
        self._stack = ExitStack()

    def __enter__(self) -> "KeptWriter":
        handle: IO[bytes] = self._stack.enter_context(self._storage.create(self._key))
        self._parquet = self._stack.enter_context(
            pq.ParquetWriter(handle, self._schema.arrow, compression="zstd", compression_level=1)
        )
        return self

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self._flush()
        self._stack.__exit__(*error)

    def add(self, document: Document, size: int, tokens: int) -> None:
        """Keep a document of ``size`` UTF-8 bytes and (estimated) ``tokens``."""
        self._rows.append(_row(document, self._signals, tokens))
        self._held += size
        self.rows += 1
        if self._held >= GROUP_BYTES or len(self._rows) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._parquet.write_table(self._schema.table(self._rows))
        self._rows, self._held = [], 0


def read_kept(storage: Storage, key: str, columns: list[str] | None = None) -> Iterator[pa.Table]:
    """The kept rows of a shard, one row group at a time."""
    with storage.open(key) as handle, pq.ParquetFile(handle) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def kept_documents(storage: Storage, key: str) -> Iterator[Document]:
    """The kept rows as documents with what deduplication looks at: place, crawl, URL and text."""
    columns = ["source", "record_offset", "record_length", "crawl", "url", "text", "language"]
    for table in read_kept(storage, key, columns):
        for row in table.to_pylist():
            text = row.pop("text")
            document = Document(**row)
            document.text = text
            yield document


def _row(document: Document, signals: frozenset[str], tokens: int) -> dict[str, Any]:
    measured = {"tokens": float(tokens)} | {k: v for k, v in document.signals.items() if k in signals}
    return {
        "id": document.id,
        "text": document.text,
        "url": document.url,
        "domain": document.domain,
        "date": document.date,
        "crawl": document.crawl,
        "source": document.source,
        "record_offset": document.record_offset,
        "record_length": document.record_length,
        "language": document.language,
        "language_score": document.language_score,
        "signals": measured,
        "cluster_size": 1,
    }
