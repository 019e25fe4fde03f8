"""Reads a job's log back from the storage: its tail, what came since, and the whole as text."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tilth.errors import InvalidInput
from tilth.jobs.loglines import chunk_key
from tilth.jobs.models import Attempt, Job
from tilth.storage import Storage

_POSITION = re.compile(r"(\d{1,9})\.(\d{1,9})\.(\d{1,9})")


@dataclass(frozen=True)
class Line:
    """One line of a log: attempt, ISO time, level, text. The text is hostile: escape it where it is shown."""

    attempt: int
    at: str
    level: str
    text: str

    @property
    def clock(self) -> str:
        """Hours, minutes and seconds (UTC)."""
        return self.at[11:19]


@dataclass(frozen=True, order=True)
class Position:
    """A place in a log, from which reading goes on: attempt, chunk, byte."""

    attempt: int = 0
    chunk: int = 0
    offset: int = 0

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read ``attempt.chunk.byte``; empty text is the start."""
        if not text:
            return cls()
        match = _POSITION.fullmatch(text)
        if match is None:
            raise InvalidInput("A log position looks like 1.0.2048; leave it out to start at the beginning.")
        return cls(*(int(part) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.attempt}.{self.chunk}.{self.offset}"


@dataclass(frozen=True)
class Page:
    """Some lines, where to go on, and whether there is more already."""

    lines: list[Line]
    position: Position
    more: bool = False

    def to_json(self) -> dict[str, object]:
        """The form that the page's script and the API get."""
        lines = [{**asdict(line), "clock": line.clock} for line in self.lines]
        return {"lines": lines, "position": str(self.position), "more": self.more}


def read_after(job: Job, storage: Storage, position: Position, limit: int = 500) -> Page:
    """The lines that follow a position, ``limit`` at most."""
    lines: list[Line] = []
    for number, chunk in _chunks(job):
        if (number, chunk) < (position.attempt, position.chunk):
            continue
        same = (number, chunk) == (position.attempt, position.chunk)
        found = _lines(job, storage, number, chunk, position.offset if same else 0)
        for line, end in found:
            if len(lines) == limit:
                return Page(lines, position, more=True)
            lines.append(line)
            position = Position(number, chunk, end)
    return Page(lines, position)


def tail(job: Job, storage: Storage, limit: int = 300) -> Page:
    """The last ``limit`` lines."""
    lines: list[Line] = []
    position = Position()
    for number, chunk in reversed(list(_chunks(job))):
        found = list(_lines(job, storage, number, chunk, 0))
        if found and position == Position():
            position = Position(number, chunk, found[-1][1])
        lines = [line for line, _ in found] + lines
        if len(lines) >= limit:
            return Page(lines[-limit:], position, more=True)
    return Page(lines, position)


def as_text(job: Job, storage: Storage, attempt: int | None = None) -> Iterator[str]:
    """The whole log, or one attempt's, as lines of plain text for a download."""
    for number, chunk in _chunks(job):
        if attempt is None or number == attempt:
            for line, _ in _lines(job, storage, number, chunk, 0):
                yield f"{line.at} {number} {line.level} {line.text}\n"


def _chunks(job: Job) -> Iterator[tuple[int, int]]:
    attempts = Attempt.objects.filter(job=job).order_by("number").values_list("number", "log_chunks")
    for number, chunks in attempts:
        for chunk in range(chunks):
            yield number, chunk


def _lines(job: Job, storage: Storage, number: int, chunk: int, start: int) -> Iterator[tuple[Line, int]]:
    """The lines of one chunk from a byte on, each with the byte after it; nothing where the chunk is gone."""
    key = chunk_key(job.pk, number, chunk)
    if not storage.exists(key):
        return
    end = start
    for raw in storage.read_bytes(key)[start:].splitlines(keepends=True):
        end += len(raw)
        at, level, text = json.loads(raw)
        yield Line(number, at, level, text), end
