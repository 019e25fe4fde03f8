"""Remote files as files: read forwards or by seeking, surviving cut connections and busy servers.

One request streams a file; when the connection breaks, the next begins at the byte where it broke. A
server that says 429 or 503 is left alone by every worker for as long as it asks (see ``backoff``).
Every connection passes the outbound guard. http(s) and S3 go through fsspec.
"""

import asyncio
import io
import os
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any

import fsspec

from curation.pipeline.access import Access
from curation.pipeline.backoff import Backoff
from tilth.errors import NotFound, TilthError

if TYPE_CHECKING:
    from fsspec.implementations.http import HTTPFileSystem

BUSY = {429, 500, 502, 503, 504, 520, 522, 524}
GONE = {404, 410}
S3_BLOCK = 8 << 20
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

Opened = tuple[IO[bytes], int | None, str]
"""A body from the wanted byte on, the whole file's size if known, and a mark of its version (ETag)."""


class TransferFailed(TilthError):
    """A file could not be fetched."""

    code = "transfer_failed"
    status = 502
    retryable = True


class RemoteFile(io.RawIOBase):
    """A remote file that reads on where a broken connection left off.

    ``size`` is the file's length in bytes, or ``None`` when the server does not say. Raises
    :class:`NotFound` when there is no such file, :class:`TransferFailed` when ``attempts`` tries in a
    row brought no byte, or the file changed on the way.
    """

    def __init__(
        self, url: str, opener: Callable[[int], Opened], backoff: Backoff, attempts: int, start: int = 0
    ) -> None:
        super().__init__()
        self.url = url
        self.size: int | None = None
        self._opener, self._backoff, self._attempts = opener, backoff, attempts
        self._body: IO[bytes] | None = None
        self._mark = ""
        self._at = start
        self._retrying(self._connect)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Where the server says how long the file is."""
        return self.size is not None

    def tell(self) -> int:
        """The offset of the next byte."""
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to an offset; the next read asks the server for what starts there."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size or 0}[whence]
        if base + offset != self._at:
            self._at = base + offset
            self._hang_up()
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """At most ``size`` bytes (all that is left for -1); none at the end of the file."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self.read(1 << 20), b""))
        if size == 0 or (self.size is not None and self._at >= self.size):
            return b""
        return self._retrying(lambda: self._read_once(size))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, for readers that bring their own."""
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Hang up."""
        self._hang_up()
        super().close()

    def _connect(self) -> None:
        self._backoff.wait()
        body, size, mark = self._opener(self._at)
        if self._mark and mark and mark != self._mark:
            body.close()
            raise TransferFailed(f"{self.url} changed while it was being read; start again", retryable=False)
        self._body, self._mark = body, self._mark or mark
        self.size = size if size is not None else self.size

    def _read_once(self, size: int) -> bytes:
        if self._body is None:
            self._connect()
        assert self._body is not None
        found = self._body.read(size)
        if not found and self.size is not None and self._at < self.size:
            raise ConnectionError(f"the connection ended at byte {self._at} of {self.size}")
        self._at += len(found)
        return found

    def _retrying(self, work: Callable[[], Any]) -> Any:
        """Do one connect or read, waiting and reconnecting after each fault that may pass."""
        for attempt in range(1, self._attempts + 1):
            try:
                done = work()
                self._backoff.praise()
                return done
            except Exception as fault:
                self._hang_up()
                problem = _judge(self.url, fault)
                if not problem.retryable or attempt == self._attempts:
                    raise problem from fault
                self._backoff.complain(_retry_after(fault))
        raise AssertionError("attempts is at least 1")

    def _hang_up(self) -> None:
        if self._body is not None:
            self._body.close()
            self._body = None


def open_remote(url: str, access: Access, start: int = 0, stop: int | None = None) -> RemoteFile:
    """Open an http(s) or s3 URL for reading; the first bytes are asked for at once, so that a bad URL fails here.

    ``start`` and ``stop`` (exclusive) bound what the server is asked for; the caller reads no further.
    """
    if url.startswith("s3://"):
        opener, host = _s3_opener(url, access), access.s3_endpoint or "s3.amazonaws.com"
    else:
        target = access.guard.check_url(url)
        opener, host = _http_opener(url, access, stop), target.host
    return RemoteFile(url, opener, Backoff(access.backoff, host, access.patience), access.attempts, start)


def s3_filesystem(access: Access) -> Any:
    """The guarded S3 file system of this process."""
    if access.s3_endpoint:
        access.guard.check_url(access.s3_endpoint)
    return _s3(access, os.getpid())


def check_bucket(url: str) -> str:
    """The path of an S3 URL (``bucket/key``), or an error that shows how one looks."""
    path = url.removeprefix("s3://")
    if not _BUCKET.fullmatch(path.split("/")[0]):
        raise TilthError(f"{url} names no bucket; an S3 source looks like s3://bucket/folder/file.warc.gz")
    return path


@lru_cache(maxsize=8)
def _http(access: Access, process: int) -> "HTTPFileSystem":
    """One file system per process: its event loop does not survive a fork. Compressed files stay compressed."""
    import aiohttp  # only a process that fetches pays for it
    from fsspec.implementations.http import HTTPFileSystem

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=access.timeout, sock_read=access.timeout)
    return HTTPFileSystem(
        get_client=access.guard.client(),
        client_kwargs={"timeout": timeout, "auto_decompress": False},
        skip_instance_cache=True,
    )


@lru_cache(maxsize=8)
def _s3(access: Access, process: int) -> Any:
    return fsspec.filesystem(
        "s3",
        anon=access.s3_anonymous,
        endpoint_url=access.s3_endpoint or None,
        config_kwargs={
            "connector_args": {"resolver": access.guard.resolver()},
            "connect_timeout": access.timeout,
            "read_timeout": access.timeout,
        },
        skip_instance_cache=True,
    )


def _http_opener(url: str, access: Access, stop: int | None) -> Callable[[int], Opened]:
    def open_at(offset: int) -> Opened:
        headers = {"Accept-Encoding": "identity", "User-Agent": "tilth"}
        if offset or stop is not None:
            headers["Range"] = f"bytes={offset}-{'' if stop is None else stop - 1}"
        body = _http(access, os.getpid()).open(url, block_size=0, size=1, headers=headers)
        size, skip = _extent(body.r.status, body.r.headers, offset)
        _skip(body, skip)
        return body, size, body.r.headers.get("ETag", "")

    return open_at


def _s3_opener(url: str, access: Access) -> Callable[[int], Opened]:
    path = check_bucket(url)

    def open_at(offset: int) -> Opened:
        body = s3_filesystem(access).open(path, "rb", block_size=S3_BLOCK, cache_type="readahead")
        body.seek(offset)
        return body, body.size, str(body.details.get("ETag", ""))

    return open_at


def _extent(status: int, headers: Mapping[str, str], offset: int) -> tuple[int | None, int]:
    """The whole file's size, and the bytes to skip where a server ignored the range it was asked for."""
    if status == 206:
        match = re.fullmatch(r"bytes (\d+)-\d*/(\d+|\*)", headers.get("Content-Range", ""))
        start = int(match[1]) if match else offset
        if start > offset:
            raise ConnectionError(f"asked for byte {offset}, the server sent from byte {start}")
        return (int(match[2]) if match and match[2] != "*" else None), offset - start
    length = headers.get("Content-Length", "")
    return (int(length) if length.isdigit() else None), offset


def _skip(body: IO[bytes], count: int) -> None:
    while count:
        found = body.read(min(count, 1 << 20))
        if not found:
            raise ConnectionError("the file is shorter than it was")
        count -= len(found)


def _judge(url: str, fault: Exception) -> TilthError:
    """What a fault means for the reader, and whether trying again can help."""
    from aiohttp import ClientError  # as above

    if isinstance(fault, TilthError):
        return fault
    status = getattr(fault, "status", None)
    if isinstance(fault, FileNotFoundError) or status in GONE:
        return NotFound(f"there is no file at {url} (the server answered 404); check the address")
    if isinstance(fault, PermissionError) or (status is not None and status not in BUSY):
        why = f"the server answered {status}" if status else "access was denied"
        return TransferFailed(f"{url} cannot be read: {why}", retryable=False)
    if status is not None:
        return TransferFailed(f"{url}: the server is busy or broken (it answered {status}); try again later")
    if isinstance(fault, OSError | ClientError | asyncio.TimeoutError | EOFError):
        return TransferFailed(
            f"{url}: the connection failed ({type(fault).__name__}: {fault}); try again later"
        )
    return TransferFailed(
        f"{url} cannot be read: {type(fault).__name__}: {fault}", retryable=_is_botocore(fault)
    )


def _is_botocore(fault: Exception) -> bool:
    return type(fault).__module__.partition(".")[0] in {"botocore", "aiobotocore"}


def _retry_after(fault: Exception) -> float | None:
    """The seconds that a 429 or 503 asked for: a number or a date."""
    value = (getattr(fault, "headers", None) or {}).get("Retry-After", "")
    if value.strip().isdigit():
        return float(value)
    try:
        return max(parsedate_to_datetime(value).timestamp() - time.time(), 0.0) if value else None
    except ValueError:
        return None
