"""Takes in what a child program reports: progress and metrics into the database, lines into the log."""

import json
import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import InterfaceError, OperationalError, transaction

from tilth.jobs import fencing
from tilth.jobs.loglines import LogWriter, clean
from tilth.jobs.models import Attempt, Job, JobMetric

logger = logging.getLogger(__name__)

OUTPUT_BYTES = 64 << 20
READ_BYTES = 4 << 20
LEVELS = {"debug", "info", "warning", "error"}
_LARGEST_STEP = 2**63 - 1


@dataclass
class LineTail:
    """Reads whole lines that were added to a file since the last time."""

    path: Path
    offset: int = 0
    _rest: bytes = b""

    def read(self) -> list[str]:
        """The new lines, without their ends; at most a few megabytes at a time."""
        try:
            with self.path.open("rb") as handle:
                handle.seek(self.offset)
                data = handle.read(READ_BYTES)
        except FileNotFoundError:
            return []
        self.offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > READ_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        return [line.decode(errors="replace") for line in lines]

    def rest(self) -> list[str]:
        """What stands after the last line end, once nothing more can come."""
        text, self._rest = self._rest.decode(errors="replace"), b""
        return [text] if text else []

    def shorten(self) -> None:
        """Empty a file that has been read and has grown large; its writer appends, so it goes on at the start."""
        if self.offset > OUTPUT_BYTES:
            os.truncate(self.path, 0)
            self.offset = 0


@dataclass
class Intake:
    """What one attempt has reported and what of it is not stored yet.

    ``on_artifact`` is told of each stored artifact, after the attempt was seen to hold the job still;
    ``on_metrics`` sees each batch of points while it is stored.
    """

    attempt: Attempt
    events: LineTail
    output: LineTail
    log: LogWriter
    on_artifact: Callable[[Job, dict[str, Any]], None] | None = None
    on_metrics: Callable[[Job, int, list[JobMetric]], None] | None = None
    last_output: str = ""
    _progress: dict[str, Any] = field(default_factory=dict)
    _metrics: list[JobMetric] = field(default_factory=list)
    _artifacts: list[dict[str, Any]] = field(default_factory=list)
    _to_tell: list[dict[str, Any]] = field(default_factory=list)
    _chunks_known: int = 0

    def read(self, *, last: bool = False) -> None:
        """Take in new lines of both files; ``last`` also takes what has no line end."""
        more = True
        while more:
            events, output = self.events.read(), self.output.read()
            more = last and bool(events or output)
            self._take_lines(events, output)
        self.output.shorten()
        if last:
            self._take_lines([], self.output.rest())

    def store(self) -> None:
        """Write it down, on condition that the attempt is still the running one; raises ``Superseded``."""
        chunks = self.log.flush()
        if self._progress or self._metrics or self._artifacts or chunks != self._chunks_known:
            self._write(chunks)
            self._to_tell += self._artifacts
            self._progress, self._metrics, self._artifacts = {}, [], []
            self._chunks_known = chunks
        self._tell()

    def _tell(self) -> None:
        """Hand stored artifacts to the kind; what fails for want of database or storage is handed over again."""
        while self._to_tell:
            if self.on_artifact is not None:
                self._hand_over(self.on_artifact, self._to_tell[0])
            del self._to_tell[0]

    def _hand_over(self, hook: Callable[[Job, dict[str, Any]], None], artifact: dict[str, Any]) -> None:
        try:
            hook(self.attempt.job, artifact)
        except (OperationalError, InterfaceError, OSError):
            raise
        except Exception as error:
            # A program that has run for days is not ended over one file; its end looks at all of them again.
            logger.exception("%s: %s was not taken in", self.attempt, artifact["name"])
            self.log.add(f"{artifact['name']} could not be taken in: {error}", "warning")

    @transaction.atomic
    def _write(self, chunks: int) -> None:
        artifacts = [*self.attempt.artifacts, *self._artifacts][-1000:]
        fencing.hold(self.attempt, log_chunks=chunks, artifacts=artifacts)
        self.attempt.artifacts = artifacts
        if self._progress:
            Job.objects.held_by(self.attempt).update(**self._progress)
        JobMetric.objects.bulk_create(self._metrics, batch_size=500, ignore_conflicts=True)
        if self.on_metrics is not None and self._metrics:
            self._show(self.on_metrics)

    def _show(self, hook: Callable[[Job, int, list[JobMetric]], None]) -> None:
        try:
            with transaction.atomic():
                hook(self.attempt.job, self.attempt.number, self._metrics)
        except (OperationalError, InterfaceError):
            raise
        except Exception as error:
            # The points are worth more than what was to be made of them.
            logger.exception("%s: its points were not looked at", self.attempt)
            self.log.add(f"The newest points were stored but not looked at: {error}", "warning")

    def _take_lines(self, events: list[str], output: list[str]) -> None:
        for line in output:
            self.log.add(line, "output")
            self.last_output = clean(self.log.redact(line)).strip() or self.last_output
        for line in events:
            self._take_event(line)

    def _take_event(self, line: str) -> None:
        try:
            event = json.loads(line)
            take = _TAKERS[event["type"]]
            take(self, event)
        except (ValueError, KeyError, TypeError, OverflowError):
            self.log.add(f"The program wrote a line that is no report: {line}", "warning")

    def _take_progress(self, event: dict[str, Any]) -> None:
        done, total = float(event["done"]), float(event["total"])
        share = done / total if total > 0 else 0.0
        if not (math.isfinite(done) and math.isfinite(total)):
            raise ValueError("progress must be finite")
        self._progress = {
            "progress": min(1.0, max(0.0, share)),
            "progress_done": done,
            "progress_total": total,
            "stage": self._short(event["stage"], 100),
            "message": self._short(event["message"], 500),
        }

    def _take_metric(self, event: dict[str, Any]) -> None:
        value, step = float(event["value"]), int(event["step"])
        if abs(step) > _LARGEST_STEP:
            raise ValueError("step out of range")
        point = JobMetric(
            job_id=self.attempt.job_id,
            attempt=self.attempt.number,
            name=self._short(event["name"], 100),
            step=step,
            value=value if math.isfinite(value) else None,
            at=datetime.fromtimestamp(float(event["at"]), UTC),
        )
        self._metrics.append(point)

    def _take_log(self, event: dict[str, Any]) -> None:
        level = event["level"] if event["level"] in LEVELS else "info"
        self.log.add(str(event["text"]), level, float(event["at"]))

    def _take_artifact(self, event: dict[str, Any]) -> None:
        size = int(event["bytes"])
        name, key = self._short(event["name"], 200), self._short(event["key"], 500)
        self._artifacts.append({"name": name, "key": key, "bytes": size})

    def _short(self, text: object, length: int) -> str:
        return clean(self.log.redact(str(text)))[:length]


_TAKERS = {
    "progress": Intake._take_progress,
    "metric": Intake._take_metric,
    "log": Intake._take_log,
    "artifact": Intake._take_artifact,
}
