"""The training app's job kind: one for all stages, run on the queue ``gpu``."""

import sys
from typing import Any

from django.urls import reverse

from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register
from training import extra
from training.actions.checkpoints import reconcile
from training.actions.runs import settle_cost
from training.llm.stages import stage
from training.models import Run

ACTOR = Actor.system("training")


def command(job: Job) -> list[str]:
    """The stage's program; raises where this machine cannot train."""
    if extra.missing():
        raise TilthError(extra.how_to_enable(), "no_training")
    return [sys.executable, "-m", stage(job.params["stage"]).program]


def take_in(job: Job, artifact: dict[str, Any]) -> None:
    """See to the rows of a run's checkpoints as soon as one is stored, while the run goes on."""
    run = Run.objects.filter(job=job).first()
    if run is not None and artifact["name"].startswith(f"checkpoint:{run.pk}/"):
        reconcile(ACTOR, run)


def close(job: Job) -> None:
    """The run has ended, one way or another: see that every checkpoint has its row, and what it cost."""
    run = Run.objects.filter(job=job).first()
    if run is not None:
        reconcile(ACTOR, run)
        settle_cost(run)


def finish(job: Job, result: dict[str, Any]) -> None:
    """What the run has made is stored by its program already."""
    close(job)


def run_url(job: Job) -> str | None:
    """The page of the run that a job carries out."""
    run = Run.objects.filter(job=job).first()
    return reverse("training:run", args=[run.pk]) if run else None


TRAINING = register(
    JobKind(
        name="training",
        title="Training run",
        command=command,
        permission="training.run",
        on_success=finish,
        on_end=close,
        on_artifact=take_in,
        url=run_url,
        queue="gpu",
    )
)
