"""An HTTP response as a crawler stored it: head and body taken apart tolerantly, within a byte limit.

Crawled servers send wrong lengths, bare line feeds, encodings they do not use and bombs. Nothing here
trusts a header over the bytes: a body that is not what its header says is taken as it is.
"""

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO

import brotli
from fastwarc.stream_io import ZstdReader

_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"\r?\n?([0-9a-fA-F]{1,8})[ \t]*(?:;[^\r\n]{0,1024})?\r?\n")


class TooLarge(Exception):
    """The decoded body would pass the limit."""


class BadMessage(Exception):
    """These bytes are no HTTP response."""


@dataclass(slots=True)
class Response:
    """Status, headers (names in lower case, first value wins) and the body as stored."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status_line: str = ""

    @property
    def media_type(self) -> str:
        """``text/html`` out of ``Text/HTML; charset=x``; empty when not given."""
        return self.headers.get("content-type", "").split(";")[0].split(",")[0].strip().lower()

    @property
    def charset(self) -> str:
        """The charset that the header names, or an empty string."""
        match = re.search(
            r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", self.headers.get("content-type", ""), re.I
        )
        return match[1] if match else ""


def parse_response(block: bytes) -> Response:
    """Take an HTTP response apart; raises :class:`BadMessage` where no status line stands."""
    match = _STATUS.match(block)
    if not match:
        raise BadMessage("no HTTP status line")
    end = _HEAD_END.search(block)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    lines = head.decode("latin-1").splitlines()
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon and name.strip():
            headers.setdefault(name.strip().lower(), value.strip())
    return Response(int(match[1]), headers, body, lines[0])


def decoded_body(response: Response, limit: int) -> bytes:
    """The body without transfer and content encoding; raises :class:`TooLarge` past ``limit`` bytes."""
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = _joined_chunks(body)
    codings = [c.strip().lower() for c in response.headers.get("content-encoding", "").split(",")]
    for coding in reversed(codings[-4:]):
        decoder = _DECODERS.get(coding)
        decoded = decoder(body, limit) if decoder else None
        if decoded is None:
            break
        body = decoded
    if len(body) > limit:
        raise TooLarge
    return body


def _joined_chunks(body: bytes) -> bytes:
    """A chunked body in one piece; one that is not chunked, as it is; a cut one as far as it goes."""
    parts: list[bytes] = []
    at = 0
    while match := _CHUNK_SIZE.match(body, at):
        size = int(match[1], 16)
        if size == 0:
            return b"".join(parts)
        parts.append(body[match.end() : match.end() + size])
        at = match.end() + size
    return b"".join(parts) if parts else body


def _inflated(body: bytes, limit: int, wbits: int) -> bytes | None:
    decoder = zlib.decompressobj(wbits)
    try:
        decoded = decoder.decompress(body, limit + 1)
    except zlib.error:
        return None
    if len(decoded) > limit:
        raise TooLarge
    return decoded


def _gunzipped(body: bytes, limit: int) -> bytes | None:
    return _inflated(body, limit, 31) if body.startswith(b"\x1f\x8b") else None


def _deflated(body: bytes, limit: int) -> bytes | None:
    """``deflate`` is zlib by the standard and a bare stream by custom."""
    decoded = _inflated(body, limit, 15)
    return decoded if decoded is not None else _inflated(body, limit, -15)


def _unbrotlied(body: bytes, limit: int) -> bytes | None:
    decoder = brotli.Decompressor()
    decoded = bytearray()
    try:
        decoded += decoder.process(body, output_buffer_limit=limit + 1)
        while len(decoded) <= limit and not decoder.is_finished() and not decoder.can_accept_more_data():
            decoded += decoder.process(b"", output_buffer_limit=limit + 1 - len(decoded))
    except brotli.error:
        return None
    if len(decoded) > limit:
        raise TooLarge
    return bytes(decoded)


def _unzstded(body: bytes, limit: int) -> bytes | None:
    if not body.startswith(b"\x28\xb5\x2f\xfd"):
        return None
    decoded = bytearray()
    try:
        reader = ZstdReader(BytesIO(body))
        while more := reader.read(min(limit + 1 - len(decoded), 1 << 20)):
            decoded += more
            if len(decoded) > limit:
                raise TooLarge
    except OSError:
        return None
    return bytes(decoded)


_DECODERS: dict[str, Callable[[bytes, int], bytes | None]] = {
    "gzip": _gunzipped,
    "x-gzip": _gunzipped,
    "deflate": _deflated,
    "br": _unbrotlied,
    "zstd": _unzstded,
}
