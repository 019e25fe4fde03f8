"""What a run's page shows, read from what the run keeps in the storage: live figures, funnel, estimate."""

import math
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from curation.models import CurationRun
from curation.pipeline.live import LIVE
from tilth.jobs.models import JobState
from tilth.storage import Storage

WORKING = {JobState.RUNNING, JobState.PAUSING, JobState.CANCELLING, JobState.PUBLISHING}
"""States in which the files that were being read last may still be: in any other they have stopped."""


@dataclass
class StepRow:
    """One step of the funnel: what came in and went out, and why the rest did not."""

    name: str
    title: str
    entered: dict[str, int]
    left: dict[str, int]
    reasons: list[tuple[str, dict[str, int]]]
    not_run: list[str]
    pages: int
    """Pages that were read: what all shares are shares of. Records that hold no page are none."""

    @property
    def dropped(self) -> int:
        """Documents that the step dropped."""
        return self.entered["documents"] - self.left["documents"]

    @property
    def dropped_percent(self) -> float | None:
        """Share of what entered that was dropped, in percent."""
        return percent(self.dropped, self.entered["documents"])

    @property
    def left_percent(self) -> float | None:
        """Share of the pages read that is left after the step, in percent."""
        return percent(self.left["documents"], self.pages)

    @property
    def lists_missing(self) -> bool:
        """Whether parts did not run for want of blocklists, which one command fetches."""
        return any("TILTH_BLOCKLISTS" in part for part in self.not_run)


@dataclass
class Snapshot:
    """A run as it stands: the funnel, the files, the rate."""

    funnel: dict[str, Any] = field(default_factory=dict)
    shards: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0
    done: int = 0
    failed: int = 0
    workers: int = 0
    rate: float | None = None
    remaining: float | None = None

    @property
    def steps(self) -> list[StepRow]:
        """The funnel's steps, reasons with the most drops first."""
        return [
            StepRow(
                step["name"],
                step["title"],
                step["in"],
                step["out"],
                sorted(step["reasons"].items(), key=lambda pair: (-pair[1]["documents"], pair[0])),
                step["not_run"],
                self.pages,
            )
            for step in self.funnel.get("steps", [])
        ]

    @property
    def records(self) -> int:
        """Records that the run has looked at."""
        steps = self.funnel.get("steps", [])
        return steps[0]["in"]["documents"] if steps else 0

    @property
    def pages(self) -> int:
        """Records that held a page."""
        steps = self.funnel.get("steps", [])
        return steps[0]["out"]["documents"] if steps else 0

    @property
    def kept(self) -> dict[str, int]:
        """Documents, bytes and tokens that left the last step."""
        steps = self.funnel.get("steps", [])
        return steps[-1]["out"] if steps else {"documents": 0, "bytes": 0, "tokens": 0}

    @property
    def kept_percent(self) -> float | None:
        """Share of the pages that is kept, in percent."""
        return percent(self.kept["documents"], self.pages)

    @property
    def done_share(self) -> float:
        """Share of the files that are done: what a run without the failed ones can ask for, rounded down."""
        return math.floor(1e6 * self.done / self.total) / 1e6 if self.total else 0.0


def percent(part: int, whole: int) -> float | None:
    """A share in percent, one decimal; ``None`` of nothing."""
    return round(100 * part / whole, 1) if whole else None


def snapshot(run: CurationRun) -> Snapshot:
    """The run's newest figures: the result when there is one, else what it last wrote down."""
    if run.job is None:
        return Snapshot()
    storage, key = Storage(settings.STORAGE), f"{run.prefix}/{LIVE}"
    live = storage.read_json(key) if storage.exists(key) else {}
    result = run.job.result or {}
    shards = live.get("shards", {})
    moving, working = run.job.state == "running", run.job.state in WORKING
    return Snapshot(
        funnel=result.get("funnel") or live.get("funnel", {}),
        shards=[
            {
                **row,
                "kept_percent": percent(row["kept"], row["documents"]),
                "state": "stopped" if row["state"] == "running" and not working else row["state"],
            }
            for row in live.get("table", [])
        ],
        total=shards.get("total", 0),
        done=shards.get("done", 0),
        failed=shards.get("failed", 0),
        workers=live.get("workers", 0) if moving else 0,
        rate=live.get("rate") if moving else None,
        remaining=live.get("remaining_seconds") if moving else None,
    )


def estimate(run: CurationRun) -> dict[str, Any] | None:
    """What the probe found, once it has."""
    return run.probe.result if run.probe is not None else None


def against(value: Any, limit: Any) -> tuple[Any, Any]:
    """A measured value and its limit with three significant digits, or as many as tell them apart."""
    for digits in range(3, 12):
        shown = rounded(value, digits), rounded(limit, digits)
        if value == limit or shown[0] != shown[1]:
            return shown
    return value, limit


def rounded(value: Any, digits: int = 3) -> Any:
    """A number as people read it, without exponent; everything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return value
    if isinstance(value, int) or value.is_integer():
        return f"{value:,.0f}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:,.0f}"
