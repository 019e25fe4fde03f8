"""The heart of a worker process: one thread that keeps its row and its attempts alive in the database.

An attempt whose beat is refused has been given up by the reaper; its supervisor is told at once.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, InterfaceError, close_old_connections, connection
from django.db.models.functions import Now

from tilth.jobs import fencing, leases
from tilth.jobs.models import Attempt, Worker

logger = logging.getLogger(__name__)


class Heart(threading.Thread):
    """Beats every ``JOBS_HEARTBEAT_SECONDS`` until stopped."""

    def __init__(self, worker: Worker) -> None:
        super().__init__(name="heart", daemon=True)
        self.worker = worker
        self._watched: dict[int, tuple[Attempt, threading.Event]] = {}
        self._guard = threading.Lock()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Beat until stopped; a database that is away for a while is no reason to die."""
        while not self._stopped.wait(settings.JOBS_HEARTBEAT_SECONDS):
            close_old_connections()
            try:
                self.beat()
            except (DatabaseError, InterfaceError) as error:
                logger.warning("heartbeat not written, trying again: %s", error)
                connection.close()
        connection.close()

    def stop(self) -> None:
        """End the thread and wait for it."""
        self._stopped.set()
        if self.is_alive():
            self.join()

    def beat(self) -> None:
        """One beat: the worker's row, every watched attempt, and devices that dead attempts still hold."""
        state = Worker.State.STOPPING if self.worker.state == Worker.State.STOPPING else Worker.State.ONLINE
        Worker.objects.filter(pk=self.worker.pk).update(heartbeat_at=Now(), state=state)
        with self._guard:
            watched = list(self._watched.values())
        for attempt, lost in watched:
            try:
                fencing.hold(attempt)
            except fencing.Superseded:
                lost.set()
        leases.sweep(self.worker)

    @contextmanager
    def watching(self, attempt: Attempt) -> Iterator[threading.Event]:
        """Keep an attempt alive; the event is set when somebody has given it up for lost."""
        lost = threading.Event()
        with self._guard:
            self._watched[attempt.pk] = (attempt, lost)
        try:
            yield lost
        finally:
            with self._guard:
                del self._watched[attempt.pk]
