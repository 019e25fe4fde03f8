"""Job kinds for tests: ``demo`` runs ``program.py``, which obeys its parameters."""

import sys
import time
from typing import Any

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register

SECRET = "correct-horse-battery-staple"


def command(job: Job) -> list[str]:
    if job.params.get("no_program"):
        return ["/nowhere/no-such-program"]
    return [sys.executable, "-m", "tests.testapp.program"]


def environment(job: Job) -> dict[str, str]:
    return {"DEMO_SECRET": SECRET}


def on_success(job: Job, result: dict[str, Any]) -> None:
    audit.record(Actor.system("demo"), "demo.publishing", job.reference)
    time.sleep(job.params.get("publish_seconds", 0))
    if job.params.get("refuse"):
        raise TilthError("The name is taken; choose another one.")
    audit.record(Actor.system("demo"), "demo.published", job.reference, **result)


def on_end(job: Job) -> None:
    audit.record(Actor.system("demo"), "demo.ended", job.reference, state=job.state)


KIND = {
    "command": command,
    "permission": "curation.run",
    "environment": environment,
    "on_success": on_success,
    "on_end": on_end,
}
register(JobKind("demo", "Demonstration", **KIND))
register(JobKind("demo-short", "Short demonstration", short=True, **KIND))
register(JobKind("demo-gpu", "Demonstration on a device", gpus=1, **KIND))
