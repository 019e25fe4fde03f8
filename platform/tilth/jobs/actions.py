"""What people and programs do with jobs. (What an attempt writes is in ``fencing.py``.)"""

import json
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.jobs import placer, registry
from tilth.jobs.ending import settle
from tilth.jobs.models import DeviceLease, Job, JobState
from tilth.jobs.version import code_version


@transaction.atomic
def submit(
    actor: Actor,
    kind: str,
    params: dict[str, Any],
    *,
    title: str = "",
    idempotency_key: str | None = None,
    priority: int = 0,
    gpus: int | None = None,
) -> Job:
    """Queue a job; with a key that was used before for this kind, return that earlier job instead."""
    spec = registry.get(kind)
    require(actor, spec.permission)
    try:
        json.dumps(params, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"The job's parameters cannot be kept as JSON: {error}", field="params") from error
    fields = {
        "kind": kind,
        "title": title[:200],
        "params": params,
        "params_version": spec.params_version,
        "priority": priority,
        "gpus": spec.gpus if gpus is None else gpus,
        "queue": spec.queue,
        "short": spec.short,
        "max_attempts": spec.max_attempts,
        "created_by": actor.user,
        "code_version": code_version(),
    }
    job, made = _create_once(idempotency_key, fields)
    if job.kind != kind:
        raise Conflict(f"The key {idempotency_key!r} belongs to {job.reference}, which is of another kind.")
    if made:
        audit.record(actor, "job.submit", job.reference, kind=kind)
        transaction.on_commit(placer.wake)
    return job


@transaction.atomic
def cancel(actor: Actor, job: Job) -> Job:
    """End a job for good. What waits is cancelled at once; what runs is asked to stop, then killed."""
    require(actor, "jobs.control")
    waiting = _move(job, JobState.CANCELLED, JobState.QUEUED, JobState.PAUSED, finished_at=Now())
    if not waiting and not _move(job, JobState.CANCELLING, JobState.RUNNING, JobState.PAUSING):
        raise _refused(job, "cancelled")
    if waiting:
        _forget_placement(job)
        transaction.on_commit(lambda: settle(job.pk))
    return _recorded(actor, "job.cancel", job)


@transaction.atomic
def pause(actor: Actor, job: Job) -> Job:
    """Stop a job so that it can go on later from what it has stored."""
    require(actor, "jobs.control")
    waiting = _move(job, JobState.PAUSED, JobState.QUEUED)
    if not waiting and not _move(job, JobState.PAUSING, JobState.RUNNING):
        raise _refused(job, "paused")
    if waiting:
        _forget_placement(job)
    return _recorded(actor, "job.pause", job)


@transaction.atomic
def resume(actor: Actor, job: Job) -> Job:
    """Queue a paused job again; the new attempt does not count against the job's attempts."""
    require(actor, "jobs.control")
    if not _move(job, JobState.QUEUED, JobState.PAUSED, available_at=Now()):
        raise _refused(job, "resumed")
    transaction.on_commit(placer.wake)
    return _recorded(actor, "job.resume", job)


@transaction.atomic
def retry(actor: Actor, job: Job) -> Job:
    """Queue a failed or cancelled job again, with all its attempts; finished shards are kept."""
    require(actor, "jobs.control")
    fresh = {"failures": 0, "error": None, "result": None, "finished_at": None, "settled": False}
    if not _move(job, JobState.QUEUED, JobState.FAILED, JobState.CANCELLED, available_at=Now(), **fresh):
        raise _refused(job, "retried")
    transaction.on_commit(placer.wake)
    return _recorded(actor, "job.retry", job)


@transaction.atomic
def set_control(actor: Actor, job: Job, **knobs: Any) -> Job:
    """Set live knobs, which the program reads while it runs; a knob set to ``None`` is taken away."""
    require(actor, "jobs.control")
    current = Job.objects.select_for_update().get(pk=job.pk)
    if current.is_ended:
        raise Conflict(f"{current.reference} has ended; there is nothing left to control.")
    merged = {**current.control, **knobs}
    control = {name: value for name, value in merged.items() if value is not None}
    if len(str(control)) > 10_000:
        raise InvalidInput("The knobs of one job may take 10,000 characters at most.", field="control")
    Job.objects.filter(pk=job.pk).update(control=control)
    return _recorded(actor, "job.control", job, **knobs)


@transaction.atomic
def free_lease(actor: Actor, lease: DeviceLease) -> DeviceLease:
    """Give a device back by hand, when its host is gone and nobody can see whether the program is dead."""
    require(actor, "jobs.control")
    held = lease.attempt is not None and lease.attempt.state == "running"
    freed = not held and DeviceLease.objects.filter(pk=lease.pk, freed_at=None).update(freed_at=Now())
    if not freed:
        raise Conflict(f"{lease.device} is in use or free already; cancel {lease.job.reference} instead.")
    audit.record(actor, "device.free", lease.job.reference, device=lease.device)
    transaction.on_commit(placer.wake)
    lease.refresh_from_db()
    return lease


def _create_once(key: str | None, fields: dict[str, Any]) -> tuple[Job, bool]:
    # The unique key decides; looking first would leave a gap between the look and the write.
    try:
        with transaction.atomic():
            return Job.objects.create(idempotency_key=key, **fields), True
    except IntegrityError:
        earlier = Job.objects.filter(idempotency_key=key).first() if key else None
        if earlier is None:
            raise
        return earlier, False


def _move(job: Job, to: JobState, *sources: JobState, **fields: Any) -> bool:
    return bool(Job.objects.filter(pk=job.pk, state__in=sources).update(state=to, **fields))


def _forget_placement(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(placed_on=None, placed_at=None)
    DeviceLease.objects.filter(job=job, attempt=None, freed_at=None).update(freed_at=Now())


def _refused(job: Job, verb: str) -> Conflict:
    state = Job.objects.values_list("state", flat=True).get(pk=job.pk)
    hint = " It will be done in a moment." if state == JobState.PUBLISHING else ""
    return Conflict(f"{job.reference} is {state} and cannot be {verb} now.{hint}")


def _recorded(actor: Actor, verb: str, job: Job, **data: Any) -> Job:
    audit.record(actor, verb, job.reference, **data)
    job.refresh_from_db()
    return job
