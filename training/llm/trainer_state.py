"""What a run needs to go on exactly where it was: weights, moments, step, the unfinished point of the curve.

One safetensors file and one JSON file, no pickle. Order of the data, rate and samples follow from the step.
"""

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from training.llm.checkpoints import no_room
from training.llm.engine import Engine
from training.llm.optimizer import load_state, state_tensors
from training.llm.program import Workspace

TENSORS, FACTS = "trainer.safetensors", "trainer.json"
_WEIGHTS = "weights/"

T = TypeVar("T")


def save(work: Workspace, engine: Engine, seconds: float) -> None:
    """Store the state after ``engine.done`` steps; a full disk leaves the one before and is named as the fault."""

    def write(folder: Path) -> None:
        weights = {f"{_WEIGHTS}{name}": w.detach() for name, w in engine.model.named_parameters()}
        save_file({**weights, **state_tensors(engine.optimizer)}, folder / TENSORS)
        facts = {"step": engine.done, "seconds": seconds, "nats": engine.nats.item()}
        (folder / FACTS).write_text(json.dumps(facts))

    with_room(work.scratch / "state", write, lambda made: work.save_state(made, engine.done))


def resume(work: Workspace, engine: Engine) -> float:
    """Put the newest state back; returns the seconds that the run has trained before."""
    found = work.newest_state()
    if found is None:
        return 0.0
    step, folder = found
    tensors = load_file(folder / TENSORS, device=str(engine.hardware.device))
    facts = json.loads((folder / FACTS).read_text())
    with torch.no_grad():
        for name, weight in engine.model.named_parameters():
            weight.copy_(tensors[f"{_WEIGHTS}{name}"])
    load_state(engine.optimizer, tensors, step)
    engine.done = step
    engine.nats.fill_(facts["nats"] if engine.group.leads else 0.0)  # one of them adds up what all had
    return float(facts["seconds"])


def with_room(folder: Path, write: Callable[[Path], None], store: Callable[[Path], T]) -> T:
    """Write files into an empty local folder, store them, and remove the folder whatever happens."""
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        write(folder)
        return store(folder)
    except SafetensorError as error:
        # The library hides the system's error number in its message.
        full = f"os error {errno.ENOSPC}" in str(error)
        raise no_room(OSError(errno.ENOSPC if full else errno.EIO, str(error))) from error
    except OSError as error:
        raise no_room(error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
