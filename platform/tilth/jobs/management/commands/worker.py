"""``manage.py worker``: run jobs on this machine until stopped."""

import sys
from argparse import ArgumentParser
from typing import Any

from celery.signals import worker_ready, worker_shutting_down
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from tilth.errors import TilthError
from tilth.jobs import placer, workers
from tilth.jobs.celery import app
from tilth.jobs.runtime import Runtime, working_as


class Command(BaseCommand):
    """Signs on as a worker, then reads its own queue with one thread per slot.

    Threads, not processes: a slot only watches a program of its own session, so it needs neither a core
    nor a memory space, and one process has one heart and one pipe end per program to die with.
    """

    help = "Run jobs on this machine until stopped (Ctrl+C gives running jobs back to the queue)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The worker's name, the queues it serves and how many jobs it runs at once."""
        parser.add_argument("--name", default="", help="default: this host's name")
        parser.add_argument("--queues", default="default,gpu", help="job queues to serve, comma-separated")
        parser.add_argument("--slots", type=int, default=2, help="jobs at once (default 2)")
        parser.add_argument("--short-slots", type=int, default=2, help="short jobs at once, beside those")

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until a signal ends the process."""
        slots, short_slots = options["slots"], options["short_slots"]
        if slots < 0 or short_slots < 0 or slots + short_slots == 0:
            raise CommandError("--slots and --short-slots must not be negative, and not both zero.")
        _make_room(slots + short_slots)
        queues = [queue.strip() for queue in options["queues"].split(",") if queue.strip()]
        try:
            worker = workers.sign_on(
                name=options["name"], queues=queues, slots=slots, short_slots=short_slots
            )
        except TilthError as error:
            raise CommandError(error.message) from error
        with working_as(worker) as here:
            sys.exit(_consume(here, slots + short_slots))


def _make_room(threads: int) -> None:
    """Each slot's thread keeps a database connection, and so do the heart and the consumer."""
    pool = connection.settings_dict.get("OPTIONS", {}).get("pool")
    if isinstance(pool, dict):
        pool["max_size"] = max(pool["max_size"], threads + 2)


def _consume(here: Runtime, threads: int) -> int:
    def stopping(**_: object) -> None:
        here.announce_stop()

    def ready(**_: object) -> None:
        placer.wake()

    worker_shutting_down.connect(stopping)
    worker_ready.connect(ready)
    consumer = app.Worker(
        hostname=f"tilth@{here.worker.name}",
        queues=[placer.own_queue(here.worker.name)],
        pool="threads",
        concurrency=threads,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    consumer.start()
    return consumer.exitcode or 0
