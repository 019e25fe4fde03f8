"""Which code this process runs, as jobs and workers record it."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


@cache
def code_version() -> str:
    """``git describe`` of the checkout, else the installed package's version, else ``unknown``."""
    if (ROOT / ".git").exists():
        command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--tags"]
        try:
            answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            answer = None
        if answer is not None and answer.returncode == 0:
            return answer.stdout.strip()[:80]
    try:
        return version("tilth")
    except PackageNotFoundError:
        return "unknown"
