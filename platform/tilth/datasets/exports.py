"""Starting, finishing and deleting exports: the database's side of ``tilth.datasets.export``."""

from typing import Any

from django.conf import settings
from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets.export.formats import format_for
from tilth.datasets.export.options import Options
from tilth.datasets.manifests import about
from tilth.datasets.models import DatasetVersion, Export
from tilth.datasets.schemas import schema
from tilth.errors import Conflict
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

State = Export.State


@transaction.atomic
def start_export(actor: Actor, version: DatasetVersion, format_name: str, options: Options) -> Export:
    """Queue an export; where the same one is there or on its way, that one is given back."""
    require(actor, "data.export")
    if version.state != DatasetVersion.State.PUBLISHED:
        raise Conflict(f"{version.reference} is {version.state}; only a published version can be exported.")
    chosen = format_for(format_name, version.dataset.kind)
    options.check_columns(list(schema(version.dataset.kind).by_name))
    kept = {name: value for name, value in options.as_dict.items() if name in chosen.options}
    same = Export.objects.filter(version=version, format=format_name, options=kept)
    existing = same.filter(state__in=[State.BUILDING, State.READY]).first()
    if existing:
        return existing
    job = jobs.submit(
        actor,
        "export",
        _params(version, format_name, kept),
        title=f"Export {version.reference} as {chosen.title}",
    )
    export = Export.objects.create(
        version=version, format=format_name, options=kept, job=job, created_by=actor.user
    )
    audit.record(actor, "export.start", version.reference, export=export.pk, format=format_name, options=kept)
    return export


def _params(version: DatasetVersion, format_name: str, options: dict[str, Any]) -> dict[str, Any]:
    known = about(version)
    return {
        "dataset": version.dataset.name,
        "number": version.number,
        "format": format_name,
        "options": options,
        "about": {
            "title": known.title,
            "description": known.description,
            "licence": known.licence,
            "published": known.published,
        },
    }


def finish_export(job: Job, result: dict[str, Any]) -> None:
    """The job made the file: it can be downloaded now. Doing it twice changes nothing."""
    storage = Storage(settings.STORAGE)
    fields = {name: result[name] for name in ("key", "bytes", "sha256", "rows")}
    there = Export.objects.filter(job=job, version__state=DatasetVersion.State.PUBLISHED)
    if not there.exclude(state=State.DELETED).update(state=State.READY, error="", **fields):
        # Deleted or withdrawn while the job ran: what it wrote must not stay.
        storage.delete(result["key"])
        return
    folder, _, attempt = result["key"].rpartition("/")[0].rpartition("-")
    for earlier in range(1, int(attempt)):
        storage.delete(f"{folder}-{earlier}")


def give_up_export(job: Job) -> None:
    """The job ended without a file."""
    message = (job.error or {}).get("message", "") or f"The job was {job.state}."
    Export.objects.filter(job=job, state=State.BUILDING).update(state=State.FAILED, error=message)


@transaction.atomic
def delete_export(actor: Actor, export: Export) -> Export:
    """Take an export's file away; the record of it stays. One that is being made cannot be deleted."""
    require(actor, "data.export")
    removable = [State.READY, State.FAILED]
    if not Export.objects.filter(pk=export.pk, state__in=removable).update(state=State.DELETED):
        export.refresh_from_db()
        raise Conflict(f"This export is {export.state}; cancel its job first, or reload the page.")
    audit.record(actor, "export.delete", export.version.reference, export=export.pk, format=export.format)
    if export.key:
        transaction.on_commit(lambda: Storage(settings.STORAGE).delete(export.key))
    export.refresh_from_db()
    return export


def record_download(actor: Actor, export: Export) -> None:
    """Write down who took the data out."""
    require(actor, "data.export")
    audit.record(actor, "export.download", export.version.reference, export=export.pk, format=export.format)


def record_folder(actor: Actor, version: DatasetVersion, format_name: str) -> None:
    """Write down that a version was exported into a folder of the server, without a job."""
    require(actor, "data.export")
    audit.record(actor, "version.export", version.reference, format=format_name)
