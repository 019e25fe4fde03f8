"""An import of tasks from the uploaded file to the last row in the database: seconds, rows a second, peak memory.

    DATABASE_URL=postgres://… TILTH_MODE=embedded python bench/labeling_import.py --rows 100000

Every row is a comparison: a prompt, two answers, a topic and a language; one in a thousand is bad. Checking
is the job's own program in a process of its own, loading is what the supervisor does when it has ended.
Then the pages of tasks are opened, each at its slowest. Uses a database of its own beside the one named
(``…_bench``), which it makes anew. Prints figures; asserts nothing.
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform"), str(ROOT / "bench")]

PROMPT = "Explain to a patient how this medicine works and what to watch out for. " * 6
ANSWERS = ("It blocks an enzyme that the body needs. " * 16, "It binds to a receptor on the cell. " * 16)


class Sent:
    """A file of so many rows as a browser would send it, a piece at a time."""

    name = "tasks.jsonl"

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def chunks(self) -> Iterator[bytes]:
        """A thousand rows at a time."""
        for start in range(0, self.rows, 1_000):
            yield "".join(map(self._row, range(start, min(start + 1_000, self.rows)))).encode()

    def _row(self, number: int) -> str:
        row = {
            "prompt": f"{number}. {PROMPT}",
            "topic": f"topic {number % 20}",
            "lang": ("en", "de")[number % 2],
        }
        if number % 1000 != 999:
            row |= {
                "response_a": f"{number}: {ANSWERS[0]}",
                "response_b": ANSWERS[1],
                "model_a": "a",
                "model_b": "b",
            }
        return json.dumps(row) + "\n"


def measure(rows: int, folder: Path) -> int:
    """Import so many rows and print what it took; returns the campaign."""
    from labeling_export import run

    from labeling.actions import imports
    from labeling.models.campaigns import Campaign
    from labeling.models.tasks import TaskImport
    from labeling.protocol.registry import kind_of
    from tilth.accounts.actors import Actor
    from tilth.datasets.uploads import save_upload
    from tilth.jobs.models import Job

    schema = kind_of("preference").default_schema()
    campaign = Campaign.objects.create(
        name="bench", title="Bench", kind="preference", schema=schema, overlap=2
    )
    sent = save_upload(Actor.system("bench"), Sent(rows))
    params = imports.source_params(campaign, upload=sent.sha256)
    job = Job.objects.create(kind="task_import", params=params, attempt=1)
    TaskImport.objects.create(campaign=campaign, job=job, source=sent.name, options={"role": "normal"})
    result, checking, peak = run("labeling.protocol.taskload", params, folder, f"{job.pk}")
    (folder / "storage" / "jobs" / f"{job.pk}").rename(folder / "storage" / job.prefix)
    begun = time.monotonic()
    imports.finish(job, result)
    loading = time.monotonic() - begun
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"rows      {result['rows']:,} good, {result['bad']:,} bad, {sent.bytes / 1e6:,.0f} MB")
    print(f"checking  {checking:.1f} s, peak {peak:.0f} MB")
    print(f"loading   {loading:.1f} s, peak {own:.0f} MB (all of Django included)")
    print(f"import    {checking + loading:.1f} s = {rows / (checking + loading):,.0f} rows/s")
    return campaign.pk


def open_pages(campaign: int, rows: int) -> None:
    """Print how long a lead waits for the pages of tasks, each asked for in a way that finds little or late."""
    from django.core.cache import cache
    from django.test import Client

    from tilth.accounts.models import Role, User

    client = Client()
    admin = User.objects.create(email="admin@example.org", role=Role.ADMIN)
    client.force_login(admin, backend="tilth.accounts.backends.AuthenticationBackend")
    base = f"/labeling/campaigns/{campaign}"
    client.get(f"{base}/tasks/")
    for what in ("tasks/", f"tasks/?after={rows - 100}", "tasks/?topic=topic+7&language=de", "tasks/?state=done",
                 "tasks/?topic=none", "tasks/?q=no+such+text", "tasks/?order=disagreement", "coverage/", ""):  # fmt: skip
        cache.clear()
        begun = time.perf_counter()
        answer = client.get(f"{base}/{what}")
        print(
            f"page      {1000 * (time.perf_counter() - begun):7.0f} ms  {answer.status_code} {what or 'overview'}"
        )


def main() -> None:
    """Make the database and the file, import, look."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rows", type=int, default=100_000)
    chosen = arguments.parse_args()
    from labeling_load import own_database

    os.environ["DATABASE_URL"] = own_database(os.environ.get("DATABASE_URL", ""))
    os.environ.setdefault("TILTH_MODE", "embedded")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")
    with tempfile.TemporaryDirectory(prefix="tilth-bench-") as path:
        folder = Path(path)
        os.environ["TILTH_VAR"] = path
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.db import connection

        settings.STORAGE = str(folder / "storage")
        settings.ALLOWED_HOSTS = ["testserver"]
        call_command("migrate", verbosity=0)
        call_command("createcachetable", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        campaign = measure(chosen.rows, folder)
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        open_pages(campaign, chosen.rows)


if __name__ == "__main__":
    main()
