"""Exactly one record out of a WARC file, for "show the page as crawled"."""

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO

from fastwarc.warc import WarcRecordType

from curation.pipeline.access import Access
from curation.pipeline.decode import decode
from curation.pipeline.http_message import BadMessage, TooLarge, decoded_body, parse_response
from curation.pipeline.reading import open_bytes
from curation.pipeline.source_file import SourceFile
from curation.pipeline.warc import INNER, Limits, RawRecord, raw_records
from tilth.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class Record:
    """A page as it was crawled: target URL, time, HTTP status and headers, body without its encodings."""

    url: str
    date: datetime | None
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without parameters, lower case."""
        return self.headers.get("content-type", "").split(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body decoded as extraction would; outside text, never to be shown unsanitised."""
        kind = self.headers.get("content-type", "")
        return decode(self.body, kind.partition("charset=")[2].split(";")[0].strip("\"' "))


def read_record(
    source: SourceFile, offset: int, length: int, access: Access, limits: Limits | None = None
) -> Record:
    """Open the record at a document's ``record_offset`` and ``record_length`` again.

    Reads only that span of the file, wherever the file lies; a record inside a larger gzip member is
    found by reading from the start. Raises :class:`NotFound` where no such record is any more.
    """
    limits = limits or Limits()
    if source.format not in {"warc", "wet"}:
        raise InvalidInput(f"{source.id} holds rows of text, not pages; there is no page as crawled")
    raw = (
        _inner(source, offset, access, limits)
        if offset >= INNER
        else _span(source, offset, length, access, limits)
    )
    if raw is None or raw.fault:
        raise NotFound(
            f"there is no whole record at byte {offset} of {source.id}; the file has changed or is damaged"
        )
    if raw.kind == WarcRecordType.conversion:
        return Record(raw.url, raw.date, 200, {"content-type": "text/plain; charset=utf-8"}, raw.block)
    try:
        response = parse_response(raw.block)
        body = decoded_body(response, limits.body)
    except (BadMessage, TooLarge) as fault:
        raise InvalidInput(f"the record at byte {offset} of {source.id} cannot be shown: {fault}") from None
    return Record(raw.url, raw.date, response.status, response.headers, body)


def _span(source: SourceFile, offset: int, length: int, access: Access, limits: Limits) -> RawRecord | None:
    if offset < 0 or not 0 < length <= 2 * limits.record:
        raise InvalidInput(f"{length} bytes at {offset} is no span of a record")
    with open_bytes(source, access, (offset, offset + length)) as handle:
        stored = bytearray()
        while len(stored) < length and (more := handle.read(length - len(stored))):
            stored += more
    return next(raw_records(BytesIO(bytes(stored)), source.id, limits, _SHOWN), None)


def _inner(source: SourceFile, offset: int, access: Access, limits: Limits) -> RawRecord | None:
    with open_bytes(source, access) as handle:
        return next(
            (raw for raw in raw_records(handle, source.id, limits, _SHOWN) if raw.offset == offset), None
        )


_SHOWN = WarcRecordType.response | WarcRecordType.conversion
