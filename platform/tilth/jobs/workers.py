"""Worker processes: signing on under a name of their own, and signing off."""

import os
import socket
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from tilth.errors import Conflict
from tilth.jobs import devices
from tilth.jobs.models import Attempt, Worker
from tilth.jobs.processes import is_same_process, process_key
from tilth.jobs.version import code_version

MOST_PER_HOST = 1000


def sign_on(
    *,
    name: str = "",
    queues: Sequence[str] = ("default",),
    slots: int = 1,
    short_slots: int = 1,
    with_devices: bool = True,
) -> Worker:
    """Write this process down as a worker.

    Without a name it takes the first one that is free on this host: ``host``, ``host-2``, … A name is free
    when the process that last had it is gone. Raises :class:`Conflict` when the name asked for is taken.
    """
    host = socket.gethostname()
    fields = {
        "host": host,
        "pid": os.getpid(),
        "process_key": process_key(os.getpid()),
        "queues": list(queues),
        "slots": slots,
        "short_slots": short_slots,
        "devices": [device.to_json() for device in devices.discover()] if with_devices else [],
        "state": Worker.State.ONLINE,
        "code_version": code_version(),
    }
    names = [name] if name else [host, *(f"{host}-{n}" for n in range(2, MOST_PER_HOST))]
    for candidate in names:
        worker = _claim(candidate, fields)
        if worker is not None:
            return worker
    raise Conflict(f"A worker called {name or host!r} is running already; choose another name with --name.")


def sign_off(worker: Worker) -> None:
    """The process ends on purpose."""
    Worker.objects.filter(pk=worker.pk, pid=worker.pid, process_key=worker.process_key).update(
        state=Worker.State.OFFLINE
    )


def left_behind(worker: Worker) -> list[Attempt]:
    """Attempts that an earlier process under this worker's name had running when it died."""
    return list(Attempt.objects.filter(worker=worker, state=Attempt.State.RUNNING))


def _claim(name: str, fields: dict[str, object]) -> Worker | None:
    try:
        with transaction.atomic():
            worker = Worker.objects.create(name=name, started_at=Now(), heartbeat_at=Now(), **fields)
    except IntegrityError:
        earlier = Worker.objects.get(name=name)
        if not _is_gone(earlier):
            return None
        same = Worker.objects.filter(
            pk=earlier.pk, pid=earlier.pid, process_key=earlier.process_key, state=earlier.state
        )
        if not same.update(started_at=Now(), heartbeat_at=Now(), **fields):
            return None
        worker = earlier
    worker.refresh_from_db()
    return worker


def _is_gone(worker: Worker) -> bool:
    if worker.host == socket.gethostname():
        return not is_same_process(worker.pid, worker.process_key)
    return worker.state == Worker.State.OFFLINE or not Worker.objects.live().filter(pk=worker.pk).exists()
