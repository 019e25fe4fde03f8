"""Which code made this: the version that manifests record.

An operator's image names its commit in ``TILTH_CODE_VERSION``; a checkout asks git; a bare
installation knows only its package version. Pure: no Django.
"""

import os
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import tilth.errors


@cache
def code_version() -> str:
    """Package version and, where known, the commit: ``0.1.0+7c62116`` (``-dirty`` with local changes)."""
    named = os.environ.get("TILTH_CODE_VERSION", "")
    if named:
        return named
    package = _package_version()
    commit = _commit(Path(tilth.errors.__file__).parent)
    return f"{package}+{commit}" if commit else package


def _package_version() -> str:
    try:
        return version("tilth")
    except PackageNotFoundError:
        return "0.0.0"


def _commit(folder: Path) -> str:
    """The checkout's commit, or empty where there is no git or no checkout."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
