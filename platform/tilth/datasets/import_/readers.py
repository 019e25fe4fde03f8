"""Reads records out of files, one after the other, in bounded memory; what is broken is reported by row.

Formats: JSONL and JSON lists (also .gz and .zst), CSV and TSV, Parquet, Arrow streams. Rows count from 1:
the line for JSONL, the record after the header for CSV, the row for the rest. Pure: no Django.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.import_.sources import SourceFile
from tilth.errors import InvalidInput

MAX_RECORD_BYTES = 64 << 20
FORMATS = ("jsonl", "json", "csv", "parquet", "arrow")
_ACCEPTED = "Parquet, JSONL, JSON list or CSV (also .gz or .zst), or a Hugging Face folder"


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it was found."""

    row: int
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """One row that cannot be read, and why."""

    row: int
    reason: str


Found = Record | BadRecord
_GAP = re.compile(r"[\s,]*")


def detect_format(file: SourceFile) -> str:
    """The format by the first bytes, and for text by the name; raises :class:`InvalidInput` for others."""
    if file.size == 0:
        raise InvalidInput(f"{file.name} is empty", code="empty_file", field="source")
    with file.open() as raw:
        head = raw.read(8)
    if head.startswith(b"PAR1"):
        return "parquet"
    name = file.name.lower().removesuffix(".gz").removesuffix(".zst")
    if name.endswith(".arrow"):
        return "arrow"
    if head.startswith((b"PK\x03\x04", b"BZh", b"7z\xbc\xaf", b"\xfd7zXZ", b"%PDF")):
        raise _unknown(file)
    with decompressed(file) as handle:
        start = _first_bytes(file, handle)
    return _text_format(file, name, start)


def _text_format(file: SourceFile, name: str, start: bytes) -> str:
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InvalidInput(f"{file.name} is UTF-16; save it as UTF-8", code="wrong_encoding", field="source")
    if b"\x00" in start:
        raise _unknown(file)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        raise InvalidInput(f"{file.name} is empty", code="empty_file", field="source")
    if name.endswith((".csv", ".tsv")):
        return "csv"
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{") or name.endswith((".jsonl", ".ndjson", ".json")):
        return "jsonl"
    raise _unknown(file)


def _unknown(file: SourceFile) -> InvalidInput:
    return InvalidInput(
        f"{file.name} is no file that can be imported: send {_ACCEPTED}", "wrong_type", field="source"
    )


def _first_bytes(file: SourceFile, handle: IO[bytes]) -> bytes:
    try:
        return handle.read(4096)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged(file, error) from None


def _damaged(file: SourceFile, error: Exception, row: int = 0) -> InvalidInput:
    where = f" after row {row}" if row else ""
    return InvalidInput(f"{file.name} is damaged{where}: {error}", code="damaged", field="source")


def decompressed(file: SourceFile) -> IO[bytes]:
    """The file's bytes without gzip or zstd around them, told by the first bytes."""
    raw = file.open()
    magic = raw.read(4)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if magic == b"\x28\xb5\x2f\xfd":
        return io.BufferedReader(pa.CompressedInputStream(raw, "zstd"))  # type: ignore[arg-type]
    return raw


def read_records(file: SourceFile, kind: str) -> Iterator[Found]:
    """The file's records in order; a file broken in the middle raises :class:`InvalidInput` there."""
    row = 0
    try:
        for found in _READERS[kind](file):
            row = found.row
            yield found
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise _damaged(file, error, row) from None


def _jsonl(file: SourceFile) -> Iterator[Found]:
    with decompressed(file) as handle:
        number = 0
        while line := handle.readline(MAX_RECORD_BYTES + 1):
            number += 1
            if len(line) > MAX_RECORD_BYTES:
                _skip_line(handle, line)
                yield BadRecord(number, f"the line is longer than {MAX_RECORD_BYTES >> 20} MiB")
                continue
            text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
            if text.strip():
                yield _json_line(number, text)


def _skip_line(handle: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = handle.readline(1 << 20)


def _json_line(number: int, text: bytes) -> Found:
    try:
        value = json.loads(text.rstrip(b"\r\n").decode("utf-8"))
    except UnicodeDecodeError as error:
        return BadRecord(number, f"not UTF-8 at byte {error.start}")
    except json.JSONDecodeError as error:
        return BadRecord(number, f"broken JSON at column {error.colno}: {error.msg}")
    except (RecursionError, ValueError) as error:
        return BadRecord(number, f"JSON that cannot be read: {error}")
    return _checked(number, value)


def _checked(number: int, value: Any) -> Found:
    if isinstance(value, dict):
        return Record(number, value)
    return BadRecord(number, f"a record must be a JSON object, not {type(value).__name__}")


def _json_list(file: SourceFile) -> Iterator[Found]:
    """The items of one long JSON list, decoded one at a time."""
    decoder, number, at = json.JSONDecoder(), 0, 0
    with decompressed(file) as raw, io.TextIOWrapper(raw, "utf-8-sig", errors="replace") as handle:
        text = handle.read(1 << 20).lstrip()[1:]
        while True:
            at = _GAP.match(text, at).end()  # type: ignore[union-attr]
            if text.startswith("]", at):
                return
            try:
                value, end = decoder.raw_decode(text, at)
            except (json.JSONDecodeError, RecursionError):
                # Broken, or the record goes on in the next block.
                more = handle.read(max(1 << 20, len(text) - at))
                if not more or len(text) - at > MAX_RECORD_BYTES:
                    raise EOFError("the JSON list breaks off or is not JSON") from None
                text, at = text[at:] + more, 0
                continue
            number, at = number + 1, end
            yield _checked(number, value)


def _csv(file: SourceFile) -> Iterator[Found]:
    csv.field_size_limit(MAX_RECORD_BYTES)
    # Bytes that are not UTF-8 become surrogates, so that the row with them can be named.
    with (
        decompressed(file) as raw,
        io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as text,  # type: ignore[type-var]
    ):
        first = text.readline(MAX_RECORD_BYTES)
        reader = csv.reader(_lines(first, text), delimiter=_delimiter(first), strict=True)
        header = _header(file, reader)
        number = 0
        while True:
            number += 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield BadRecord(number, f"broken CSV: {error}")
                continue
            if cells:
                yield _csv_row(number, header, cells)


def _lines(first: str, text: IO[str]) -> Iterator[str]:
    yield first
    yield from text


def _delimiter(header: str) -> str:
    return max(",\t;|", key=header.count)


def _header(file: SourceFile, reader: Any) -> list[str]:
    try:
        header = [name.strip() for name in next(reader)]
    except csv.Error as error:
        raise InvalidInput(f"the header of {file.name} is broken: {error}", field="source") from None
    if _not_utf8(header):
        raise InvalidInput(f"{file.name} is not UTF-8; save it as UTF-8", "wrong_encoding", field="source")
    if len(set(header)) != len(header):
        raise InvalidInput(f"two columns of {file.name} have the same name", "bad_header", field="source")
    return header


def _csv_row(number: int, header: list[str], cells: list[str]) -> Found:
    if len(cells) != len(header):
        return BadRecord(number, f"{len(cells)} cells where the header has {len(header)}")
    if _not_utf8(cells):
        return BadRecord(number, "not UTF-8")
    return Record(number, {name: cell or None for name, cell in zip(header, cells, strict=True)})


def _not_utf8(cells: list[str]) -> bool:
    return any(
        "\udc80" <= character <= "\udcff" for cell in cells if not cell.isascii() for character in cell
    )


def _parquet(file: SourceFile) -> Iterator[Found]:
    with file.open() as handle:
        yield from _batches(pq.ParquetFile(handle).iter_batches(256))


def _arrow(file: SourceFile) -> Iterator[Found]:
    with file.open() as handle:
        try:
            reader = pa.ipc.open_stream(handle)
            batches = iter(reader)
        except pa.ArrowInvalid:
            handle.seek(0)
            whole = pa.ipc.open_file(handle)
            batches = (whole.get_batch(i) for i in range(whole.num_record_batches))
        yield from _batches(batches)


def _batches(batches: Iterator[pa.RecordBatch]) -> Iterator[Found]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, 256):
            for values in batch.slice(start, 256).to_pylist():
                number += 1
                yield Record(number, values)


_READERS: dict[str, Callable[[SourceFile], Iterator[Found]]] = {
    "jsonl": _jsonl,
    "json": _json_list,
    "csv": _csv,
    "parquet": _parquet,
    "arrow": _arrow,
}
