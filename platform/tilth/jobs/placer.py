"""Chooses worker and devices for waiting jobs: higher priority first, then oldest.

It runs in whatever process has made room or work (a submit, an ended job, a new worker) and, as a safety
net, every few seconds in beat. Locking the workers' rows keeps two placers from choosing at once.
"""

import logging

from django.db import IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now
from kombu.exceptions import OperationalError

from tilth.jobs.capacity import Bench, Capacity
from tilth.jobs.celery import RUN_JOB, app
from tilth.jobs.models import DeviceLease, Job, JobState, Worker

logger = logging.getLogger(__name__)
AT_ONCE = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}
"""A kept connection may have died with an earlier broker: the second try uses a fresh one."""


def own_queue(worker_name: str) -> str:
    """The broker queue that only this worker reads."""
    return f"worker.{worker_name}"


def wake() -> None:
    """Place what can be placed and call the chosen workers. Do not call inside a transaction."""
    for job_id, worker_name in place():
        call(job_id, worker_name)


def call(job_id: int, worker_name: str) -> None:
    """Tell a worker to run a job. A broker that is away is no harm: the reaper calls again."""
    try:
        app.send_task(RUN_JOB, args=[job_id], queue=own_queue(worker_name), retry_policy=AT_ONCE)
    except OperationalError as error:
        logger.warning("job:%s is placed, but the broker is not reachable: %s", job_id, error)


@transaction.atomic
def place() -> list[tuple[int, str]]:
    """Bind waiting jobs to workers and devices; returns (job id, worker name) of each bound one."""
    capacity = Capacity.now(lock=True)
    placed = []
    for job in Job.objects.placeable() if capacity.benches else []:
        bench = capacity.bench_for(job)
        if bench is None:
            capacity.keep_devices_for(job)
        elif bind(job, bench):
            placed.append((job.pk, bench.worker.name))
    return placed


def bind(job: Job, bench: Bench) -> bool:
    """Give a queued job to a worker, with leases on its devices; False when somebody was faster."""
    devices = bench.give(job)
    try:
        with transaction.atomic():
            free = Job.objects.filter(pk=job.pk, state=JobState.QUEUED, placed_on=None)
            if not free.update(placed_on=bench.worker, placed_at=Now(), placement=F("placement") + 1):
                return False
            for device in devices:
                lease(job, bench.worker, device)
    except IntegrityError:
        # A device was lent out meanwhile; the job stays queued for the next round.
        return False
    return True


def lease(job: Job, worker: Worker, device: dict[str, str]) -> DeviceLease:
    """Lend a device; the database refuses a second live lease of the same device."""
    return DeviceLease.objects.create(
        job=job,
        worker=worker,
        host=worker.host,
        device=device["id"],
        device_name=device["name"],
        taken_at=Now(),
    )


@transaction.atomic
def unplace(job: Job) -> bool:
    """Take back a placement that its worker has not followed; False when it has, meanwhile."""
    same = Job.objects.filter(
        pk=job.pk, state=JobState.QUEUED, placed_on=job.placed_on, placement=job.placement
    )
    if not same.update(placed_on=None, placed_at=None):
        return False
    DeviceLease.objects.filter(job=job, attempt=None, freed_at=None).update(freed_at=Now())
    return True


def take_back(worker: Worker) -> None:
    """Free the queued jobs that wait for a worker which has gone, so that others can take them."""
    for job in Job.objects.filter(state=JobState.QUEUED, placed_on=worker):
        unplace(job)
