"""The Chromium that Tilth drives where it plays a person: in the demonstration and in the browser tests."""

import os
import shutil
from pathlib import Path

from tilth.errors import TilthError

FLAGS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
"""No part of it that nobody needs here, and no word to anybody but the pages it is sent to."""


def executable(bundled: str) -> str:
    """The Chromium to drive: ``TILTH_CHROMIUM``, the machine's own, or the one at Playwright's own place."""
    named = os.environ.get("TILTH_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser") or bundled
    if not Path(found).exists():
        raise TilthError(f"There is no Chromium at {found}: install one, or set TILTH_CHROMIUM to its path")
    return found


def flags() -> list[str]:
    """How to start it; root cannot have Chromium's own sandbox."""
    return [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
