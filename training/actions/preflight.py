"""The preflight of a run: begun with the launch, begun again, and the start of the training when it has passed."""

from typing import Any

from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets import actions as datasets
from tilth.errors import Conflict
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from training.models.runs import STOPPED, Run

KIND = "training_preflight"
ACTOR = Actor.system("training")
FAILED_CHECKS = "its preflight found faults"


@transaction.atomic
def start(actor: Actor, run: Run, params: dict[str, Any]) -> Job:
    """Queue a preflight; ``params`` are what the stage's program will read. Asked twice at once, there is one."""
    require(actor, "training.run")
    job = jobs.submit(
        actor,
        KIND,
        params,
        title=f"Preflight of {run.name}",
        idempotency_key=f"preflight:{run.pk}:{run.preflight_id or 0}",
        priority=run.priority,
    )
    run.preflight = job
    run.save(update_fields=["preflight"])
    return job


@transaction.atomic
def again(actor: Actor, run: Run) -> Run:
    """Check a stopped run again, because what was wrong is not a matter of its settings."""
    require(actor, "training.run")
    if run.state != STOPPED or run.preflight is None:
        raise Conflict(
            f"{run.reference} is {run.state}: only a run that its preflight stopped is checked again."
        )
    if run.version is not None:
        datasets.reopen_version(actor, run.version)
    start(actor, run, run.preflight.params)
    audit.record(actor, "run.check", run.reference)
    return run


@transaction.atomic
def settle(job: Job, result: dict[str, Any]) -> None:
    """Begin the training of a run whose preflight has passed; may be called again after a crash.

    One that has failed stops the run; so does a preflight that was superseded meanwhile.
    """
    run = Run.objects.with_objects().filter(preflight=job).first()
    if run is None:
        return
    if not result["passed"]:
        _give_up_version(run, FAILED_CHECKS)
        return
    # Who launched the run starts it; whoever may no longer do so does not.
    actor = Actor(user=run.created_by) if run.created_by else ACTOR
    run.job = jobs.submit(
        actor,
        "training",
        job.params,
        title=run.name,
        idempotency_key=f"training:{run.pk}",
        priority=run.priority,
        gpus=run.gpus,
    )
    run.save(update_fields=["job"])
    if run.version is not None and run.version.job_id is None:
        datasets.assign_job(actor, run.version, run.job)


def give_up(job: Job) -> None:
    """A preflight could not be made or was cancelled: what the run would make does not come to be."""
    run = Run.objects.with_objects().filter(preflight=job).first()
    if run is not None:
        _give_up_version(run, (job.error or {}).get("message", "") or f"its preflight was {job.state}")


def _give_up_version(run: Run, reason: str) -> None:
    if run.version is not None:
        datasets.fail_version(ACTOR, run.version, reason)
