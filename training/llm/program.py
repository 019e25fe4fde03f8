"""The frame of every stage's program: take up the job, read the run, give the stage what it needs.

::

    python -m training.llm.<stage> JOB_DIR

A stage is a function ``(Workspace) -> result or None``; ``None`` says that it stopped when asked and has
saved what it needs to go on.
"""

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilth.errors import InvalidInput
from tilth.jobs.reporting import Reporter, run_program
from training.llm import checkpoints
from training.llm.cache import Cache
from training.llm.checkpoints import Checkpoint, States
from training.llm.inputs import Inputs
from training.llm.spec import Part, Spec

POINTS = "points.json"


class Stopped(Exception):
    """The job was asked to stop, and what counts is saved."""


@dataclass(frozen=True)
class Workspace:
    """What a stage works with: the run, its inputs, its scratch folder, and ways to report and store.

    ``rank`` tells apart the processes of a run that share its job.
    """

    spec: Spec
    report: Reporter
    cache: Cache
    rank: int = 0

    @classmethod
    def of(cls, report: Reporter, rank: int = 0) -> "Workspace":
        """The workspace of a job; the run stands in its parameters."""
        fallback = report.job_dir.parent.parent / "cache"
        return cls(Spec.from_json(report.params), report, Cache.from_environment(fallback), rank)

    @property
    def inputs(self) -> Inputs:
        """The rows of the run's sources."""
        return Inputs(self.report.storage, self.cache)

    @property
    def states(self) -> States:
        """Where the trainer's state is kept for going on."""
        return States(self.report.storage, self.report.prefix)

    @property
    def scratch(self) -> Path:
        """This process's folder on the local disk, of this attempt alone."""
        return self.report.work_dir / f"rank-{self.rank}" if self.rank else self.report.work_dir

    def save_state(self, made: Path, step: int) -> None:
        """Store a local folder as the state after ``step``, with the newest points of the curves."""
        (made / POINTS).write_text(json.dumps(self.report.recent_points()))
        self.states.save(made, step, self.report.attempt)

    def newest_state(self) -> tuple[int, Path] | None:
        """The newest state as a local folder, ``None`` at the beginning.

        Its points are reported again: nobody may have read them when the attempt that made it was killed.
        """
        found = self.states.load_newest(self.cache, self.scratch)
        if found is not None and (found[1] / POINTS).exists():
            self.report.report_again(json.loads((found[1] / POINTS).read_text()))
        return found

    def stop_if_asked(self) -> None:
        """Raise :class:`Stopped` where the job was asked to stop; for work that leaves nothing half done."""
        if self.report.stopping:
            raise Stopped

    def load(self, part: Part | None, role: str = "base") -> tuple[Checkpoint, Path]:
        """A checkpoint that the run uses, as a local folder; raises :class:`InvalidInput` where it has none."""
        if part is None:
            raise InvalidInput(f"{self.spec.stage} needs a {role} checkpoint: choose one.", field=role)
        return checkpoints.load(self.cache, self.report.storage, part.folder, self.scratch / "parts")

    def store(self, made: Path, checkpoint: Checkpoint) -> Checkpoint:
        """Store a local folder as a checkpoint and tell the job's page of it."""
        stored = checkpoints.store(self.report.storage, made, checkpoint, self.report.attempt)
        self.report.artifact(stored.reference, f"{stored.folder}/{checkpoints.NAME}", stored.bytes)
        return stored


def main(stage: Callable[[Workspace], dict[str, Any] | None]) -> None:
    """Run a stage for the job folder named on the command line."""
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: python -m {sys.argv[0]} JOB_DIR")
    gc.freeze()  # a million objects of torch and Transformers stay to the end: nobody need look at them again
    run_program(lambda report: _until_stopped(stage, Workspace.of(report)), sys.argv[1])


def _until_stopped(
    stage: Callable[[Workspace], dict[str, Any] | None], work: Workspace
) -> dict[str, Any] | None:
    try:
        return stage(work)
    except Stopped:
        return None
