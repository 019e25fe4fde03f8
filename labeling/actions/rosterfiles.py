"""Invitations by a table of addresses: a short one at once, a long one by a job that checks it and then invites.

The job acts for the lead who sent the table, line by line under the same rules. Good lines count, bad ones are
reported by number; the same table again changes nothing.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.db import transaction

from labeling.actions import roster
from labeling.actions.guards import require_lead, require_unclosed
from labeling.models.campaigns import Campaign, CampaignState, Member, RosterInvite
from labeling.models.rosters import RosterImport
from labeling.protocol import rosterload
from labeling.protocol.rosterfile import Line, read_roster
from tilth.accounts import audit, secrets
from tilth.accounts.actions import invitations
from tilth.accounts.actors import Actor
from tilth.accounts.models import Role, User
from tilth.errors import Conflict, InvalidInput, TilthError
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.storage import Storage

LABELING = Actor.system("labeling")
State = RosterImport.State
AT_ONCE = 50
"""Lines that are followed while the lead waits; each may make an account's invitation."""

CHUNK = 20
"""Lines a transaction; it keeps the campaign's row, which claims under a budget wait for."""


@dataclass(slots=True)
class Invited:
    """What came of lines: members made, accounts invited (address → link), faults by line."""

    members: list[str] = field(default_factory=list)
    accounts: dict[str, str] = field(default_factory=dict)
    already: list[str] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)


def invite_file(actor: Actor, campaign: Campaign, text: str, name: str = "") -> Invited | RosterImport:
    """Invite everybody of a CSV table (e-mail, name, weekly_minutes, languages, expertise, region).

    A table that is no table is refused at once; one of more than :data:`AT_ONCE` lines becomes a job.
    """
    require_lead(actor, campaign)
    if campaign.state == CampaignState.CLOSED:
        raise Conflict(f"{campaign} is closed; reopen it to invite people.", code="closed", field="file")
    lines = list(read_roster(text))
    if len(lines) <= AT_ONCE:
        return _invite_lines(actor, campaign, lines)
    key = f"labeling/rosters/{uuid4().hex}.csv"
    Storage(settings.STORAGE).write_bytes(key, text.encode())
    return _start(actor, campaign, key, name)


@transaction.atomic
def _start(actor: Actor, campaign: Campaign, key: str, name: str) -> RosterImport:
    job = jobs.submit(LABELING, "roster_import", {"table": key}, title=f"Invitations to {campaign.name}")
    row = RosterImport.objects.create(campaign=campaign, job=job, source=name[:300], created_by=actor.user)
    audit.record(actor, "member.invite_table", campaign.reference, job=job.reference)
    return row


def finish(job: Job, result: dict[str, Any]) -> None:
    """Invite whom the program read. May run again after a crash: it goes on behind the last whole chunk."""
    row = RosterImport.objects.select_related("campaign", "created_by").get(job=job)
    storage = Storage(settings.STORAGE)
    counts = {"rows": result["rows"] + result["bad"], "bad": result["bad"]}
    if RosterImport.objects.filter(pk=row.pk, state=State.CHECKING).update(state=State.INVITING, **counts):
        bad = storage.read_json(rosterload.faults_key(job.prefix))
        RosterImport.objects.filter(pk=row.pk).update(faults=bad, done=result["bad"])
    lines = [Line(**values) for values in storage.read_json(rosterload.lines_key(job.prefix))]
    actor = Actor(user=row.created_by) if row.created_by is not None else LABELING
    while (begin := _begin(row) - result["bad"]) < len(lines):
        _invite_chunk(actor, row, lines[begin : begin + CHUNK])
    if RosterImport.objects.filter(pk=row.pk, state=State.INVITING).update(state=State.DONE):
        audit.record(LABELING, "member.invited_table", row.campaign.reference, lines=len(lines))
    _forget(job)


def _begin(row: RosterImport) -> int:
    return RosterImport.objects.values_list("done", flat=True).get(pk=row.pk)


@transaction.atomic
def _invite_chunk(actor: Actor, row: RosterImport, lines: list[Line]) -> None:
    """So many lines and the count of them, all or nothing, as long as the lead may invite people here."""
    require_lead(actor, row.campaign)
    require_unclosed(row.campaign, "invite people")
    locked = RosterImport.objects.select_for_update(of=("self",)).get(pk=row.pk)
    found = _invite_lines(actor, row.campaign, lines)
    locked.done += len(lines)
    locked.members += len(found.members)
    locked.accounts += len(found.accounts)
    locked.already += len(found.already)
    locked.bad += len(found.faults)
    locked.faults = sorted([*locked.faults, *map(list, found.faults)])
    if found.accounts:
        locked.links = [*locked.links, secrets.encrypt(json.dumps(found.accounts))]
    locked.save(update_fields=["done", "members", "accounts", "already", "bad", "faults", "links"])


def links(row: RosterImport) -> dict[str, str]:
    """Address → link to an account, empty where the person has an open invitation from elsewhere."""
    found: dict[str, str] = {}
    for part in row.links:
        found |= json.loads(secrets.decrypt(part))
    return found


def give_up(job: Job) -> None:
    """The job ended without a result, or could not go on. Who was invited stays so."""
    reason = (job.error or {}).get("message", "") or f"The job was {job.state}."
    moving = RosterImport.objects.filter(job=job, state__in=(State.CHECKING, State.INVITING))
    moving.update(state=State.FAILED, message=reason[:500])
    _forget(job)


def _forget(job: Job) -> None:
    """Addresses do not stay in the storage once they have been followed."""
    storage = Storage(settings.STORAGE)
    for key in (job.params["table"], rosterload.lines_key(job.prefix), rosterload.faults_key(job.prefix)):
        if storage.exists(key):
            storage.delete(key)


def _invite_lines(actor: Actor, campaign: Campaign, lines: Iterable[Line]) -> Invited:
    result = Invited()
    for line in lines:
        try:
            _invite_line(actor, campaign, line, result)
        except TilthError as error:
            result.faults.append((line.number, error.message))
    return result


@transaction.atomic
def _invite_line(actor: Actor, campaign: Campaign, line: Line, result: Invited) -> None:
    if line.fault:
        raise InvalidInput(line.fault)
    user = User.objects.filter(email__iexact=line.email).first()
    if user is not None:
        if campaign.members.filter(user=user).exclude(state=Member.State.LEFT).exists():
            result.already.append(line.email)
            return
        roster.invite(actor, campaign, user, weekly_minutes=line.weekly_minutes)
        roster.describe(user, line.fields)
        result.members.append(line.email)
        return
    _, made = RosterInvite.objects.update_or_create(
        campaign=campaign, email=line.email, defaults={"fields": line.fields, "invited_by": actor.user}
    )
    if not made:
        result.already.append(line.email)
        return
    result.accounts[line.email] = _invite_account(line)
    audit.record(actor, "member.invite_address", campaign.reference)


def _invite_account(line: Line) -> str:
    """The link to an account, empty where the person has an open invitation from elsewhere."""
    try:
        return invitations.invite(LABELING, line.email, Role.LABELER).link
    except Conflict:
        return ""
