"""A stage that does nothing but meet: for testing how ranks live and die without loading a model."""

import time
from typing import Any

import torch

from tilth.errors import TilthError
from training.llm.program import Workspace, main
from training.llm.ranks import Group, gather


def run(work: Workspace) -> dict[str, Any] | None:
    """Add up a one of every rank until asked to stop."""
    group = gather(work, "tests.training.rank_stage")
    with group.watched():
        _meet(work, group)
    group.close()
    return None


def _meet(work: Workspace, group: Group) -> None:
    stop = False
    while not stop:
        total = group.summed(torch.ones(()))
        work.report.metric("ranks", total.item(), 0)
        if group.leads and "fault" in work.spec.config:
            raise TilthError(work.spec.config["fault"], "fault")
        stop = bool(group.decided(int(work.report.stopping)))
        time.sleep(0.01)


if __name__ == "__main__":
    main(run)
