"""Runs as the tests make them: a storage, a recipe that is quick, and what a run published."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from curation.pipeline.access import Access
from curation.pipeline.plan import make_plan
from curation.pipeline.run import RunResult, Target, run
from curation.pipeline.sources import resolve_sources
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage

RECIPE = """
name = "quick"
version = 1
[[step]]
use = "extract"
[[step]]
use = "gopher_quality"
minimum_words = 20
[[step]]
use = "exact"
[[step]]
use = "minhash"
"""


@dataclass
class Bench:
    """A storage with a run under ``jobs/<name>``, published into ``datasets/<name>/1``."""

    storage: Storage
    folder: Path

    @classmethod
    def at(cls, folder: Path) -> "Bench":
        return cls(Storage(str(folder / "storage")), folder)

    def run(
        self,
        name: str,
        sources: Iterable[Path | str],
        recipe: str = RECIPE,
        *,
        workers: int = 1,
        reporter: Reporter | None = None,
        attempt: str = "1",
        **options: Any,
    ) -> RunResult:
        cpu_limit = options.pop("cpu_limit", 60.0)
        access = Access.for_shell(backoff=self.folder / "backoff")
        named = [str(source) for source in sources]
        files = resolve_sources(named, access) if named else []
        plan = make_plan(self.storage, f"jobs/{name}", recipe, files, access=access, **options)
        reporter = reporter or Reporter.null(self.folder / "reporter", quiet=True)
        target = Target(f"datasets/{name}/1", attempt)
        return run(
            plan, self.storage, f"jobs/{name}", reporter, target=target, workers=workers, cpu_limit=cpu_limit
        )

    def published(self, name: str, result: RunResult) -> list[bytes]:
        """The bytes of the published files, in order."""
        return [self.storage.read_bytes(f"datasets/{name}/1/{shard.path}") for shard in result.dataset_shards]

    def rows(self, name: str, result: RunResult) -> list[dict[str, Any]]:
        """The published rows, in order."""
        files = [self.storage.local(f"datasets/{name}/1/{shard.path}") for shard in result.dataset_shards]
        return [row for file in files for row in pq.read_table(file).to_pylist()]

    def text(self, name: str, file: str) -> bytes:
        """A file of the run, such as ``funnel.json``."""
        return self.storage.read_bytes(f"jobs/{name}/{file}")


def steered(folder: Path, control: Callable[[], dict[str, Any]]) -> Reporter:
    """A quiet reporter whose knobs are what ``control`` says."""
    reporter = Reporter.null(folder, quiet=True)

    class Steered(Reporter):
        def control(self) -> dict[str, Any]:
            return control()

    values = {name: getattr(reporter, name) for name in reporter.__dataclass_fields__}
    return replace(Steered(**values))
