"""The export job's child program: ``python -m tilth.datasets.export JOB_DIR``. Pure.

Parameters: ``dataset``, ``number``, ``format``, ``options``, ``about``. An export starts anew when it is
tried again: each attempt writes under its own key, and the job's result names the one that counts.
"""

import sys
from typing import Any

from tilth.datasets.card import About
from tilth.datasets.export.options import Options
from tilth.datasets.export.run import export_to_storage, make_source
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.jobs.reporting import Reporter, run_program


class Stopped(Exception):
    """The job was asked to end."""


def program(reporter: Reporter) -> dict[str, Any] | None:
    """Export as the parameters say; the result names key, bytes, sha256 and rows."""
    params = reporter.params
    key = manifest_key(params["dataset"], params["number"])
    manifest = Manifest.from_json(reporter.storage.read_bytes(key))
    source, chosen = make_source(
        reporter.storage, manifest, params["format"], Options.of(params["options"]), About(**params["about"])
    )
    # A split is a second pass over all rows, so progress counts the rows that are left in.
    done = 0

    def tick(rows: int) -> None:
        nonlocal done
        if reporter.stopping:
            raise Stopped
        done += rows
        reporter.progress(done, manifest.rows, "writing", f"{done:,} of {manifest.rows:,} rows")

    prefix = f"exports/{manifest.dataset}/{manifest.number}/{reporter.job}-{reporter.attempt}"
    try:
        exported = export_to_storage(source, chosen, reporter.storage, prefix, tick)
    except Stopped:
        return None
    return {"key": exported.key, "bytes": exported.bytes, "sha256": exported.sha256, "rows": manifest.rows}


if __name__ == "__main__":
    run_program(program, sys.argv[1])
