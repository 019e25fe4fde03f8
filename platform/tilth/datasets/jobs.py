"""The datasets app's job kinds."""

import sys

from django.urls import reverse

from tilth.datasets.exports import finish_export, give_up_export
from tilth.datasets.importing import finish_import, give_up_import
from tilth.datasets.models import Export
from tilth.jobs.models import Job
from tilth.jobs.registry import JobKind, register


def export_url(job: Job) -> str | None:
    """The page where the export can be downloaded."""
    export = Export.objects.select_related("version__dataset").filter(job=job).first()
    return (
        reverse("datasets:exports", args=[export.version.dataset.name, export.version.number])
        if export
        else None
    )


EXPORT = register(
    JobKind(
        name="export",
        title="Export",
        command=lambda job: [sys.executable, "-m", "tilth.datasets.export"],
        permission="data.export",
        on_success=finish_export,
        on_end=give_up_export,
        url=export_url,
        short=True,
    )
)

IMPORT = register(
    JobKind(
        name="import",
        title="Import",
        command=lambda job: [sys.executable, "-m", "tilth.datasets.import_"],
        permission="data.import",
        on_success=finish_import,
        on_end=give_up_import,
        url=lambda job: reverse("datasets:import-report", args=[job.pk]),
    )
)
