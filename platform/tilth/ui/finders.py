"""Serves exactly one file out of the plotly package: its browser bundle, as ``plotly/plotly.min.js``."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

NAME = "plotly.min.js"
PREFIX = "plotly"


def bundle() -> Path:
    """Where the installed package keeps the bundle."""
    return Path(str(files("plotly") / "package_data" / NAME))


class PlotlyFinder(BaseFinder):
    """A staticfiles finder with a single find; the package's other files stay private."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.storage = FileSystemStorage(location=bundle().parent)
        self.storage.prefix = PREFIX  # type: ignore[attr-defined]

    def check(self, **kwargs: Any) -> list[Any]:
        """Nothing to configure, nothing to check."""
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        """The bundle's path when asked for it by name, else nothing."""
        found = str(bundle()) if path == f"{PREFIX}/{NAME}" else None
        if find_all:
            return [found] if found else []
        return found

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterable[tuple[str, FileSystemStorage]]:
        """What ``collectstatic`` copies."""
        yield NAME, self.storage
