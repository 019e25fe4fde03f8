"""Runs of bytes that start with a WARC header, cut out of a gzip or plain file, whatever befell the file.

A ``.warc.gz`` is one gzip member after another, by convention one per record. fastwarc reads records
well but stops at the first corrupt member and does not tell where a member ends; both matter here, so
members are inflated in this module and fastwarc gets each *run* as a small file of its own. After a
fault the search goes on at the next gzip magic that inflates to a WARC header. The file is only ever
read forwards, a bounded window of it is kept.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

MAGIC = b"\x1f\x8b\x08"
WARC = b"WARC/"
CHUNK = 256 << 10
WINDOW = 64 << 20
"""Compressed bytes kept to search again after a fault; a member larger than this is searched from its tail."""

_PROBE = 4096


class Readable(Protocol):
    """All that is asked of a file: to be read forwards."""

    def read(self, size: int = ..., /) -> bytes:
        """At most ``size`` bytes; none at the end."""
        ...


class Run(Protocol):
    """A stretch of decompressed bytes that fastwarc can read as a file.

    ``start`` and ``end`` are byte offsets in the file as stored; ``position`` is the decompressed
    offset of the first byte; ``fault`` is ``""``, ``"corrupt"`` or ``"truncated"`` once read to the
    end; ``error`` is what the file itself raised while it was read (a broken connection).
    """

    start: int
    end: int
    position: int
    fault: str
    error: Exception | None
    stored: bool

    def read(self, size: int = CHUNK) -> bytes:
        """At most ``size`` bytes; none at the run's end."""
        ...

    def tell(self) -> int:
        """Decompressed bytes read so far."""
        ...

    def finish(self, offset: int) -> None:
        """The reader stopped at the record at this decompressed offset; a fault is searched past from there."""
        ...


class Window:
    """A forward-only view of a file by absolute offset; what lies before the mark may be forgotten."""

    def __init__(self, handle: Readable) -> None:
        self._handle = handle
        self._bytes = bytearray()
        self._base = 0
        self.ended = False

    @property
    def base(self) -> int:
        """The lowest offset still kept."""
        return self._base

    def get(self, offset: int, size: int) -> bytes:
        """Bytes from ``offset`` on, fewer than ``size`` only at the end of the file."""
        while not self.ended and self._base + len(self._bytes) < offset + size:
            more = self._handle.read(max(CHUNK, offset + size - self._base - len(self._bytes)))
            self.ended = not more
            self._bytes += more
        at = max(offset - self._base, 0)
        return bytes(self._bytes[at : at + size])

    def find(self, needle: bytes, offset: int) -> int:
        """The first offset at or after ``offset`` where ``needle`` stands, or -1."""
        offset = max(offset, self._base)
        while True:
            found = self._bytes.find(needle, offset - self._base)
            if found >= 0:
                return self._base + found
            offset = max(offset, self._base + len(self._bytes) - len(needle) + 1)
            self.forget(offset - WINDOW)
            if not self.get(self._base + len(self._bytes), 1):
                return -1

    def forget(self, offset: int) -> None:
        """Drop what lies before ``offset``; done in large steps, because each one moves the rest."""
        if offset - self._base > 4 * CHUNK:
            del self._bytes[: offset - self._base]
            self._base = offset


class GzipRun:
    """One gzip member, or several when a record spans them (block-gzipped files)."""

    stored = False

    def __init__(self, window: Window, start: int, position: int) -> None:
        self.start = self.end = start
        self.position = position
        self.produced = 0
        self.fault = ""
        self.error: Exception | None = None
        self._window = window
        self._decoder = zlib.decompressobj(31)
        self._pending = b""
        self._done = False

    def read(self, size: int = CHUNK) -> bytes:
        """At most ``size`` decompressed bytes; none at the run's end or at a fault."""
        while not self._pending and not self._done:
            self._inflate()
        taken, self._pending = self._pending[:size], self._pending[size:]
        self.produced += len(taken)
        return taken

    def tell(self) -> int:
        """Decompressed bytes read so far."""
        return self.produced

    def finish(self, offset: int) -> None:
        """Read the rest: the next run starts at the next member, wherever the reader stopped."""
        while self.read():
            pass

    def _inflate(self) -> None:
        try:
            stored = self._window.get(self.end, CHUNK)
        except Exception as fault:
            self.error, self._done = fault, True
            return
        try:
            self._pending = self._decoder.decompress(stored, CHUNK)
        except zlib.error:
            self.fault, self._done = "corrupt", True
            return
        decoder = self._decoder
        # At a member's end both attributes hold the rest, so only one of them may be counted.
        self.end += len(stored) - len(decoder.unused_data if decoder.eof else decoder.unconsumed_tail)
        if decoder.eof:
            self._end_member()
        elif not stored and not self._pending:
            self.fault, self._done = "truncated", True
        self._window.forget(max(self.start, self.end - WINDOW))

    def _end_member(self) -> None:
        """Stop at a member that starts a record of its own; go on into one that continues this one's."""
        following = probe(self._window, self.end)
        self._done = following is None or following.startswith(WARC)
        self._decoder = zlib.decompressobj(31)


class PlainRun:
    """The rest of an uncompressed file, from one WARC header to wherever reading fails."""

    stored = True

    def __init__(self, window: Window, start: int) -> None:
        self.start = self.end = self.position = start
        self.fault = ""
        self.error: Exception | None = None
        self.next = start
        self._window = window

    def read(self, size: int = CHUNK) -> bytes:
        """At most ``size`` bytes; none at the end of the file."""
        try:
            taken = self._window.get(self.end, size)
        except Exception as fault:
            self.error = fault
            return b""
        self.end += len(taken)
        self._window.forget(self.end - WINDOW)
        return taken

    def tell(self) -> int:
        """Bytes read so far."""
        return self.end - self.start

    def finish(self, offset: int) -> None:
        """Let the next run start at the first WARC header after this offset of the run."""
        self.next = self.start + offset


def probe(window: Window, offset: int) -> bytes | None:
    """The first bytes of the gzip member at an offset, or ``None`` where no member starts."""
    stored = window.get(offset, _PROBE)
    if not stored.startswith(MAGIC):
        return None
    try:
        return zlib.decompressobj(31).decompress(stored, 64).lstrip(b"\r\n")
    except zlib.error:
        return None


def opening(start: bytes) -> str:
    """The first bytes of a file as a person can read them: text in quotes, else hexadecimal."""
    if not start:
        return "nothing: it is empty"
    text = start[:24].decode(errors="ignore").strip()
    if text and all(character.isprintable() or character.isspace() for character in text):
        return f"“{' '.join(text.split())}”"
    return f"the bytes {start[:8].hex(' ')}"


def gzip_runs(handle: Readable | Window) -> Iterator[GzipRun]:
    """Every run of a gzip file in order; one at a fault says so and the next is found by searching."""
    window = handle if isinstance(handle, Window) else Window(handle)
    offset = position = 0
    while window.get(offset, 1):
        run = GzipRun(window, offset, position)
        yield run
        run.finish(0)
        position += run.produced
        if run.error:
            return
        offset = _past_padding(window, run.end)
        if run.fault:
            offset = _next_member(window, run.start + 1)
            if offset < 0:
                return


def plain_runs(handle: Readable | Window) -> Iterator[PlainRun]:
    """The file as one run, and another after each fault that the reader reports by ``finish``."""
    window = handle if isinstance(handle, Window) else Window(handle)
    offset = 0
    while offset >= 0:
        run = PlainRun(window, offset)
        yield run
        if run.error or not run.fault:
            return
        offset = window.find(b"\nWARC/1.", run.next + 1)
        offset += offset >= 0


def _past_padding(window: Window, offset: int) -> int:
    """Skip the zero bytes that tape-minded writers put between members."""
    while (stored := window.get(offset, CHUNK)) and stored[0] == 0:
        rest = stored.lstrip(b"\0")
        offset += len(stored) - len(rest)
    return offset


def _next_member(window: Window, offset: int) -> int:
    """The next offset where a member starts that holds a WARC header, or -1."""
    while (offset := window.find(MAGIC, offset)) >= 0:
        if (probe(window, offset) or b"").startswith(WARC):
            return offset
        offset += 1
    return -1
