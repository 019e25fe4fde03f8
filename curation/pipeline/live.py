"""What people see of a run while it goes: ``live.json``, written every two seconds, and progress lines.

``{"stage", "workers", "shards": {"total", "done", "failed"}, "documents", "rate" (documents/s),
"remaining_seconds", "funnel", "table": [{"source", "state", "documents", "kept", "share", "seconds",
"flags"}]}``. The table has what runs, what failed and what stands out first, and is cut at 2,000 rows.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from curation.pipeline.anomalies import Rates, flag, rates
from curation.pipeline.funnel import Funnel, merge
from curation.pipeline.plan import PlannedShard
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage

LIVE = "live.json"
EVERY = 2.0
TABLE_ROWS = 2_000
SURE_SECONDS = 20.0
SURE_SHARE = 0.01
"""How long, and how much of it, a run must have read before it says what time is left."""
_FIRST = {"running": 0, "failed": 1, "flagged": 2, "done": 3}


@dataclass
class ShardRow:
    """One shard's line in the table; ``share`` is how much of the file has been read, where known."""

    source: str
    state: str
    documents: int = 0
    kept: int = 0
    share: float | None = None
    seconds: float = 0.0
    flags: list[str] = field(default_factory=list)
    reason: str = ""


@dataclass
class Live:
    """Gathers what workers tell and passes it on."""

    storage: Storage
    prefix: str
    reporter: Reporter
    shards: tuple[PlannedShard, ...]
    workers: Callable[[], int]
    limit: int = 0
    funnel: Funnel = field(default_factory=Funnel)
    stage: str = "documents"
    _rows: dict[int, ShardRow] = field(default_factory=dict)
    _rates: dict[int, Rates] = field(default_factory=dict)
    _running: dict[int, Funnel] = field(default_factory=dict)
    _started: float = field(default_factory=time.monotonic)
    _reused: tuple[int, int] = (0, 0)
    _written: float = 0.0
    _reading: tuple[float, float] | None = None

    def news(self, position: int, value: dict[str, Any]) -> None:
        """A worker tells how far its shard is."""
        funnel = Funnel.from_json(value["funnel"])
        source = self.shards[position].source
        share = (
            min(1.0, value["place"] / source.size) if source.size and value["place"] < source.size else None
        )
        self._running[position] = funnel
        self._rows[position] = ShardRow(
            source.id, "running", funnel.steps[0].left.documents, funnel.kept.documents, share
        )
        self._begin()
        self.show()

    def done(self, position: int, marker: dict[str, Any], *, reused: bool = False) -> None:
        """A shard is finished, now or (``reused``) before."""
        funnel = Funnel.from_json(marker["funnel"])
        self._running.pop(position, None)
        self.funnel = merge([self.funnel, funnel])
        self._rates[position] = rates(funnel)
        documents = funnel.steps[0].left.documents
        self._rows[position] = ShardRow(
            self.shards[position].source.id, "done", documents, marker["rows"], 1.0, marker["seconds"]
        )
        if reused:
            self._reused = (self._reused[0] + 1, self._reused[1] + documents)
        else:
            self._begin()
            row = self._rows[position]
            self.reporter.log(f"{row.source}: {documents:,} pages, {row.kept:,} kept, {row.seconds:.1f} s")
        self.show()

    def failed(self, position: int, reason: str) -> None:
        """A shard is given up for this attempt."""
        self._running.pop(position, None)
        source = self.shards[position].source.id
        self._rows[position] = ShardRow(source, "failed", reason=reason)
        self.reporter.log(f"{source} failed: {reason}", level="error")

    def enter(self, stage: str) -> None:
        """Another stage of the run begins."""
        self.stage = stage
        self.reporter.log(f"stage: {stage}")
        self.show(now=True)

    def table(self) -> list[dict[str, Any]]:
        """The shards' lines with their flags, the ones to look at first."""
        for position, flags in flag(self._rates).items():
            self._rows[position].flags = flags
        rows = sorted(self._rows.items(), key=lambda item: (_FIRST[_rank(item[1])], item[0]))
        return [asdict(row) for _, row in rows]

    def show(self, *, now: bool = False) -> None:
        """Write ``live.json`` and report progress, if it is time."""
        every = EVERY * max(1.0, len(self.shards) / TABLE_ROWS)  # a long table costs more to make
        if not now and time.monotonic() - self._written < every:
            return
        self._written = time.monotonic()
        state = self._state()
        self.storage.write_json(f"{self.prefix}/{LIVE}", state)
        total, done = state["shards"]["total"], state["shards"]["done"]
        documents = f"{state['documents']:,} document{'' if state['documents'] == 1 else 's'}"
        message = f"{done} of {total} shards, {documents}, {state['rate']:.0f}/s"
        if state["remaining_seconds"] is not None:
            message += f", about {_duration(state['remaining_seconds'])} left"
        self.reporter.progress(done + self._partial(), total, self.stage, message)

    def _partial(self) -> float:
        return sum(row.share or 0.0 for row in self._rows.values() if row.state == "running")

    def _state(self) -> dict[str, Any]:
        rows = self._rows.values()
        counts = {state: sum(row.state == state for row in rows) for state in ("done", "failed")}
        documents = sum(row.documents for row in rows)
        elapsed = max(1e-9, time.monotonic() - self._started)
        return {
            "stage": self.stage,
            "workers": self.workers(),
            "shards": {"total": len(self.shards), **counts},
            "documents": documents,
            "rate": (documents - self._reused[1]) / elapsed,
            "remaining_seconds": self._remaining(),
            "elapsed_seconds": elapsed,
            "funnel": merge([self.funnel, *self._running.values()]).to_json(),
            "table": self.table()[:TABLE_ROWS],
        }

    def _begin(self) -> None:
        """Note when the first news came, and how much had been read by then."""
        if self._reading is None:
            self._reading = (time.monotonic(), self._read())

    def _read(self) -> float:
        """How much of the run has been read, 0 to 1: of its files, or of its documents where they are limited."""
        ended = sum(row.state != "running" for row in self._rows.values())
        files = (ended + self._partial()) / max(1, len(self.shards))
        documents = sum(row.documents for row in self._rows.values())
        return min(1.0, max(files, documents / self.limit)) if self.limit else files

    def _remaining(self) -> float | None:
        """Seconds that the rest takes at the pace so far; ``None`` while that is no more than a guess.

        The pace counts from the first news on: until then the workers load and compile their filters.
        """
        if self._reading is None:
            return None
        since, before = self._reading
        seconds, read = time.monotonic() - since, self._read()
        if seconds < SURE_SECONDS or read - before < SURE_SHARE:
            return None
        return seconds / (read - before) * (1 - read)


def _rank(row: ShardRow) -> str:
    return "flagged" if row.state == "done" and row.flags else row.state


def _duration(seconds: float) -> str:
    minutes, hours = seconds / 60, seconds / 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} min" if minutes < 90 else f"{hours:.1f} h"
