"""Imports of tasks: started by a lead, checked by a program without a database, loaded when it has ended."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from labeling import bulk
from labeling.actions.guards import require_lead, require_unclosed
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


@transaction.atomic
def retry(actor: Actor, row: TaskImport) -> None:
    """Try a failed import again. What it loaded stays, and only the rest follows."""
    require_lead(actor, row.campaign)
    require_unclosed(row.campaign, "add tasks")
    if not TaskImport.objects.filter(pk=row.pk, state=State.FAILED).update(state=State.CHECKING, message=""):
        raise Conflict("Only an import that failed is tried again.", code="wrong_state")
    if row.job is None:
        raise Conflict("This import has no job; import the file anew.", code="wrong_state")
    jobs.retry(LABELING, row.job)
    audit.record(actor, "tasks.import_retry", row.campaign.reference, job=row.job.reference)


@transaction.atomic
def withdraw(actor: Actor, row: TaskImport) -> None:
    """Take what a failed import has loaded out of the queue again; it is over then."""
    require_lead(actor, row.campaign)
    failed = TaskImport.objects.filter(pk=row.pk, state=State.FAILED)
    if not failed.update(state=State.CANCELLED, message="It failed, and a lead withdrew it."):
        raise Conflict("Only an import that failed is withdrawn here.", code="wrong_state")
    _withdraw(row)
    audit.record(actor, "tasks.import_withdraw", row.campaign.reference)


def finish(job: Job, result: dict[str, Any]) -> None:
    """Load what the program checked. May run again after a crash: what is loaded stays, the rest follows."""
    row = TaskImport.objects.select_related("campaign").get(job=job)
    counts = {"rows": result["rows"], "bad": result["bad"]}
    _check_same(row, result["rows"])
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


def _check_same(row: TaskImport, count: int) -> None:
    """Rows that are loaded keep their places, so a source that is tried again must give as many as before."""
    if row.first_position is None or row.rows == count:
        return
    if row.loaded:
        raise Conflict(
            f"The source gives {count:,} tasks now and gave {row.rows:,} before. Withdraw what was loaded, and "
            "import it anew.",
            code="source_moved",
        )
    TaskImport.objects.filter(pk=row.pk).update(first_position=None)


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
    rows = list(enumerate(read_chunk(Storage(settings.STORAGE), prefix, number), start=first))
    # A range, not a list: a table that has just grown has no statistics yet, and a list would be looked for in
    # every task of the campaign.
    there = Task.objects.filter(campaign=row.campaign_id, position__range=(first, first + len(rows) - 1))
    loaded = set(there.values_list("position", flat=True))
    missing = [(position, values) for position, values in rows if position not in loaded]
    if not missing:
        return True  # loaded before a crash, or before it was tried again
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
    for position, values in missing:
        values["position"] = position
        if values["author"]:
            values["author_id"] = authors[values["author"]]
        if values["gold"] is not None and role == Task.Role.NORMAL:
            values["role"] = Task.Role.GOLD.value
    bulk.store(like, [values for _, values in missing])
    TaskImport.objects.filter(pk=row.pk).update(loaded=F("loaded") + len(missing))
    return True


def give_up(job: Job) -> None:
    """The job ended without a result, or what it found could not be loaded."""
    for row in TaskImport.objects.filter(job=job, state=State.CANCELLED).select_related("campaign"):
        _withdraw(row)
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    TaskImport.objects.filter(job=job, state__in=MOVING).update(state=State.FAILED, message=reason[:500])
