"""``manage.py up``: the whole of Tilth on one machine under one supervisor (what ``make up`` runs)."""

import fcntl
import json
import os
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.errors import TilthError
from tilth.jobs import embedded
from tilth.jobs.broker import socket_path
from tilth.loop.processes import Child, Supervisor

READY_SECONDS = 90.0


class Command(BaseCommand):
    """Start the broker, the web server, a worker and beat; stop them all on Ctrl+C."""

    help = "Run Tilth on this machine: broker, web server, worker and scheduler under one supervisor."

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to listen."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        """Run until Ctrl+C."""
        if not 0 < port < 65536:
            raise CommandError(f"A port is a number from 1 to 65535, not {port}")
        if not settings.EMBEDDED:
            raise CommandError(
                "`up` runs the embedded mode; in production start the services of docker-compose.yml"
            )
        run = settings.VAR / "run"
        for folder in (run, *settings.SOURCE_ROOTS):
            folder.mkdir(parents=True, exist_ok=True)
        supervisor = Supervisor(run / "processes.json", settings.VAR / "log", self.say)
        with only_one(run / "up.lock", host, port):
            if cleared := supervisor.clear_leftovers():
                self.say(
                    f"Cleared away what an earlier run left behind ({cleared} process{'es' if cleared > 1 else ''})"
                )
            check_port(host, port)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, supervisor.ask_to_stop)
            broker = KeptBroker(socket_path(settings.REDIS_URL), self.say)
            try:
                broker.tend()
                self.bring_up(supervisor, host, port)
                supervisor.run(broker.tend)
            except TilthError as error:
                raise CommandError(error.message) from error
            finally:
                self.say("Stopping")
                supervisor.stop()
                broker.stop()
        self.say("Stopped")

    def bring_up(self, supervisor: Supervisor, host: str, port: int) -> None:
        """Prepare the database, then start each process and wait until the whole is ready."""
        self.say("Preparing the database")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("collectstatic", verbosity=0, interactive=False)
        self.say("Starting the web server, a worker and the scheduler")
        python = [sys.executable, str(settings.ROOT / "manage.py")]
        site = f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}"  # noqa: S104 - compared, not bound
        shared = {"TILTH_SITE_URL": os.environ.get("TILTH_SITE_URL", site), "PYTHONUNBUFFERED": "1"}
        path = os.pathsep.join([str(settings.ROOT), str(settings.ROOT / "platform")])
        web = {**shared, "TILTH_BIND": f"{host}:{port}", "PYTHONPATH": path}
        gunicorn = [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            str(settings.ROOT / "platform" / "gunicorn.conf.py"),
        ]
        supervisor.start(Child("web", gunicorn, web))
        supervisor.start(Child("worker", [*python, "worker"], shared, grace=40.0))
        supervisor.start(Child("beat", [*python, "beat"], shared))
        wait_ready(supervisor, f"{site}/readyz")
        if supervisor.stopping:
            return
        call_command("create_first_admin", stdout=self.stdout)
        self.say(f"Tilth is running at {site}   (Ctrl+C stops it; logs in {supervisor.logs})")

    def say(self, line: str) -> None:
        """Print a line at once, also when the output is a pipe."""
        self.stdout.write(line)
        self.stdout.flush()


class KeptBroker:
    """The embedded broker, started again when it dies; ``None`` for a path means that REDIS_URL names a server."""

    def __init__(self, path: Path | None, say: Callable[[str], None]) -> None:
        self.path = path
        self.say = say
        self.running: embedded.Broker | None = None

    def tend(self) -> None:
        """Start the broker if it is wanted and not there."""
        if self.path is None:
            return
        if self.running is not None and self.running.process.poll() is not None:
            self.say("The broker ended; starting it again")
            self.stop()
        if self.running is None:
            self.running = embedded.start(self.path)

    def stop(self) -> None:
        """End the broker, if this is its keeper."""
        if self.running is not None:
            self.running.stop()
            self.running = None


@contextmanager
def only_one(lock: Path, host: str, port: int) -> Iterator[None]:
    """Hold the lock of this installation; a lock whose holder was killed is free by itself."""
    handle = lock.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.seek(0)
        holder = json.loads(handle.read() or "{}")
        raise CommandError(
            f"Tilth already runs here (process {holder.get('pid', '?')}, {holder.get('url', '')}); stop it first"
        ) from None
    handle.seek(0)
    handle.truncate()
    handle.write(json.dumps({"pid": os.getpid(), "url": f"http://{host}:{port}"}))
    handle.flush()
    try:
        yield
    finally:
        handle.close()


def check_port(host: str, port: int) -> None:
    """Refuse early, in words, when somebody else listens on the port."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"Cannot listen on {host}:{port} ({error.strerror}); choose another port: make up PORT={port + 1}"
            ) from None


def wait_ready(supervisor: Supervisor, url: str) -> None:
    """Wait until every part answers; what is missing after a while is printed, and the start goes on failing."""
    end = time.monotonic() + READY_SECONDS
    missing = "the web server"
    while time.monotonic() < end and not supervisor.stopping:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except urllib.error.HTTPError as error:
            missing = error.read(2000).decode(errors="replace")
        except OSError:
            missing = "the web server"
        time.sleep(0.3)
    if not supervisor.stopping:
        raise CommandError(
            f"Tilth did not become ready in {READY_SECONDS:.0f} s; missing: {missing}. See {supervisor.logs}"
        )
