"""Imports of tasks: started by a lead, checked by a program without a database, loaded when it has ended."""

import json
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from labeling import bulk
from labeling.actions.guards import require_lead
from labeling.models.campaigns import Campaign, CampaignState
from labeling.models.tasks import Task, TaskImport
from labeling.protocol.taskload import CHUNK, chunk_key
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.models import User
from tilth.datasets.models import DatasetVersion
from tilth.datasets.uploads import find_upload
from tilth.errors import Conflict, InvalidInput
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

LABELING = Actor.system("labeling")
State = TaskImport.State
ROLES = ("normal", "gold", "pilot")
SOURCE_KINDS = ("documents", "prompts", "completions", "conversations", "preferences", "problems")


def source_params(campaign: Campaign, *, upload: str = "", version: str = "") -> dict[str, Any]:
    """What the program is told about its source; :class:`InvalidInput` where there is no such source."""
    shared = {"kind": campaign.kind, "schema": campaign.schema}
    if upload:
        found = find_upload(upload)
        return {**shared, "upload": found.sha256, "name": found.name}
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
    return {**shared, "version": {"name": name, "number": chosen.number}, "rows": chosen.rows}


@transaction.atomic
def start(
    actor: Actor,
    campaign: Campaign,
    source: dict[str, Any],
    *,
    mapping: dict[str, str] | None = None,
    role: str = "normal",
    limit: int = 0,
) -> TaskImport:
    """Queue an import of a source (see :func:`source_params`) as tasks of one role."""
    require_lead(actor, campaign)
    if campaign.state == CampaignState.CLOSED:
        raise Conflict(f"{campaign} is closed; reopen it to add tasks.", code="closed")
    if role not in ROLES:
        raise InvalidInput(f"Tasks are {', '.join(ROLES)}.", field="role")
    if role == "gold" and not campaign.task_kind.closed:
        raise InvalidInput("Written work has no known answers.", code="no_gold", field="role")
    name = source.get("name") or "{name}@{number}".format(**source["version"])
    params = {**source, "mapping": mapping or {}, "limit": limit, "role": role}
    job = jobs.submit(LABELING, "task_import", params, title=f"Tasks for {campaign.name}: {name}")
    row = TaskImport.objects.create(
        campaign=campaign,
        job=job,
        source=name[:300],
        options={"role": role, "mapping": mapping or {}, "limit": limit},
        created_by=actor.user,
    )
    audit.record(actor, "tasks.import", campaign.reference, job=job.reference, source=name)
    return row


@transaction.atomic
def cancel(actor: Actor, row: TaskImport) -> None:
    """Stop an import that is still checking; nothing has been loaded by then."""
    require_lead(actor, row.campaign)
    if row.state != State.CHECKING or row.job is None:
        raise Conflict("This import is loading or has ended; withdraw its tasks instead.", code="too_late")
    jobs.cancel(LABELING, row.job)
    audit.record(actor, "tasks.import_cancel", row.campaign.reference)


def finish(job: Job, result: dict[str, Any]) -> None:
    """Load what the program checked. May run again after a crash: what is loaded stays, the rest follows."""
    row = TaskImport.objects.select_related("campaign").get(job=job)
    TaskImport.objects.filter(pk=row.pk).update(rows=result["rows"], bad=result["bad"], state=State.LOADING)
    first = _positions(row, result["rows"])
    authors = _Authors()
    for number in range(result["chunks"]):
        _load_chunk(row, job.prefix, number, first + number * CHUNK, authors)
    loaded = row.tasks.count()
    TaskImport.objects.filter(pk=row.pk).update(state=State.DONE, loaded=loaded)
    audit.record(LABELING, "tasks.loaded", row.campaign.reference, tasks=loaded, bad=result["bad"])


@transaction.atomic
def _positions(row: TaskImport, count: int) -> int:
    """Where the import's tasks begin in the campaign's order; taken once, whatever happens after."""
    Campaign.objects.select_for_update(of=("self",)).get(pk=row.campaign_id)
    row.refresh_from_db()
    if row.first_position is None:
        campaign = Campaign.objects.get(pk=row.campaign_id)
        TaskImport.objects.filter(pk=row.pk).update(first_position=campaign.tasks_made + 1)
        Campaign.objects.filter(pk=campaign.pk).update(tasks_made=F("tasks_made") + count)
        row.refresh_from_db()
    assert row.first_position is not None
    return row.first_position


class _Authors:
    """People by pseudonym, asked for once."""

    def __init__(self) -> None:
        self._known: dict[str, int | None] = {"": None}

    def __getitem__(self, pseudonym: str) -> int | None:
        if pseudonym not in self._known:
            found = User.objects.filter(pseudonym=pseudonym).values_list("pk", flat=True).first()
            self._known[pseudonym] = found
        return self._known[pseudonym]


@transaction.atomic
def _load_chunk(row: TaskImport, prefix: str, number: int, first: int, authors: _Authors) -> None:
    if Task.objects.filter(campaign=row.campaign_id, position=first).exists():
        return  # loaded before a crash: a chunk is all there or not at all
    data = Storage(settings.STORAGE).read_bytes(chunk_key(prefix, number))
    values = [json.loads(line) for line in data.decode().split("\n")]
    campaign, role = row.campaign, row.options["role"]
    tasks = [
        Task(
            campaign=campaign,
            position=first + offset,
            key=value["key"][:64],
            source=row.source[:200] if "@" in row.source else "",
            role=Task.Role.GOLD if value["gold"] is not None and role == "normal" else role,
            payload=value["payload"],
            gold=value["gold"],
            topic=value["topic"],
            difficulty=value["difficulty"],
            language=value["language"],
            overlap=campaign.overlap,
            author_id=authors[value["author"]],
            imported_by=row,
        )
        for offset, value in enumerate(values)
    ]
    bulk.store(tasks, [value["answers"] for value in values])
    TaskImport.objects.filter(pk=row.pk).update(loaded=F("loaded") + len(tasks))


def give_up(job: Job) -> None:
    """The program ended without a result."""
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    TaskImport.objects.filter(job=job, state=State.CHECKING).update(state=State.FAILED, message=reason[:500])
