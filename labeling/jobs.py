"""The labeling app's job kinds: tasks and people that come in, and dataset versions that go out."""

import sys

from django.urls import reverse

from labeling.actions import imports, moves, publications, rosterfiles
from labeling.models.moves import GuidelineMove
from labeling.models.publications import Publication
from labeling.models.rosters import RosterImport
from labeling.models.tasks import TaskImport
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register


def import_url(job: Job) -> str | None:
    """The page that follows an import."""
    row = TaskImport.objects.filter(job=job).first()
    return reverse("labeling:import", args=[row.pk]) if row else None


def publication_url(job: Job) -> str | None:
    """The campaign's page of publications."""
    made = Publication.objects.filter(job=job).first()
    return reverse("labeling:campaign_publish", args=[made.campaign_id]) if made else None


IMPORT = register(
    JobKind(
        name="task_import",
        title="Import of tasks",
        command=lambda job: [sys.executable, "-m", "labeling.protocol.taskload"],
        permission="campaigns.manage",
        on_success=imports.finish,
        on_end=imports.give_up,
        url=import_url,
        short=True,
    )
)


def roster_url(job: Job) -> str | None:
    """The page that follows invitations."""
    row = RosterImport.objects.filter(job=job).first()
    return reverse("labeling:roster_import", args=[row.pk]) if row else None


ROSTER = register(
    JobKind(
        name="roster_import",
        title="Invitations by table",
        command=lambda job: [sys.executable, "-m", "labeling.protocol.rosterload"],
        permission="labelers.view",
        on_success=rosterfiles.finish,
        on_end=rosterfiles.give_up,
        url=roster_url,
        short=True,
    )
)


def move_url(job: Job) -> str | None:
    """The page that follows a campaign's move to another guideline version."""
    row = GuidelineMove.objects.filter(job=job).first()
    return reverse("labeling:guideline_move", args=[row.pk]) if row else None


MOVE = register(
    JobKind(
        name="guideline_move",
        title="Annotations under a changed guideline",
        command=lambda job: [sys.executable, "-m", "labeling.publish.cited"],
        permission="campaigns.manage",
        on_success=moves.finish,
        on_end=moves.give_up,
        environment=publications.environment,
        url=move_url,
        short=True,
    )
)

PUBLISH = register(
    JobKind(
        name="labeling_publish",
        title="Publication of a campaign",
        command=lambda job: [sys.executable, "-m", "labeling.publish.program"],
        permission="campaigns.publish",
        on_success=publications.finish,
        on_end=publications.give_up,
        environment=publications.environment,
        url=publication_url,
    )
)
