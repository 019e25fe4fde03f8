"""What the running workers could take now: the placer chooses from it, and job pages say why one waits."""

from dataclasses import dataclass
from typing import Any

from tilth.jobs.models import SUPERVISED, DeviceLease, Job, JobState, Worker

START_A_WORKER = "python manage.py worker"


@dataclass
class Bench:
    """One live worker with what it has free."""

    worker: Worker
    slots: int
    short_slots: int
    devices: list[dict[str, Any]]

    def has_slot(self, job: Job) -> bool:
        """Whether a slot of the job's sort is free."""
        return (self.short_slots if job.short else self.slots) > 0

    def give(self, job: Job) -> list[dict[str, Any]]:
        """Take a slot and the job's devices off what is free, and return the devices."""
        if job.short:
            self.short_slots -= 1
        else:
            self.slots -= 1
        given, self.devices = self.devices[: job.gpus], self.devices[job.gpus :]
        return given


@dataclass
class Capacity:
    """All live workers at one moment."""

    benches: list[Bench]
    leased: dict[str, int]

    @classmethod
    def now(cls, *, lock: bool = False) -> "Capacity":
        """Read the workers; ``lock`` keeps other placers out until the transaction ends."""
        workers = Worker.objects.live().order_by("pk")
        if lock:
            workers = workers.select_for_update()
        leased = dict(DeviceLease.objects.filter(freed_at=None).values_list("device", "job_id"))
        return cls([_bench(worker, leased) for worker in workers], leased)

    def bench_for(self, job: Job) -> Bench | None:
        """The worker with most room that can take the job now."""
        able = [b for b in self._serving(job) if b.has_slot(job) and len(b.devices) >= job.gpus]
        return max(able, key=lambda b: (b.slots - len(b.devices), -b.worker.pk), default=None)

    def keep_devices_for(self, job: Job) -> None:
        """Hold back the devices of one worker that could serve a waiting job, so that later ones do not starve it."""
        able = [b for b in self._serving(job) if len(b.worker.devices) >= job.gpus]
        if job.gpus and able:
            max(able, key=lambda b: len(b.devices)).devices = []

    def why_waiting(self, job: Job) -> str:
        """Why no worker can take the job now, and what to do; empty when one can."""
        if not self.benches:
            return f"No worker is running. Start one with: {START_A_WORKER}"
        serving = self._serving(job)
        if not serving:
            return (
                f"No running worker serves the queue “{job.queue}”. Start one with: "
                f"{START_A_WORKER} --queues {job.queue}"
            )
        most = max(len(b.worker.devices) for b in serving)
        if job.gpus > most:
            return (
                f"It needs {job.gpus} GPUs on one machine, and no running worker has more than {most}. "
                "Start a worker on a larger machine."
            )
        if job.gpus and all(len(b.devices) < job.gpus for b in serving):
            holders = ", ".join(f"job:{pk}" for pk in sorted(set(self.leased.values())))
            return f"It needs {job.gpus} free GPUs; they are in use by {holders}."
        if not any(b.has_slot(job) for b in serving):
            return "Every slot is busy."
        return ""

    def _serving(self, job: Job) -> list[Bench]:
        return [b for b in self.benches if job.queue in b.worker.queues]


def _bench(worker: Worker, leased: dict[str, int]) -> Bench:
    busy = Job.objects.filter(placed_on=worker, state__in=[JobState.QUEUED, *SUPERVISED])
    short = busy.filter(short=True).count()
    free = [device for device in worker.devices if device["id"] not in leased]
    return Bench(worker, worker.slots - busy.count() + short, worker.short_slots - short, free)
