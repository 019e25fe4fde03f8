"""The rehearsal itself, in a process of its own: two steps; one step, a stop and the rest; the checkpoint read back.

::

    python -m training.llm.preflight.rehearse FOLDER

``FOLDER/run.json`` is the small run; what came of it is left in ``FOLDER/outcome.json``: ``losses`` of the two
steps, ``resumed`` (the second one's after the stop), ``parameters``, or a ``fault``.
"""

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from tilth.errors import InvalidInput, TilthError
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage
from training.llm import checkpoints
from training.llm.cache import Cache
from training.llm.preflight.stand_in import STEPS
from training.llm.program import Stopped, Workspace
from training.llm.spec import Part, Spec
from training.llm.stages import stage
from training.llm.student import SCORES, WRITES

Events = list[dict[str, Any]]
Outcome = dict[str, Any]
WHOLE, HALVES = 900_000_001, 900_000_002
"""Numbers of the undisturbed run and of the one that is stopped; no checkpoint they start from has such a one."""


@dataclass(frozen=True)
class Interrupted(Reporter):
    """A reporter that asks its program to stop after the first step."""

    @property
    def stopping(self) -> bool:
        """Whether a step is done."""
        return any(
            event["type"] == "progress" and event["stage"] == "train" and event["done"] >= 1
            for event in self.heard
        )

    @property
    def heard(self) -> Events:
        """What the program has reported so far."""
        return self.emit.__self__  # type: ignore[attr-defined,no-any-return]


def rehearse(folder: Path, spec: Spec) -> Outcome:
    """Run the stage twice, once with a stop in between; raises what the stage raises."""
    program: Callable[[Workspace], Any] = import_module(stage(spec.stage).program).run
    undisturbed: Events = []
    program(_workspace(folder, spec, WHOLE, 1, undisturbed))
    halves: Events = []
    try:
        finished = program(_workspace(folder, spec, HALVES, 1, halves, Interrupted))
    except Stopped:
        finished = None
    if finished is not None:
        raise InvalidInput("The program did not stop when it was asked to.")
    work = _workspace(folder, spec, HALVES, 2, halves)
    if work.states.steps() != [1]:
        raise InvalidInput("The program stopped without saving its state.")
    program(work)
    return {
        "losses": [loss(undisturbed, step) for step in range(1, STEPS + 1)],
        "resumed": loss(halves, STEPS),
        "parameters": reload(work),
    }


def loss(events: Events, step: int) -> float:
    """The last loss told of a step; raises :class:`InvalidInput` where none was."""
    found = [
        e["value"] for e in events if e["type"] == "metric" and e["name"] == "loss" and e["step"] == step
    ]
    if not found:
        raise InvalidInput(f"The program told no loss of step {step}.")
    return float(found[-1])


def reload(work: Workspace) -> int:
    """Read the stored checkpoint back with transformers and let it compute; returns its parameters."""
    folder = checkpoints.checkpoint_folder(work.spec.run, STEPS)
    stored, local = work.load(Part(f"checkpoint:{work.spec.run}/{STEPS}", folder))
    kind = SCORES if stored.scores else WRITES
    model = kind.load(local).eval()
    with torch.no_grad():
        logits = model(input_ids=torch.arange(4)[None]).logits
    if not torch.isfinite(logits).all():
        raise InvalidInput("The stored checkpoint computes no numbers.")
    return sum(weight.numel() for weight in model.parameters())


def _workspace(
    folder: Path, spec: Spec, run: int, attempt: int, events: Events, reporter: type[Reporter] = Reporter
) -> Workspace:
    job_dir = folder / f"job-{run}"
    (job_dir / f"attempt-{attempt}").mkdir(parents=True, exist_ok=True)
    storage = Storage(str(folder / "storage"))
    numbered = replace(spec, run=run)
    report = reporter(numbered.to_json(), run, attempt, storage, f"jobs/{run}", job_dir, events.append)
    return Workspace(numbered, report, Cache(folder / "cache"))


def main(folder: Path) -> None:
    """Rehearse the run in a folder and leave the outcome there."""
    spec = Spec.from_json(json.loads((folder / "run.json").read_text()))
    try:
        outcome = rehearse(folder, spec)
        if not all(math.isfinite(value) for value in (*outcome["losses"], outcome["resumed"])):
            outcome = {"fault": "The loss is no number: lower the learning rate."}
    except TilthError as error:
        outcome = {"fault": error.message}
    (folder / "outcome.json").write_text(json.dumps(outcome))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
