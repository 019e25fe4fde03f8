"""Rows as checks look at them: numbered, evenly drawn where there are too many, with their texts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training.llm.inputs import Inputs
from training.llm.preflight.result import Offender, Piece, plain
from training.llm.program import Workspace
from training.llm.shards import texts_of
from training.llm.spec import Source
from training.llm.vocabulary import Vocabulary

_SIDES = ("messages", "prompt", "completion", "chosen", "rejected")
_PLAIN = ("text", "question", "answer")
PACKED = 3
"""How many bytes of text a byte of a shard holds, about."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A row with the source it is of and its number there, from 1."""

    source: Source
    number: int
    row: Mapping[str, Any]

    def offender(self, why: str, excerpt: tuple[Piece, ...] | None = None) -> Offender:
        """The row as one at fault."""
        shown = plain(text_of(self.row)) if excerpt is None else excerpt
        return Offender(self.source.reference, self.number, str(self.row.get("id", "")), why, shown)


def every(inputs: Inputs, source: Source, step: int = 1) -> Iterator[Seen]:
    """Every ``step``-th row of a source, from the first on."""
    for number, row in enumerate(inputs.rows(source)):
        if number % step == 0:
            yield Seen(source, number + 1, row)


def every_text(
    work: Workspace, source: Source, vocabulary: Vocabulary | None, step: int = 1
) -> Iterator[Seen]:
    """The same where a source may hold tokens: their documents are decoded by the run's ``vocabulary``."""
    if source.kind != "tokens" or vocabulary is None:
        yield from every(work.inputs, source, step)
        return
    before = 0
    for shard in work.inputs.manifest(source).shards:
        first = -before % step
        for number, text in enumerate(texts_of(work, source, shard, vocabulary, first, step)):
            yield Seen(source, before + first + number * step + 1, {"text": text})
        before += shard.rows


def step_for_rows(inputs: Inputs, source: Source, most: int) -> int:
    """The step that draws at most ``most`` rows of a source."""
    return max(1, -(-inputs.manifest(source).rows // most))


def step_for_bytes(inputs: Inputs, sources: list[Source], most: int) -> int:
    """The step that draws at most about ``most`` bytes of text of some sources."""
    held = sum(shard.bytes * PACKED for source in sources for shard in inputs.manifest(source).shards)
    return max(1, -(-held // most))


def text_of(row: Mapping[str, Any]) -> str:
    """What people wrote in a row, one message a line."""
    parts = [str(row[name]) for name in _PLAIN if row.get(name)]
    for side in _SIDES:
        found = row.get(side)
        if isinstance(found, list):
            parts += [f"{message.get('role')}: {message.get('content') or ''}" for message in found]
    parts += [str(option) for option in row.get("options") or []]
    return "\n".join(parts)


def contents(row: Mapping[str, Any], sides: tuple[str, ...] = _SIDES) -> str:
    """The same without the roles: what is looked for in other data."""
    parts = [str(row[name]) for name in ("text", "question") if row.get(name)]
    for side in sides:
        found = row.get(side)
        if isinstance(found, list):
            parts += [str(message.get("content") or "") for message in found]
    parts += [str(option) for option in row.get("options") or []]
    return "\n".join(parts)
