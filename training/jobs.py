"""The training app's job kinds: the preflight, on ordinary workers, and the training, on the queue ``gpu``."""

import sys
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from tilth.accounts.actors import Actor
from tilth.accounts.secrets import ROTATIONS
from tilth.datasets import actions as datasets
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion
from tilth.errors import TilthError
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register, register_round
from tilth.storage import Storage
from training import extra, notices
from training.actions import ablations, alerts, measuring, preflight, retention
from training.actions.checkpoints import PRUNING, reconcile
from training.actions.runs import settle_cost
from training.llm.stages import stage
from training.models.runs import Run

ACTOR = Actor.system("training")


def command(job: Job) -> list[str]:
    """The stage's program; raises where this machine cannot train."""
    if extra.missing():
        raise TilthError(extra.how_to_enable(), "no_training")
    return [sys.executable, "-m", stage(job.params["stage"]).program]


def preflight_command(job: Job) -> list[str]:
    """The preflight's program; raises where this machine has not what a training needs."""
    if extra.missing():
        raise TilthError(extra.how_to_enable(), "no_training")
    return [sys.executable, "-m", "training.llm.preflight"]


def take_in(job: Job, artifact: dict[str, Any]) -> None:
    """See to the rows of a run's checkpoints as soon as one is stored, while the run goes on."""
    run = Run.objects.filter(job=job).first()
    if run is not None and artifact["name"].startswith(f"checkpoint:{run.pk}/"):
        reconcile(ACTOR, run)
        measuring.measure(ACTOR, run)
        retention.prune_automatically(run)


def close(job: Job, well: bool = False) -> None:
    """The run has ended, one way or another: see that every checkpoint has its row, and what it cost."""
    run = Run.objects.filter(job=job).first()
    if run is not None:
        reconcile(ACTOR, run)
        measuring.measure(ACTOR, run, ended=well)
        retention.prune_automatically(run)
        settle_cost(run)


def finish(job: Job, result: dict[str, Any]) -> None:
    """Publish the rows that the run has made; its checkpoints are stored already."""
    run = Run.objects.with_objects().filter(job=job).first()
    if run is not None and run.version is not None:
        _publish(run, run.version, job, result)
    if run is not None:
        alerts.watch_evaluation(run, result)
    close(job, well=True)
    if run is not None:
        ablations.evaluate(ACTOR, run)


def _publish(run: Run, version: DatasetVersion, job: Job, result: dict[str, Any]) -> None:
    """May run again after a crash: publishing the same manifest is harmless."""
    if version.state == DatasetVersion.State.FAILED:
        version = datasets.reopen_version(ACTOR, version)
    manifest = Manifest.from_json(Storage(settings.STORAGE).read_bytes(result["manifest_key"]))
    known = replace(
        manifest,
        parents=[*manifest.parents, run.reference],
        producer=job.reference,
        code_version=job.code_version,
    )
    datasets.publish_version(ACTOR, version, known)


def give_up(job: Job) -> None:
    """The run failed or was cancelled: its version does not come to be (a retry takes it up again)."""
    run = Run.objects.with_objects().filter(job=job).first()
    if run is not None:
        alerts.watch_end(run, job)
    if run is not None and run.version is not None:
        reason = (job.error or {}).get("message", "") or f"the run was {job.state}"
        datasets.fail_version(ACTOR, run.version, reason)
    close(job)


def run_url(job: Job) -> str | None:
    """The page of the run that a job carries out or checks."""
    run = Run.objects.filter(Q(job=job) | Q(preflight=job)).first()
    return reverse("training:run", args=[run.pk]) if run else None


TRAINING = register(
    JobKind(
        name="training",
        title="Training run",
        command=command,
        permission="training.run",
        on_success=finish,
        on_end=give_up,
        on_artifact=take_in,
        on_metrics=alerts.watch_points,
        url=run_url,
        queue="gpu",
    )
)

PREFLIGHT = register(
    JobKind(
        name=preflight.KIND,
        title="Preflight of a training",
        command=preflight_command,
        permission="training.run",
        on_success=preflight.settle,
        on_end=preflight.give_up,
        url=run_url,
    )
)

NOTICE = register(
    JobKind(
        name="alert_notice",
        title="Notice of an alert",
        command=lambda job: [sys.executable, "-m", "training.notice"],
        permission="training.run",
        environment=notices.environment,
        url=notices.url,
        max_attempts=6,
        short=True,
    )
)

PRUNE = register(
    JobKind(
        name=PRUNING,
        title="Removal of pruned checkpoints",
        command=lambda job: [sys.executable, "-m", "training.llm.prune"],
        permission="training.run",
        url=retention.url,
        max_attempts=10,
        short=True,
    )
)

register_round("training alerts", alerts.watch_silence)
ROTATIONS.append(notices.rotate_secrets)
