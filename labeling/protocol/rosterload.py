"""The program that checks a table of addresses: good lines to be followed, and bad ones with what is wrong.

Run as ``python -m labeling.protocol.rosterload JOB_DIR``. It never sees the database: the supervisor invites when
the program has ended. Pure.
"""

import sys
from dataclasses import asdict
from typing import Any

from labeling.protocol.rosterfile import read_roster
from tilth.jobs.reporting import Reporter, run_program


def lines_key(prefix: str) -> str:
    """Where the good lines lie in the storage until they are followed."""
    return f"{prefix}/roster.json"


def faults_key(prefix: str) -> str:
    """Where the bad ones lie: (line, what is wrong)."""
    return f"{prefix}/roster-faults.json"


def check(reporter: Reporter) -> dict[str, Any]:
    """Read everything; answers how many lines were good and bad."""
    storage = reporter.storage
    lines = list(read_roster(storage.read_bytes(reporter.params["table"]).decode()))
    good, bad = [one for one in lines if not one.fault], [one for one in lines if one.fault]
    storage.write_json(lines_key(reporter.prefix), [asdict(one) for one in good])
    storage.write_json(faults_key(reporter.prefix), [(one.number, one.fault) for one in bad])
    reporter.progress(len(lines), len(lines), "checked", f"{len(good):,} good, {len(bad):,} bad")
    return {"rows": len(good), "bad": len(bad)}


if __name__ == "__main__":
    run_program(check, sys.argv[1])
