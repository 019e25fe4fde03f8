"""The engine of one machine: spawned processes, each with one task at a time, all replaceable.

A worker that dies takes only its task with it: the task goes back in line and a new worker is started.
One that was ended for burning its CPU time on a document has left the document's offset in shared
memory: that document is left out when the task is done again. Workers die with their supervisor.
"""

import ctypes
import errno
import heapq
import multiprocessing as mp
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from curation.pipeline.engines.base import READING, Control, Failure, Listener, Outcome, Stopped, Watch, give
from tilth.errors import TilthError

ATTEMPTS = 3
KILLS = 100
CPU_LIMIT = 120.0
"""Seconds of CPU time for one document: far beyond ten times the dearest page that the guards admit."""

_POLL = 0.2
_FULL = {errno.ENOSPC, errno.EDQUOT}


@dataclass(slots=True)
class _Ticket:
    """An item in line."""

    position: int
    item: Any
    attempts: int = 0
    skip: frozenset[int] = frozenset()


@dataclass(slots=True)
class _Worker:
    """A living process, the pipe to it, and what it works on."""

    process: Any
    pipe: Connection
    place: Any
    ticket: _Ticket | None = None


@dataclass
class LocalEngine:
    """Processes of this machine (see :class:`curation.pipeline.engines.base.Engine`).

    ``control.workers()`` is asked all the time: fewer let workers end with their task, more start some.
    """

    control: Control
    cpu_limit: float = CPU_LIMIT
    retry_delay: float = 2.0
    _workers: list[_Worker] = field(default_factory=list)

    def map(
        self,
        function: Callable[[Any, Watch], Any],
        items: Sequence[Any],
        *,
        on_done: Listener | None = None,
        on_news: Listener | None = None,
    ) -> Outcome:
        """Run the task for every item (see :class:`curation.pipeline.engines.base.Engine`)."""
        line = _Line([_Ticket(position, item) for position, item in enumerate(items)], self.retry_delay)
        while line.open:
            if self.control.stopping():
                self.close()
                raise Stopped("stopped before the end; start it again to continue")
            self._staff(line)
            for worker in self._ready():
                self._attend(worker, function, line, on_done, on_news)
            self._hand_out(function, line)
        return line.outcome

    def close(self) -> None:
        """End all workers at once."""
        for worker in self._workers:
            worker.process.kill()
        for worker in self._workers:
            worker.process.join()
            worker.pipe.close()
        self._workers.clear()

    def _staff(self, line: "_Line") -> None:
        """Start workers as far as wanted and useful; dismiss idle ones beyond what is wanted."""
        wanted = max(1, self.control.workers())
        while len(self._workers) < min(wanted, line.open):
            self._workers.append(_start(self.cpu_limit))
        for worker in [w for w in self._workers if w.ticket is None][: max(0, len(self._workers) - wanted)]:
            worker.pipe.send(None)
            self._workers.remove(worker)
            worker.process.join()

    def _hand_out(self, function: Callable[[Any, Watch], Any], line: "_Line") -> None:
        busy = sum(worker.ticket is not None for worker in self._workers)
        for worker in self._workers:
            if worker.ticket is None and busy < max(1, self.control.workers()):
                worker.ticket = line.next()
                if worker.ticket is None:
                    return
                busy += 1
                # One that died while idle is noticed, and its item handed out again, at the next look.
                with suppress(BrokenPipeError, ConnectionResetError):
                    worker.pipe.send((function, worker.ticket.item, worker.ticket.skip))

    def _ready(self) -> list[_Worker]:
        """Workers that have something to say or have died, after a short wait at most."""
        sentinels = [worker.process.sentinel for worker in self._workers]
        ready = set(wait([*(worker.pipe for worker in self._workers), *sentinels], timeout=_POLL))
        return [w for w in self._workers if w.pipe in ready or w.process.sentinel in ready]

    def _attend(
        self,
        worker: _Worker,
        function: Callable[[Any, Watch], Any],
        line: "_Line",
        on_done: Listener | None,
        on_news: Listener | None,
    ) -> None:
        try:
            word, value = worker.pipe.recv()
        except (EOFError, OSError):
            self._bury(worker, line)
            return
        ticket = worker.ticket
        if ticket is None:
            return
        if word == "news":
            if on_news:
                on_news(ticket.position, value)
            return
        worker.ticket = None
        if word == "done":
            line.open -= 1
            give(line.outcome, ticket.position, value, on_done)
        elif value.code == "disk_full":
            self.close()
            raise TilthError(value.reason, code="disk_full", status=507, retryable=True)
        else:
            line.failed(ticket, value)

    def _bury(self, worker: _Worker, line: "_Line") -> None:
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        if worker.ticket is not None:
            line.died(worker.ticket, int(worker.process.exitcode or 0), int(worker.place[0]))


class _Line:
    """The items that wait, and what became of the others."""

    def __init__(self, tickets: list[_Ticket], retry_delay: float) -> None:
        self.outcome = Outcome()
        self.open = len(tickets)
        self._retry_delay = retry_delay
        self._waiting = [(0.0, ticket.position, ticket) for ticket in tickets]
        heapq.heapify(self._waiting)

    def next(self) -> _Ticket | None:
        """The next item whose time has come."""
        if self._waiting and self._waiting[0][0] <= time.monotonic():
            return heapq.heappop(self._waiting)[2]
        return None

    def failed(self, ticket: _Ticket, failure: Failure) -> None:
        """The task said it failed: again later if that can help."""
        ticket.attempts += 1
        if failure.retryable and ticket.attempts < ATTEMPTS:
            self._again(ticket, self._retry_delay * 2 ** (ticket.attempts - 1))
            return
        self.open -= 1
        self.outcome.failed[ticket.position] = Failure(
            failure.reason, failure.code, failure.retryable, ticket.attempts
        )

    def died(self, ticket: _Ticket, exit_code: int, offset: int) -> None:
        """The worker died at this item: leave out the document that burned its time, else try again."""
        if exit_code == -signal.SIGPROF and offset != READING and len(ticket.skip) < KILLS:
            ticket.skip |= {offset}
            self._again(ticket, 0.0)
            return
        at = "" if offset == READING else f" at offset {offset}"
        name = signal.Signals(-exit_code).name if exit_code < 0 else f"exit status {exit_code}"
        self.failed(ticket, Failure(f"the worker died ({name}){at}", "worker_died", retryable=True))

    def _again(self, ticket: _Ticket, delay: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + delay if delay else 0.0, ticket.position, ticket))


def _start(cpu_limit: float) -> _Worker:
    context = mp.get_context("spawn")
    here, there = context.Pipe()
    place = context.RawArray("q", [READING])
    process = context.Process(target=_work, args=(there, place, cpu_limit, os.getpid()), daemon=True)
    process.start()
    there.close()
    return _Worker(process, here, place)


def _work(pipe: Connection, place: Any, cpu_limit: float, supervisor: int) -> None:
    """A worker's life: take a task, do it, say how it went."""
    # The supervisor alone decides when a worker ends; a signal to the whole group is meant for it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _die_with(supervisor)
    while True:
        try:
            message = pipe.recv()
        except EOFError:
            return
        if message is None:
            return
        function, item, skip = message
        place[0] = READING
        watch = Watch(place, lambda value: pipe.send(("news", value)), skip, cpu_limit)
        try:
            answer = ("done", function(item, watch))
        except Exception as error:  # whatever a task raises is reported by its item
            answer = ("failed", describe(error))
        pipe.send(answer)


def describe(error: Exception) -> Failure:
    """What to tell people about a task's error, and whether another try can help."""
    if isinstance(error, TilthError):
        return Failure(error.message, error.code, error.retryable)
    if isinstance(error, OSError) and error.errno in _FULL:
        return Failure(f"the disk is full: {error}; free some space and start again", "disk_full")
    if isinstance(error, OSError | MemoryError):
        return Failure(f"{type(error).__name__}: {error}", "system", retryable=True)
    where = "".join(traceback.format_exception(error)[-3:])
    return Failure(f"a bug in Tilth or a step: {where}", "bug")


def _die_with(supervisor: int) -> None:
    """End this process when its supervisor is gone, however that went."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    def watch() -> None:
        while os.getppid() == supervisor:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, name="supervisor-watch", daemon=True).start()
