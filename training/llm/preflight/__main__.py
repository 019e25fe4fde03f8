"""The preflight of a run: a checklist on the CPU before a device is taken.

::

    python -m training.llm.preflight JOB_DIR

``JOB_DIR/config.json`` is that of the stage's program. The result is ``{"passed": bool, "checks": [...]}`` in the
form of :class:`training.llm.preflight.result.Check`; a check that fails is no fault of this program.
"""

import os
from typing import Any

from training.llm.preflight.checklist import made
from training.llm.preflight.result import State
from training.llm.program import Workspace, main


def run(work: Workspace) -> dict[str, Any] | None:
    """Make every check of the run."""
    checks = []
    for check in made(work):
        work.report.log(f"{check.name}: {check.state}. {check.words}")
        checks.append(check)
    return {
        "passed": all(check.state != State.FAILED for check in checks),
        "checks": [check.to_json() for check in checks],
    }


if __name__ == "__main__":
    os.environ["CUDA_VISIBLE_DEVICES"] = ""  # nothing here needs a device, and none is leased
    main(run)
