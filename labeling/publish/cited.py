"""The program that finds the annotations which cite some clauses, and lists them part by part in the storage.

Run as ``python -m labeling.publish.cited JOB_DIR``; ``DATABASE_URL`` comes by the environment. Pure: no Django.
"""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

from labeling.publish.database import Snapshot, snapshot
from tilth.jobs.reporting import Reporter, run_program

PART = 100
"""Annotations that are marked, and given back, in one transaction."""


def part_key(prefix: str, number: int) -> str:
    """Where a part's ids lie."""
    return f"{prefix}/cited/{number:06d}.json"


def find(reporter: Reporter) -> dict[str, Any] | None:
    """Write the parts; answers how many there are, of which attempt."""
    parts = 0
    with snapshot(os.environ["DATABASE_URL"]) as found:
        cited = _cited(found, reporter.params)
        while ids := list(islice(cited, PART)):
            if reporter.stopping:
                return None
            reporter.storage.write_json(part_key(reporter.prefix, parts), ids)
            parts += 1
            reporter.progress(0, 0, "reading", f"{parts * PART:,} found")
    return {"parts": parts, "attempt": reporter.attempt}


def _cited(found: Snapshot, params: Mapping[str, Any]) -> Iterator[str]:
    clauses, until = set(params["clauses"]), datetime.fromisoformat(params["until"])
    for part in found.parts(params["campaign"], until):
        for key, cited in found.citing(params["campaign"], params["guideline"], until, part):
            if clauses.intersection(json.loads(cited)):
                yield key


if __name__ == "__main__":
    run_program(find, sys.argv[1])
