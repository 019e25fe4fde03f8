"""This process as a worker: its row, its heart, and whether it is about to go."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tilth.jobs import leases, placer, reaper, workers
from tilth.jobs.heart import Heart
from tilth.jobs.models import Worker


@dataclass
class Runtime:
    """What tasks need to know of the worker that runs them."""

    worker: Worker
    heart: Heart
    going_away: threading.Event = field(default_factory=threading.Event)

    def announce_stop(self) -> None:
        """Take no more jobs and give the running ones back; safe to call in a signal handler."""
        self.worker.state = Worker.State.STOPPING
        self.going_away.set()


_current: Runtime | None = None


def current() -> Runtime:
    """The runtime of this worker process."""
    if _current is None:
        raise RuntimeError("this process is no worker; start one with: python manage.py worker")
    return _current


@contextmanager
def working_as(worker: Worker) -> Iterator[Runtime]:
    """Be this worker until the block ends: beat, and clear up what an earlier process of the name left."""
    global _current
    reaper.give_up(workers.left_behind(worker), "Its worker process died.")
    leases.sweep(worker)
    _current = Runtime(worker, Heart(worker))
    _current.heart.start()
    try:
        yield _current
    finally:
        _current.heart.stop()
        workers.sign_off(worker)
        # A job that was given back may have been placed here again before the sign-off was seen.
        placer.take_back(worker)
        _current = None
        placer.wake()
