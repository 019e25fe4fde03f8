"""Check by trying: the real program makes two steps on a CPU, is stopped, goes on, and its checkpoint is read back.

It runs in a process of its own, so that one that is killed for memory or crashes is a line of the checklist.
"""

import json
import math
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from training.llm.config import Config
from training.llm.preflight.result import Check, failed, passed
from training.llm.preflight.stand_in import StandIn, stand_in
from training.llm.preflight.survey import Survey
from training.llm.program import Workspace
from training.llm.vocabulary import Vocabulary

PROGRAM = "training.llm.preflight.rehearse"
CLOSE = 1e-5
LINES = 12
_WAIT = 0.2


def rehearsal(work: Workspace, config: Config, rows: Survey | Vocabulary) -> Check:
    """Rehearse the run in the scratch folder, which is cleared afterwards."""
    folder = work.scratch / "rehearsal"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return judge(*_tried(work, folder, stand_in(work, config, folder, rows)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def judge(outcome: dict[str, Any] | None, status: int, log: str) -> Check:
    """What the outcome means; ``None`` where the process left none, with its exit status and its last lines."""
    if outcome is None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        return failed("rehearsal", f"The rehearsal {how}. {log}".strip())
    if "fault" in outcome:
        return failed("rehearsal", outcome["fault"])
    losses, resumed = outcome["losses"], outcome["resumed"]
    figures = {
        "loss of step 1": losses[0],
        "loss of step 2": losses[1],
        "the same after a stop": resumed,
        "parameters rehearsed": outcome["parameters"],
    }
    if not math.isclose(losses[1], resumed, rel_tol=CLOSE, abs_tol=CLOSE):
        return failed(
            "rehearsal",
            "After a stop the run goes on to another loss: it could not be continued faithfully.",
            figures=figures,
        )
    words = (
        "Two steps were made, saved, stopped and gone on with to the same loss; the checkpoint was read back."
    )
    return passed("rehearsal", words, figures=figures)


def _tried(work: Workspace, folder: Path, small: StandIn) -> tuple[dict[str, Any] | None, int, str]:
    (folder / "run.json").write_text(json.dumps(small.spec.to_json()))
    log = folder / "log"
    # Only on the CPU, and with nothing fetched: what the run needs is in its folder.
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    with log.open("wb") as sink:
        child = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, str(folder)],
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
        try:
            while child.poll() is None:
                work.stop_if_asked()
                time.sleep(_WAIT)
        finally:
            child.kill()
            child.wait()
    outcome = folder / "outcome.json"
    found = json.loads(outcome.read_text()) if outcome.exists() else None
    lines = log.read_text(errors="replace").splitlines()[-LINES:]
    return found, child.returncode, "\n".join(lines)
