"""Finds what was lost: attempts without a heartbeat, wake-up calls nobody followed, ends nobody dealt with.

It runs in beat every few seconds and at a worker's start. Two reapers at once do no harm: each step is a
compare-and-set, and whoever comes second finds nothing to do.
"""

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.db.models import Q
from django.db.models.functions import Now

from tilth.jobs import fencing, placer, registry
from tilth.jobs.ending import settle_logged
from tilth.jobs.models import Attempt, DeviceLease, Job, JobState, Worker

logger = logging.getLogger(__name__)

KEEP_WORKERS = timedelta(days=7)


def reap() -> None:
    """One round over everything that can be lost."""
    give_up(_silent_attempts(), "Its worker fell silent.")
    _mark_silent_workers()
    _take_back_unanswered()
    _settle_ends()
    placer.wake()
    _make_rounds()


def give_up(attempts: Iterable[Attempt], reason: str) -> None:
    """Declare attempts lost; their jobs are queued again until their attempts run out."""
    for attempt in attempts:
        try:
            state = fencing.lose(attempt, reason)
        except fencing.Superseded:
            continue
        logger.warning("%s is lost (%s); the job is now %s", attempt, reason, state)
        settle_logged(attempt.job_id)


def _silent_attempts() -> Iterable[Attempt]:
    return Attempt.objects.filter(
        state=Attempt.State.RUNNING, heartbeat_at__lt=_ago(settings.JOBS_LOST_SECONDS)
    )


def _mark_silent_workers() -> None:
    silent = Worker.objects.exclude(state=Worker.State.OFFLINE)
    silent.filter(heartbeat_at__lt=_ago(settings.JOBS_LOST_SECONDS)).update(state=Worker.State.OFFLINE)
    forgotten = Worker.objects.filter(state=Worker.State.OFFLINE, heartbeat_at__lt=Now() - KEEP_WORKERS)
    lending = DeviceLease.objects.filter(freed_at=None).exclude(worker=None).values("worker")
    forgotten.exclude(pk__in=lending).delete()


def _take_back_unanswered() -> None:
    placed = Job.objects.filter(state=JobState.QUEUED).exclude(placed_on=None)
    late = Q(placed_at__lt=_ago(settings.JOBS_RESEND_SECONDS))
    gone = ~Q(placed_on__in=Worker.objects.live())
    for job in placed.filter(late | gone):
        placer.unplace(job)


def _settle_ends() -> None:
    ended = Job.objects.filter(state__in=[JobState.FAILED, JobState.CANCELLED], settled=False)
    for job_id in ended.filter(finished_at__lt=_ago(settings.JOBS_HEARTBEAT_SECONDS)).values_list(
        "pk", flat=True
    ):
        settle_logged(job_id)


def _make_rounds() -> None:
    for name, act in registry.rounds().items():
        try:
            act()
        except (DatabaseError, InterfaceError):
            raise
        except Exception:
            logger.exception("the round %s failed; it is made again", name)


def _ago(seconds: float) -> object:
    return Now() - timedelta(seconds=seconds)
