"""Imports of tasks: started by a lead, checked by a program without a database, loaded when it has ended."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from labeling import bulk
from labeling.actions.guards import require_lead
from labeling.actions.tasks import Authors, take_positions
from labeling.models.campaigns import Campaign, CampaignState
from labeling.models.tasks import Task, TaskImport
from labeling.protocol.taskload import read_chunk
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.datasets.models import DatasetVersion
from tilth.datasets.uploads import find_upload
from tilth.errors import Conflict, InvalidInput
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

LABELING = Actor.system("labeling")
State = TaskImport.State
MOVING = (State.CHECKING, State.LOADING)
ROLES = ("normal", "gold", "pilot")
SOURCE_KINDS = ("documents", "prompts", "completions", "conversations", "preferences", "problems")


def source_params(
    campaign: Campaign, *, upload: str = "", version: str = "", where: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the program is told about its source; :class:`InvalidInput` where there is no such source.

    ``where`` (``words``, ``filters``) picks rows of a dataset version as the row browser does.
    """
    shared = {"kind": campaign.kind, "schema": campaign.schema}
    if upload:
        file = find_upload(upload)
        return {**shared, "upload": file.sha256, "name": file.name}
    name, _, number = version.partition("@")
    row = DatasetVersion.objects.published().filter(
        dataset__name=name, number=int(number) if number.isdecimal() else 0
    )
    chosen = row.select_related("dataset").first()
    if chosen is None:
        raise InvalidInput(
            f"There is no published version {version!r}; choose one, or upload a file.", field="version"
        )
    if chosen.dataset.kind not in SOURCE_KINDS:
        raise InvalidInput(f"No tasks are made of {chosen.dataset.kind}.", field="version")
    found = {**shared, "version": {"name": name, "number": chosen.number}, "rows": chosen.rows}
    return {**found, "where": where} if where and any(where.values()) else found


@transaction.atomic
def start(
    actor: Actor,
    campaign: Campaign,
    source: dict[str, Any],
    *,
    mapping: dict[str, str] | None = None,
    role: str = "normal",
    limit: int = 0,
    sample: bool = False,
    seed: int = 0,
) -> TaskImport:
    """Queue an import of a source (see :func:`source_params`) as tasks of one role.

    ``limit`` takes so many of its rows, the first ones or (``sample``) a random sample under ``seed``.
    """
    require_lead(actor, campaign)
    if campaign.state == CampaignState.CLOSED:
        raise Conflict(f"{campaign} is closed; reopen it to add tasks.", code="closed")
    if role not in ROLES:
        raise InvalidInput(f"Tasks are {', '.join(ROLES)}.", field="role")
    if role == "gold" and not campaign.task_kind.closed:
        raise InvalidInput("Written work has no known answers.", code="no_gold", field="role")
    name = source.get("name") or "{name}@{number}".format(**source["version"])
    options = {"mapping": mapping or {}, "limit": limit, "role": role, "sample": sample, "seed": seed}
    params = {**source, **options}
    job = jobs.submit(LABELING, "task_import", params, title=f"Tasks for {campaign.name}: {name}")
    row = TaskImport.objects.create(
        campaign=campaign,
        job=job,
        source=name[:300],
        options={**options, "where": source.get("where") or {}},
        created_by=actor.user,
    )
    audit.record(actor, "tasks.import", campaign.reference, job=job.reference, source=name)
    return row


@transaction.atomic
def cancel(actor: Actor, row: TaskImport) -> None:
    """Stop an import. Where it is loading already it ends after the present batch, and withdraws what was loaded."""
    require_lead(actor, row.campaign)
    # Waits for a batch that is being written: none is written after this.
    moving = TaskImport.objects.filter(pk=row.pk, state__in=MOVING)
    if not moving.update(state=State.CANCELLED, message="Stopped by a lead."):
        raise Conflict("This import has ended; withdraw its tasks instead.", code="too_late")
    if row.job is not None:
        # A program that has ended already is followed by the load, which looks at the state.
        with suppress(Conflict):
            jobs.cancel(LABELING, row.job)
    audit.record(actor, "tasks.import_cancel", row.campaign.reference)


def finish(job: Job, result: dict[str, Any]) -> None:
    """Load what the program checked. May run again after a crash: what is loaded stays, the rest follows."""
    row = TaskImport.objects.select_related("campaign").get(job=job)
    counts = {"rows": result["rows"], "bad": result["bad"]}
    if not _as_long_as_wanted(row).update(state=State.LOADING, **counts):
        _withdraw(row)
        return
    position = _first_position(row, result["rows"])
    authors = Authors()
    for number, size in enumerate(result["chunks"]):
        if not _load_chunk(row, job.prefix, number, position, authors):
            break
        position += size
    loaded = row.tasks.count()
    if not _as_long_as_wanted(row).update(state=State.DONE, loaded=loaded):
        _withdraw(row)
        return
    audit.record(LABELING, "tasks.loaded", row.campaign.reference, tasks=loaded, bad=result["bad"])


def _as_long_as_wanted(row: TaskImport) -> QuerySet[TaskImport]:
    return TaskImport.objects.filter(pk=row.pk).exclude(state=State.CANCELLED)


@transaction.atomic
def _withdraw(row: TaskImport) -> None:
    """Take out of the queue what a cancelled import has loaded; who has claimed one of its tasks goes on with it."""
    withdrawn = row.tasks.filter(state=Task.State.OPEN).update(state=Task.State.WITHDRAWN)
    if withdrawn:
        audit.record(LABELING, "tasks.withdraw", row.campaign.reference, tasks=withdrawn)


@transaction.atomic
def _first_position(row: TaskImport, count: int) -> int:
    """Where the import's tasks begin in the campaign's order; taken once, whatever happens after."""
    locked = TaskImport.objects.select_for_update(of=("self",)).get(pk=row.pk)
    if locked.first_position is None:
        locked.first_position = take_positions(row.campaign_id, count)
        locked.save(update_fields=["first_position"])
    return locked.first_position


@transaction.atomic
def _load_chunk(row: TaskImport, prefix: str, number: int, first: int, authors: Authors) -> bool:
    """One chunk, all or nothing; whether the import is still wanted."""
    if not _as_long_as_wanted(row).select_for_update(of=("self",)):
        return False
    if Task.objects.filter(campaign=row.campaign_id, position=first).exists():
        return True  # loaded before a crash: a chunk is all there or not at all
    role = row.options["role"]
    # Locked, so that a change of overlap comes before these tasks or changes them too.
    campaign = Campaign.objects.select_for_update(of=("self",), no_key=True).get(pk=row.campaign_id)
    like = Task(
        campaign=row.campaign,
        source=row.source[:200] if "@" in row.source else "",
        role=role,
        overlap=campaign.overlap,
        imported_by=row,
    )
    rows = read_chunk(Storage(settings.STORAGE), prefix, number)
    for position, values in enumerate(rows, start=first):
        values["position"] = position
        if values["author"]:
            values["author_id"] = authors[values["author"]]
        if values["gold"] is not None and role == Task.Role.NORMAL:
            values["role"] = Task.Role.GOLD.value
    bulk.store(like, rows)
    TaskImport.objects.filter(pk=row.pk).update(loaded=F("loaded") + len(rows))
    return True


def give_up(job: Job) -> None:
    """The job ended without a result, or what it found could not be loaded."""
    for row in TaskImport.objects.filter(job=job, state=State.CANCELLED).select_related("campaign"):
        _withdraw(row)
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    TaskImport.objects.filter(job=job, state__in=MOVING).update(state=State.FAILED, message=reason[:500])
