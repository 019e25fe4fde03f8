"""Runs a job in the foreground, or follows it while a worker runs it: for commands that wait.

A process that runs a job here is a worker for that long: it signs on, beats, and holds the same fences.
"""

import os
import socket
import sys
import time
from collections.abc import Callable

from django.conf import settings

from tilth.accounts.actors import Actor
from tilth.errors import Conflict
from tilth.jobs import actions, fencing, placer, workers
from tilth.jobs.capacity import Bench, Capacity
from tilth.jobs.models import Attempt, DeviceLease, Job, JobState, Worker
from tilth.jobs.runtime import Runtime, working_as
from tilth.jobs.supervisor import supervise

Watch = Callable[[Job], None]


def run_inline(job: Job, watch: Watch | None = None) -> Job:
    """Run a queued job here to its end, all its attempts; where a worker was faster, follow it there.

    ``watch(job)`` is called with the fresh job while it runs; Ctrl+C cancels a job that runs here. Raises
    :class:`Conflict` when the job needs devices that are not free on this machine.
    """
    short_lived = f"{socket.gethostname()}-inline-{os.getpid()}-{job.pk}"
    worker = workers.sign_on(name=short_lived, queues=(), slots=0, short_slots=0)
    try:
        with working_as(worker) as here:
            return _attempts(job, here, watch)
    finally:
        worker.delete()


def follow(job: Job, watch: Watch | None = None) -> Job:
    """Wait until a job has ended or is paused, calling ``watch(job)`` with the fresh job."""
    while True:
        job.refresh_from_db()
        if watch:
            watch(job)
        if not job.is_moving:
            return job
        time.sleep(settings.JOBS_POLL_SECONDS)


def run_or_follow(job: Job, watch: Watch | None = None) -> Job:
    """Follow the job if a worker can take it some time, else run it here."""
    able = [bench for bench in Capacity.now().benches if job.queue in bench.worker.queues]
    return follow(job, watch) if able else run_inline(job, watch)


def print_progress(job: Job) -> None:
    """A ``watch`` for terminals: one line on stderr that is written over."""
    line = f"{job.state:<10} {job.progress:6.1%}  {job.stage}  {job.message}"
    end = "\r" if sys.stderr.isatty() and job.is_moving else "\n"
    print(f"{line:<100.100}", end=end, file=sys.stderr, flush=True)


def _attempts(job: Job, here: Runtime, watch: Watch | None) -> Job:
    def tick() -> None:
        if watch:
            job.refresh_from_db()
            watch(job)

    while attempt := _take_over(job, here.worker):
        try:
            supervise(attempt, here.heart, here.going_away, tick)
        except KeyboardInterrupt:
            _cancel_by_hand(job)
            raise
    return follow(job, watch)


def _take_over(job: Job, worker: Worker) -> Attempt | None:
    """Take a queued job even from the worker it was placed on; ``None`` when that one has begun or it has ended."""
    job.refresh_from_db()
    if job.state != JobState.QUEUED or (job.placed_on is not None and not placer.unplace(job)):
        return None
    leased = set(DeviceLease.objects.filter(freed_at=None).values_list("device", flat=True))
    free = [device for device in worker.devices if device["id"] not in leased]
    if len(free) < job.gpus:
        raise Conflict(f"{job.reference} needs {job.gpus} free GPUs; this machine has {len(free)}.")
    bound = placer.bind(job, Bench(worker, 1, 1, free))
    return fencing.take(job.pk, worker) if bound else None


def _cancel_by_hand(job: Job) -> None:
    # Its supervision ended with the interrupt and has killed the program; what is left is to say so.
    job.refresh_from_db()
    if job.state in (JobState.RUNNING, JobState.QUEUED):
        actions.cancel(Actor.system("command line"), job)
    attempt = job.attempts.filter(state="running").first()
    if attempt is not None:
        fencing.stop(attempt, None, "Interrupted on the command line.")
