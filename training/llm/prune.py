"""The program that removes the files of pruned checkpoints: ``python -m training.llm.prune JOB_DIR``.

``checkpoint.json`` goes first, so that nothing half gone passes for a checkpoint; ``pruned.json`` remembers it until
the last file is gone, so that a second attempt ends what the first one began. A checkpoint that was stored anew
meanwhile has another ``checkpoint.json`` and other folders: it stays.
"""

import hashlib
import json
import sys
from typing import Any

from tilth.jobs.reporting import Reporter, run_program
from tilth.storage import Storage
from training.llm.checkpoints import NAME, Checkpoint

PRUNED = "pruned.json"


def run(report: Reporter) -> dict[str, Any]:
    """Remove what the job names by folder and by the sha256 of ``checkpoint.json``."""
    listed = report.params["checkpoints"]
    removed = []
    for number, item in enumerate(listed):
        report.progress(number, len(listed), "remove", item["folder"])
        if remove(report.storage, item["folder"], item["manifest_sha256"]):
            removed.append(item["step"])
    return {"removed": removed}


def remove(storage: Storage, folder: str, manifest_sha256: str) -> bool:
    """Remove one checkpoint; says whether there was something to remove."""
    live, mark = f"{folder}/{NAME}", f"{folder}/{PRUNED}"
    if storage.exists(live):
        text = storage.read_bytes(live)
        if hashlib.sha256(text).hexdigest() != manifest_sha256:
            return False
        storage.write_bytes(mark, text)
        storage.delete(live)
    if not storage.exists(mark):
        return False
    known = Checkpoint.from_json(json.loads(storage.read_bytes(mark)))
    for part in sorted({file.path.partition("/")[0] for file in known.files}):
        storage.delete(f"{folder}/{part}")
    storage.delete(mark)
    return True


if __name__ == "__main__":
    run_program(run, sys.argv[1])
