"""The folders of the server that a run may read, beside what is stored."""

import os
from pathlib import Path

ROOTS_VARIABLE = "TILTH_SOURCE_ROOTS"


def roots(given: list[str]) -> list[Path]:
    """The folders that may be read: those the run names, else ``TILTH_SOURCE_ROOTS``."""
    named = given or os.environ.get(ROOTS_VARIABLE, "").split(",")
    return [Path(root.strip()) for root in named if root.strip()]
