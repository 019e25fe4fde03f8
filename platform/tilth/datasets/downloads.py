"""Files of the storage as downloads: streamed in bounded memory, resumable by range, safely named."""

import re
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header

from tilth.storage import Storage

CHUNK = 1 << 20
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


def file_response(
    request: HttpRequest, storage: Storage, key: str, filename: str, etag: str = ""
) -> HttpResponseBase:
    """A file as an attachment; with ``Range`` a part of it (``If-Range`` must name the same ``etag``)."""
    size = storage.size(key)
    part = _part(request, size, etag)
    if part is None:
        refused = HttpResponse(status=416)
        refused["Content-Range"] = f"bytes */{size}"
        return refused
    start, end, partial = part
    response = StreamingHttpResponse(_read(storage, key, start, end), content_type="application/octet-stream")
    response["Content-Length"] = str(end - start)
    response["Accept-Ranges"] = "bytes"
    response["Content-Disposition"] = str(content_disposition_header(True, _UNSAFE.sub("_", filename)))
    response["Cache-Control"] = "private, no-transform"
    if etag:
        response["ETag"] = f'"{etag}"'
    if partial:
        response.status_code = 206
        response["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return response


def _part(request: HttpRequest, size: int, etag: str) -> tuple[int, int, bool] | None:
    """First byte, end, and whether that is a part, of what is asked for; None when there is no such part."""
    asked = request.headers.get("Range", "")
    condition = request.headers.get("If-Range", "")
    match = _RANGE.fullmatch(asked)
    if not match or (condition and condition.strip('"') != etag) or match[0] == "bytes=-":
        return 0, size, False
    first, last = match[1], match[2]
    if not first:
        return (max(0, size - int(last)), size, True) if int(last) else None
    start, end = int(first), min(int(last) + 1, size) if last else size
    return (start, end, True) if start < end else None


def _read(storage: Storage, key: str, start: int, end: int) -> Iterator[bytes]:
    with storage.open(key) as handle:
        handle.seek(start)
        left = end - start
        while left and (piece := handle.read(min(CHUNK, left))):
            left -= len(piece)
            yield piece
