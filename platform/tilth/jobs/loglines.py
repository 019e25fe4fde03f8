"""A job's log as it is kept: cleaned lines in numbered chunks under ``jobs/<id>/log/`` of the storage.

Log text comes from programs that print whatever they read, so it is hostile: escape sequences and
control characters are taken out, secrets struck out and long lines clipped before anything is kept.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tilth.storage import Storage

CHUNK_BYTES = 256 << 10
LOG_BYTES = 64 << 20
LINE_CHARACTERS = 4000

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -~])")
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """One line without escape sequences, control and direction characters, clipped to a readable length."""
    # What follows a carriage return overwrote what came before it on a terminal.
    last = text.rstrip("\r\n").rsplit("\r", 1)[-1]
    plain = _CONTROLS.sub("", _ESCAPES.sub("", last))
    if len(plain) <= LINE_CHARACTERS:
        return plain
    return f"{plain[:LINE_CHARACTERS]} … ({len(plain) - LINE_CHARACTERS:,} more characters)"


@dataclass(frozen=True)
class Redactor:
    """Strikes secrets out of text; values shorter than six characters are no secrets."""

    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, values: Iterable[str]) -> "Redactor":
        """Longest first, so that a secret that contains another one goes whole."""
        return cls(tuple(sorted({v for v in values if len(v) >= 6}, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """The text with every secret replaced."""
        for secret in self.secrets:
            text = text.replace(secret, "[secret]")
        return text


def chunk_key(job: int, attempt: int, chunk: int) -> str:
    """Where a chunk of an attempt's log lies in the storage."""
    return f"jobs/{job}/log/{attempt:05d}-{chunk:05d}.jsonl"


@dataclass
class LogWriter:
    """Collects lines and stores them: the last chunk is put again as it grows, full ones never change."""

    storage: Storage
    job: int
    attempt: int
    redact: Redactor
    chunks: int = 0
    _open: bytearray = field(default_factory=bytearray)
    _sealed: list[tuple[int, bytes]] = field(default_factory=list)
    _dirty: bool = False
    _total: int = 0

    def add(self, text: str, level: str = "info", at: float | None = None) -> None:
        """Take a text of one or more lines; past the log's limit, lines are no longer kept."""
        moment = datetime.fromtimestamp(at, UTC) if at else datetime.now(UTC)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        for line in self.redact(text).split("\n"):
            self._add_line(stamp, level, clean(line))

    def flush(self) -> int:
        """Store what is new; returns the number of chunks. After an error, everything is kept for next time."""
        while self._sealed:
            number, data = self._sealed[0]
            self.storage.write_bytes(chunk_key(self.job, self.attempt, number), data)
            del self._sealed[0]
        if self._dirty:
            self.storage.write_bytes(chunk_key(self.job, self.attempt, self.chunks - 1), bytes(self._open))
            self._dirty = False
        return self.chunks

    def _add_line(self, stamp: str, level: str, text: str) -> None:
        if self._total > LOG_BYTES:
            return
        line = json.dumps([stamp, level, text], ensure_ascii=False).encode() + b"\n"
        self._total += len(line)
        if self._total > LOG_BYTES:
            notice = [stamp, "warning", f"The log has reached {LOG_BYTES >> 20} MB; the rest is not kept."]
            line = json.dumps(notice).encode() + b"\n"
        if self.chunks == 0 or len(self._open) + len(line) > CHUNK_BYTES:
            self._next_chunk()
        self._open += line
        self._dirty = True

    def _next_chunk(self) -> None:
        if self.chunks:
            self._sealed.append((self.chunks - 1, bytes(self._open)))
        self._open = bytearray()
        self.chunks += 1
