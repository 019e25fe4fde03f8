"""Giving devices back: only when the program's process group is known to be dead."""

from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from tilth.jobs.models import Attempt, DeviceLease, JobState, Worker
from tilth.jobs.processes import group_is_dead, is_same_process, kill_group


def free(attempt: Attempt) -> None:
    """Free what an attempt held; for its supervisor, which has seen the group die."""
    DeviceLease.objects.filter(attempt=attempt, freed_at=None).update(freed_at=Now())


def sweep(worker: Worker) -> int:
    """Free what dead attempts of this host still hold, killing what is left of them; returns how many."""
    freed = 0
    for lease in _abandoned().filter(host=worker.host).select_related("attempt"):
        if lease.attempt is None or _ensure_dead(lease.attempt):
            freed += DeviceLease.objects.filter(pk=lease.pk, freed_at=None).update(freed_at=Now())
    return freed


def _abandoned() -> QuerySet[DeviceLease]:
    never_taken = Q(attempt=None) & ~Q(job__state=JobState.QUEUED)
    ended = Q(attempt__isnull=False) & ~Q(attempt__state=Attempt.State.RUNNING)
    return DeviceLease.objects.filter(never_taken | ended, freed_at=None)


def _ensure_dead(attempt: Attempt) -> bool:
    if attempt.pid is None:
        # Its supervisor died before it wrote the number down: the program ended with the pipe.
        return True
    if is_same_process(attempt.pid, attempt.process_key):
        kill_group(attempt.pid)
    return group_is_dead(attempt.pid, attempt.process_key)
