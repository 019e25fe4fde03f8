"""Labelers who work without a pause: claim, draft, submit, over HTTP against a real server and database.

    DATABASE_URL=postgres://… TILTH_MODE=embedded python bench/labeling_load.py --tasks 1000000 --labelers 50

Uses a database of its own beside the one named (``…_bench``), which it makes anew. Prints throughput,
latencies and the CPU of server, database and load generator, told apart; asserts nothing.
"""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
TICK = os.sysconf("SC_CLK_TCK")


def own_database(url: str) -> str:
    """A fresh database beside the one named."""
    if url.startswith("sqlite") or not url:
        path = Path("/tmp/tilth-bench.sqlite3")
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        return f"sqlite:///{path}"
    import psycopg

    name = f"{urlsplit(url).path.strip('/') or 'tilth'}_bench"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def cpu_of(pids: list[int]) -> float:
    """Seconds of CPU that processes have used, their ended children included."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total / TICK


def memory_of(pids: list[int]) -> float:
    """Resident megabytes of processes."""
    pages = 0
    for pid in pids:
        try:
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def family(root: int) -> list[int]:
    """A process and everything below it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        try:
            waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        except OSError:
            continue
    return found


def database_pids() -> list[int]:
    """PostgreSQL's processes on this machine, if it runs here."""
    found = subprocess.run(["pgrep", "-x", "postgres"], capture_output=True, text=True, check=False)
    return [int(pid) for pid in found.stdout.split()]


def seed(tasks: int, labelers: int) -> tuple[int, list[str]]:
    """A live campaign with so many comparisons, and a signed-in session for each labeler."""
    from django.db import transaction
    from django.test import Client

    from labeling import bulk
    from labeling.models.campaigns import Campaign, Member
    from labeling.models.guidelines import Guideline, GuidelineVersion
    from labeling.models.tasks import Task
    from labeling.protocol.registry import kind_of
    from tilth.accounts.models import Role, User

    guideline = Guideline.objects.create(name="bench", title="Bench", last_number=1)
    version = GuidelineVersion.objects.create(guideline=guideline, number=1, source="#", clauses=[])
    kind = kind_of("preference")
    campaign = Campaign.objects.create(
        name="bench", title="Bench", kind="preference", state="live", guideline=version,
        schema=kind.default_schema(), overlap=2, review_rate=0.1, tasks_made=tasks,
    )  # fmt: skip
    prompt = "Explain to a patient how this medicine works and what to watch out for. " * 6
    answers = [
        {"messages": json.dumps([{"role": "assistant", "content": text * 30}]), "model": model}
        for text, model in (("It blocks an enzyme. ", "a"), ("It binds to a receptor. ", "b"))
    ]
    payload = json.dumps({"messages": [{"role": "user", "content": prompt}]})
    like = Task(campaign=campaign, overlap=2)
    for start in range(0, tasks, 10_000):
        rows = [
            {"position": n + 1, "key": f"{n:032x}", "topic": f"topic {n % 20}", "payload": payload, "candidates": answers}
            for n in range(start, min(start + 10_000, tasks))
        ]  # fmt: skip
        with transaction.atomic():
            bulk.store(like, rows)
    cookies = []
    for n in range(labelers):
        user = User.objects.create(email=f"labeler{n}@example.org", name=f"Labeler {n}", role=Role.LABELER)
        Member.objects.create(campaign=campaign, user=user, state=Member.State.ACTIVE)
        client = Client()
        client.force_login(user, backend="tilth.accounts.backends.AuthenticationBackend")
        cookies.append(client.cookies["sessionid"].value)
    return campaign.pk, cookies


class Labeler(threading.Thread):
    """One person without think time, on one persistent connection."""

    def __init__(self, port: int, campaign: int, cookie: str, until: float) -> None:
        super().__init__(daemon=True)
        self.campaign, self.until = campaign, until
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        token = "b" * 32
        self.headers = {
            "Content-Type": "application/json",
            "Cookie": f"sessionid={cookie}; csrftoken={token}",
            "X-CSRFToken": token,
            "Referer": f"http://127.0.0.1:{port}/",
        }
        self.times: dict[str, list[float]] = {"claim": [], "draft": [], "submit": []}
        self.errors: list[str] = []
        self.stalls: list[float] = []

    def ask(self, what: str, path: str, body: dict) -> dict:
        """One request, timed."""
        begun = time.perf_counter()
        self.connection.request("POST", path, json.dumps(body), self.headers)
        response = self.connection.getresponse()
        text = response.read()
        self.times[what].append(time.perf_counter() - begun)
        if response.status != 200:
            raise RuntimeError(f"{what}: {response.status} {text[:200]!r}")
        return json.loads(text)

    def run(self) -> None:
        """Until the time is over or nothing is left."""
        number = 0
        try:
            while time.monotonic() < self.until:
                held = self.ask("claim", f"/labeling/ahead/{self.campaign}/", {})
                if not held["url"]:
                    return
                number += 1
                base = held["url"].partition("?")[0].rstrip("/")
                payload = {
                    "grade": "A:2",
                    "marks": {"helpful": "A"},
                    "reason": "It answers what was asked.",
                    "clauses": [],
                }
                save = {
                    "token": held["token"],
                    "payload": payload,
                    "tab": "t",
                    "inputs": {"typed": 26},
                    "active": 0,
                    "idle": 0,
                }
                answer = self.ask("draft", f"{base}/draft/", {**save, "revision": held["revision"]})
                key = f"{self.name}-{number}-{held['id']}"[:64]
                self.ask(
                    "submit",
                    f"{base}/submit/",
                    {**save, "revision": answer["revision"], "key": key, "next": False},
                )
        except (RuntimeError, OSError, http.client.HTTPException) as error:
            self.errors.append(str(error))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(port: int, workers: int) -> None:
    """Until the server has answered so often that every worker must have woken up."""
    answered, until = 0, time.monotonic() + 120
    while answered < 10 * workers and time.monotonic() < until:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request("GET", "/healthz")
            answered += connection.getresponse().status == 200
            connection.close()
        except OSError:
            time.sleep(0.2)
    time.sleep(3)


def quantile(values: list[float], share: float) -> float:
    """Milliseconds."""
    return 1000 * statistics.quantiles(values, n=1000)[round(share * 1000) - 1] if len(values) > 1 else 0.0


def report(labelers: list[Labeler], seconds: float, cpu: dict[str, float], memory: float) -> None:
    """Print what was measured."""
    done = sum(len(labeler.times["submit"]) for labeler in labelers)
    print(f"annotations        {done:,} in {seconds:.1f} s = {done / seconds:.1f} a second")
    for what in ("claim", "draft", "submit"):
        times = [t for labeler in labelers for t in labeler.times[what]]
        row = "   ".join(f"p{round(100 * q)} {quantile(times, q):7.1f} ms" for q in (0.5, 0.95, 0.99))
        print(f"{what:<18} {row}")
    for name, used in cpu.items():
        print(
            f"CPU {name:<14} {1000 * used / max(1, done):.2f} ms an annotation ({used / seconds:.2f} cores)"
        )
    print(f"memory             {memory:.0f} MB resident in the server's processes")
    errors = [error for labeler in labelers for error in labeler.errors]
    print(f"errors             {len(errors)} {errors[:3] if errors else ''}")


def verify() -> None:
    """What the database says when the load is over: the promises that no load may break."""
    from django.db.models import Count, F

    from labeling.models.annotations import Annotation
    from labeling.models.tasks import Assignment, Task
    from tilth.accounts.models import AuditEntry

    over = Task.objects.filter(live__gt=F("overlap")).count()
    twice = Assignment.objects.values("task", "labeler").annotate(n=Count("pk")).filter(n__gt=1).count()
    annotations = Annotation.objects.count()
    audited = AuditEntry.objects.filter(verb="annotation.submit").count()
    print(f"promises           {over} tasks over their overlap, {twice} people twice on a task, "
          f"{audited:,} of {annotations:,} submissions audited")  # fmt: skip


def main() -> None:
    """Seed, serve, load, report."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--tasks", type=int, default=100_000)
    arguments.add_argument("--labelers", type=int, default=50)
    arguments.add_argument("--seconds", type=float, default=30)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--threads", type=int, default=2)
    chosen = arguments.parse_args()
    os.environ["DATABASE_URL"] = own_database(os.environ.get("DATABASE_URL", ""))
    os.environ.setdefault("TILTH_MODE", "embedded")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
    sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    campaign, cookies = seed(chosen.tasks, chosen.labelers)
    print(
        f"seeded             {chosen.tasks:,} tasks in {time.monotonic() - begun:.1f} s on {connection.vendor}"
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    connection.close()
    port = free_port()
    command = [
        sys.executable, "-m", "gunicorn", "-c", str(ROOT / "platform" / "gunicorn.conf.py"), "--bind",
        f"127.0.0.1:{port}", "--workers", str(chosen.workers), "--threads", str(chosen.threads),
        "--keep-alive", "60", "--log-level", "error",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_for(port, chosen.workers)
        pids, databases = family(server.pid), database_pids() if connection.vendor == "postgresql" else []
        until = time.monotonic() + chosen.seconds
        labelers = [Labeler(port, campaign, cookie, until) for cookie in cookies]
        before = {"server": cpu_of(pids), "database": cpu_of(databases), "load": time.process_time()}
        begun = time.monotonic()
        for labeler in labelers:
            labeler.start()
        time.sleep(chosen.seconds / 2)
        databases = database_pids() if databases else []
        for labeler in labelers:
            labeler.join()
        seconds = time.monotonic() - begun
        # Backends that began after the first look have all their CPU counted: they served this load alone.
        after = {"server": cpu_of(pids), "database": cpu_of(databases), "load": time.process_time()}
        report(labelers, seconds, {n: after[n] - before[n] for n in after}, memory_of(pids))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    verify()


if __name__ == "__main__":
    main()
