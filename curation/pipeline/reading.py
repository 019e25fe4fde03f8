"""A source file becomes documents: pages out of WARC, texts out of WET, JSONL and Parquet.

Files stream where they lie; with a cache folder they are downloaded whole first, within its budget.
Row formats give documents that have their text already; extraction lets those pass.
"""

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import IO, Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from curation.pipeline.access import Access
from curation.pipeline.cache import cached
from curation.pipeline.document import Document
from curation.pipeline.members import MAGIC
from curation.pipeline.source_file import SourceFile
from curation.pipeline.transfer import open_remote
from curation.pipeline.warc import BadRecord, Limits, read_warc, read_wet
from tilth.errors import InvalidInput, NotFound
from tilth.guards.paths import inside

MAX_LINE = 64 << 20
ROW_REASONS = {
    "bad_row": "The line is no JSON object, or its text is no string",
    "empty": "The row has no text",
}


def open_source(
    source: SourceFile,
    access: Access,
    *,
    text_column: str = "text",
    url_column: str = "url",
    limits: Limits | None = None,
) -> Iterator[Document | BadRecord]:
    """Every document of a source file, and why the other records are none; streams in bounded memory."""
    with ExitStack() as stack:
        handle = stack.enter_context(open_bytes(source, access))
        if source.format == "warc":
            yield from read_warc(handle, source.id, crawl=source.crawl, limits=limits)
        elif source.format == "wet":
            yield from read_wet(handle, source.id, crawl=source.crawl, limits=limits)
        elif source.format == "jsonl":
            yield from _read_jsonl(handle, source, text_column, url_column)
        else:
            yield from _read_parquet(handle, source, text_column, url_column)


def open_bytes(source: SourceFile, access: Access, span: tuple[int, int | None] = (0, None)) -> IO[bytes]:
    """The file's bytes as stored: local, an upload, or remote (streamed, or out of the cache).

    It stands at the start of ``span`` (start, end); a server is asked for no more than the span.
    """
    if "://" in source.url and not access.cache:
        return cast(IO[bytes], open_remote(source.url, access, *span))
    handle = _open_near(source, access)
    handle.seek(span[0])
    return handle


def _open_near(source: SourceFile, access: Access) -> IO[bytes]:
    """A file that lies in the storage, in the cache or in a folder."""
    if source.url.startswith("upload:"):
        return access.open_storage().open(f"uploads/{source.url.removeprefix('upload:')}")
    if "://" in source.url:
        return cached(source.url, access).open("rb")
    path = inside([*access.roots] if access.roots is not None else ["/"], source.url)  # type: ignore[list-item]
    if not path.is_file():
        raise NotFound(f"{source.id} is no longer there", field="sources")
    return path.open("rb")


def _read_jsonl(
    handle: IO[bytes], source: SourceFile, text_column: str, url_column: str
) -> Iterator[Document | BadRecord]:
    """One document a line; the row number stands for the offset."""
    whole = io.BufferedReader(cast(io.RawIOBase, handle), 1 << 20)
    packed = whole.peek(3).startswith(MAGIC)
    lines = _lines(cast(IO[bytes], gzip.GzipFile(fileobj=whole) if packed else whole))
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as fault:
            yield BadRecord("bad_row", number, 0, str(fault)[:200])
            continue
        if not isinstance(row, dict):
            yield BadRecord("bad_row", number, 0, f"a {type(row).__name__}, not an object")
            continue
        if number == 0 and text_column not in row:
            raise _no_column(source, text_column, list(row))
        yield _row(source, number, row.get(text_column), row.get(url_column))


def _read_parquet(
    handle: IO[bytes], source: SourceFile, text_column: str, url_column: str
) -> Iterator[Document | BadRecord]:
    """One document a row, a small batch at a time."""
    try:
        file = pq.ParquetFile(pa.PythonFile(handle, mode="r"))
    except pa.ArrowInvalid as fault:
        raise InvalidInput(f"{source.id} is not a Parquet file: {fault}", field="sources") from None
    if text_column not in file.schema_arrow.names:
        raise _no_column(source, text_column, file.schema_arrow.names)
    columns = [name for name in (text_column, url_column) if name in file.schema_arrow.names]
    number = 0
    for batch in file.iter_batches(batch_size=256, columns=columns):
        texts = batch.column(text_column)
        urls: Any = batch.column(url_column) if url_column in columns else [None] * len(texts)
        for text, url in zip(texts, urls, strict=True):
            yield _row(source, number, text.as_py(), url.as_py() if url is not None else None)
            number += 1


def _row(source: SourceFile, number: int, text: Any, url: Any) -> Document | BadRecord:
    if text is None or text == "":
        return BadRecord("empty", number, 0)
    if not isinstance(text, str):
        return BadRecord("bad_row", number, 0, f"the text is a {type(text).__name__}")
    document = Document(str(url or ""), source.id, number, 0, crawl=source.crawl)
    document.text = text
    return document


def _no_column(source: SourceFile, wanted: str, there: list[str]) -> InvalidInput:
    return InvalidInput(
        f"{source.id} has no column {wanted!r}; its columns are {', '.join(map(str, there[:30]))}. Name the one "
        "that holds the text.",
        field="text_column",
    )


def _lines(handle: IO[bytes]) -> Iterator[bytes]:
    """Lines of a file; one that is absurdly long is cut, and then fails as JSON."""
    rest = b""
    while chunk := handle.read(1 << 20):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        if len(rest) > MAX_LINE:
            yield rest[:1024]
            rest = b""
    if rest:
        yield rest
