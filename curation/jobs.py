"""The curation app's job kinds: a run that ends in a dataset version, and the probe that estimates it."""

import sys
from dataclasses import replace
from typing import Any

from django.urls import reverse

from curation.models import CurationRun
from tilth.accounts.actors import Actor
from tilth.datasets import actions as datasets
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion, Upload
from tilth.datasets.origins import renamed
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register

ACTOR = Actor.system("curation")


def publish(job: Job, result: dict[str, Any]) -> None:
    """Publish what the run made. May run again after a crash: publishing the same manifest is harmless."""
    run = CurationRun.objects.with_objects().get(job=job)
    assert run.version is not None
    version = run.version
    if version.state == DatasetVersion.State.FAILED:
        version = datasets.reopen_version(ACTOR, version)
    parents = [run.base.version.reference] if run.base and run.base.version else []
    manifest = Manifest.from_json(result["manifest"])
    datasets.publish_version(ACTOR, version, complete(manifest, run, version, job, parents))


def complete(
    manifest: Manifest, run: CurationRun, version: DatasetVersion, job: Job, parents: list[str]
) -> Manifest:
    """The pipeline's manifest with what only the database knows."""
    return replace(
        renamed(manifest, upload_names),
        dataset=version.dataset.name,
        number=version.number,
        parents=[*parents, run.recipe.reference],
        producer=job.reference,
        code_version=job.code_version,
    )


def upload_names(digests: list[str]) -> dict[str, str]:
    """The file names of uploads by their sha256."""
    return dict(Upload.objects.filter(sha256__in=digests).values_list("sha256", "name"))


def give_up(job: Job) -> None:
    """The run ended without a result: its version does not come to be (a retry takes it up again)."""
    run = CurationRun.objects.with_objects().filter(job=job).first()
    if run is not None and run.version is not None:
        reason = (job.error or {}).get("message", "") or f"the run was {job.state}"
        datasets.fail_version(ACTOR, run.version, reason)


def run_url(job: Job) -> str | None:
    """The page of the run that a job carries out or estimates."""
    run = CurationRun.objects.filter(job=job).first() or CurationRun.objects.filter(probe=job).first()
    return reverse("curation:run", args=[run.pk]) if run else None


CURATE = register(
    JobKind(
        name="curate",
        title="Curation run",
        command=lambda job: [sys.executable, "-m", "curation.pipeline", "job"],
        permission="curation.run",
        on_success=publish,
        on_end=give_up,
        url=run_url,
        max_attempts=5,
    )
)

PROBE = register(
    JobKind(
        name="curation_probe",
        title="Curation estimate",
        command=lambda job: [sys.executable, "-m", "curation.pipeline", "probe"],
        permission="curation.run",
        url=run_url,
        max_attempts=2,
        short=True,
    )
)
