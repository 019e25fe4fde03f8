"""WARC files, local or streamed, become documents; every record that does not says why not.

Only HTTP ``response`` records with a 2xx status and an HTML body are documents. Whatever else a file
holds (and whatever damage it has) is a :class:`BadRecord` with a named reason: counted, never fatal.
``record_offset`` and ``record_length`` are the compressed span in the file, as a WARC index has them:
reading exactly that span opens the record again. Where a gzip member holds several records there is no
such span; those records have offsets from :data:`INNER` on, counted in decompressed bytes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import BinaryIO, cast

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType

from curation.pipeline.decode import looks_binary, looks_like_html
from curation.pipeline.document import Document
from curation.pipeline.http_message import BadMessage, TooLarge, decoded_body, parse_response
from curation.pipeline.members import (
    MAGIC,
    WARC,
    Readable,
    Run,
    Window,
    gzip_runs,
    opening,
    plain_runs,
    probe,
)
from tilth.errors import InvalidInput

INNER = 1 << 48
"""Offsets from here on are decompressed positions (+ INNER), not places in the stored file."""

MAX_URL = 4096

REASONS = {
    "not_response": "A request, metadata, revisit or other record that is no response",
    "not_text": "A record of a WET file that is no text",
    "not_http": "A response that did not come over HTTP (dns:, ftp:, whois:)",
    "bad_url": "The target URL is missing, names no host, is not http(s) or is longer than 4,096 characters",
    "bad_http": "The block does not begin with an HTTP status line",
    "status": "The server answered with a status other than 2xx",
    "not_html": "The content type, or the body where none is given, is not HTML",
    "binary": "Labelled HTML, but the bytes are an image, an archive or the like",
    "empty": "The body is empty or only white space",
    "too_large": "The record, or its body once decompressed, is larger than the limit",
    "truncated": "The file ends in the middle of this record",
    "corrupt": "The bytes are damaged; reading went on at the next whole record",
}


class NotWarc(InvalidInput):
    """The file holds no WARC records at all."""

    code = "not_warc"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one record may cost, in bytes; larger ones are skipped as ``too_large`` without being held."""

    record: int = 16 << 20
    body: int = 16 << 20


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A record that is no document: the reason (a key of :data:`REASONS`), where it lies, and a detail."""

    reason: str
    offset: int
    length: int
    detail: str = ""


@dataclass(slots=True)
class RawRecord:
    """A WARC record as it stands: its place, type, target and block; ``fault`` when it cannot be trusted."""

    offset: int
    length: int
    kind: WarcRecordType
    url: str = ""
    date: datetime | None = None
    block: bytes = b""
    fault: str = ""


def read_warc(
    handle: Readable, source: str, *, crawl: str = "", limits: Limits | None = None
) -> Iterator[Document | BadRecord]:
    """Every record of a WARC file, as a document or as the reason why it is none.

    ``handle`` is read forwards only; ``source`` is the source id. Raises :class:`NotWarc` when the file
    holds something else, and whatever the handle raises.
    """
    limits = limits or Limits()
    for raw in raw_records(handle, source, limits):
        if raw.kind == WarcRecordType.warcinfo:
            crawl = crawl or _crawl_of(raw.block)
        found = _document(raw, source, limits)
        if isinstance(found, Document):
            found.crawl = crawl
        yield found


def read_wet(
    handle: Readable, source: str, *, crawl: str = "", limits: Limits | None = None
) -> Iterator[Document | BadRecord]:
    """Every text of a WET file (``conversion`` records); the documents have their text and no page."""
    limits = limits or Limits()
    for raw in raw_records(handle, source, limits, WarcRecordType.conversion | WarcRecordType.warcinfo):
        if raw.kind == WarcRecordType.warcinfo:
            crawl = crawl or _crawl_of(raw.block)
        fault = raw.fault or ("" if raw.kind == WarcRecordType.conversion else "not_text")
        if not fault and not raw.block.strip():
            fault = "empty"
        if fault:
            yield BadRecord(fault, raw.offset, raw.length, raw.url[:200])
            continue
        document = Document(raw.url, source, raw.offset, raw.length, raw.date, crawl)
        document.text = raw.block.decode("utf-8", "replace")
        yield document


def raw_records(
    handle: Readable,
    source: str,
    limits: Limits | None = None,
    blocks: WarcRecordType = WarcRecordType.response | WarcRecordType.warcinfo,
) -> Iterator[RawRecord]:
    """Every record of every type in a WARC file, damaged ones with their ``fault`` set.

    Only records of the types ``blocks`` have their block read.
    """
    limits = limits or Limits()
    window = Window(handle)
    for run in _runs(window, source):
        yield from _run_records(run, limits, blocks)
        if run.error:
            raise run.error


def _runs(window: Window, source: str) -> Iterator[Run]:
    """The file's runs, or :class:`NotWarc` when its first bytes, or all of them, are something else."""
    start = window.get(0, 64)
    if not start:
        return
    if not start.startswith(MAGIC):
        if not start.lstrip().startswith(WARC):
            raise NotWarc(f"{source} is not a WARC file: it begins with {opening(start)}", field="sources")
        yield from plain_runs(window)
        return
    first = probe(window, 0)
    if first and not first.startswith(WARC):
        raise NotWarc(
            f"{source} is gzip, but what it holds is no WARC: it begins with {opening(first)}",
            field="sources",
        )
    runs: Iterator[Run] = gzip_runs(window)
    earliest = next(runs)
    if not first and (following := next(runs, None)) is None:
        raise NotWarc(
            f"{source} begins like a gzip file, but no WARC record can be read from it", field="sources"
        )
    yield from chain([earliest], [following] if not first and following else [], runs)


def _run_records(run: Run, limits: Limits, blocks: WarcRecordType) -> Iterator[RawRecord]:
    """The records of one run, each held back until it is known whether the run goes on after it."""
    held: RawRecord | None = None
    several, at = False, 0
    try:
        for record in ArchiveIterator(cast(BinaryIO, run), parse_http=False, max_header_len=1 << 20):
            at = record.stream_pos
            if held:
                several = True
                yield _placed(held, run, at, inner=True)
            held = _taken(record, limits, blocks)
            held.offset = at
    except BaseException as fault:
        # pyo3's PanicException derives from BaseException alone; fastwarc panics on some broken input.
        if not isinstance(fault, OSError | ValueError) and type(fault).__name__ != "PanicException":
            raise
        run.fault = run.fault or "corrupt"
    if held and held.fault == "truncated":
        run.fault = run.fault or "truncated"
    run.finish(at)
    if run.error:
        return
    held = held or RawRecord(0, 0, WarcRecordType.unknown, fault="corrupt")
    if held.fault != "too_large" and (held.fault or not (several or run.stored)):
        held.fault = run.fault
    yield _placed(held, run, run.tell(), inner=several)


def _placed(record: RawRecord, run: Run, end: int, inner: bool) -> RawRecord:
    """The record with its final offset and length; ``end`` is where it ends in the run's decompressed bytes."""
    within, record.length = record.offset, end - record.offset
    if run.stored:
        record.offset = run.start + within
    elif inner:
        record.offset = INNER + run.position + within
    else:
        record.offset, record.length = run.start, run.end - run.start
    return record


def _taken(record: WarcRecord, limits: Limits, blocks: WarcRecordType) -> RawRecord:
    """Copy what is needed out of fastwarc's record, which is only good until the next one."""
    url = record.headers.get_bytes(b"WARC-Target-URI") or b""
    taken = RawRecord(0, 0, record.record_type, url.decode("utf-8", "replace").strip().strip("<>"))
    taken.date = _date((record.headers.get_bytes(b"WARC-Date") or b"").decode("latin-1"))
    if record.content_length > limits.record:
        taken.fault = "too_large"
    elif record.record_type & blocks:
        taken.block = record.reader.read()
        if len(taken.block) < record.content_length:
            taken.fault = "truncated"
    return taken


def _crawl_of(warcinfo: bytes) -> str:
    """The crawl that a warcinfo record says its file is part of, such as ``CC-MAIN-2026-21``."""
    match = re.search(rb"^isPartOf:[ \t]*([\w.-]{1,100})", warcinfo, re.MULTILINE)
    return match[1].decode() if match else ""


def _date(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _document(raw: RawRecord, source: str, limits: Limits) -> Document | BadRecord:
    """One record judged: cheap looks first, decompression last."""

    def bad(reason: str, detail: str = "") -> BadRecord:
        return BadRecord(reason, raw.offset, raw.length, detail[:200])

    if raw.fault:
        return bad(raw.fault, raw.url)
    if raw.kind != WarcRecordType.response:
        return bad("not_response", str(raw.kind))
    if not re.match(r"https?://[^/\s?#]", raw.url[:16], re.IGNORECASE) or len(raw.url) > MAX_URL:
        scheme = re.match(r"([a-z][a-z0-9+.-]*):", raw.url, re.IGNORECASE)
        other = scheme and scheme[1].lower() in {"dns", "ftp", "whois", "gopher", "gemini"}
        return bad("not_http" if other else "bad_url", raw.url)
    try:
        response = parse_response(raw.block)
        if not 200 <= response.status < 300:
            return bad("status", str(response.status))
        body = decoded_body(response, limits.body)
    except BadMessage as fault:
        return bad("bad_http" if raw.block else "empty", str(fault))
    except TooLarge:
        return bad("too_large", f"more than {limits.body} bytes once decompressed")
    if not body.strip():
        return bad("empty")
    if not looks_like_html(response.media_type, body):
        return bad("not_html", response.media_type)
    if looks_binary(body):
        return bad("binary", response.media_type)
    return Document(
        url=raw.url,
        source=source,
        record_offset=raw.offset,
        record_length=raw.length,
        date=raw.date,
        content=body,
        content_type=response.media_type,
        charset=response.charset,
    )
