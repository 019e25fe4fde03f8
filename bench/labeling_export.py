"""A million annotations to Parquet and JSONL: rows a second and peak memory of the programs that do it.

    DATABASE_URL=postgres://… TILTH_MODE=embedded python bench/labeling_export.py --annotations 1000000

Uses a database of its own beside the one named (``…_bench``). Prints figures; asserts nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "platform"), str(ROOT / "bench")]

SEED = """
INSERT INTO labeling_task (campaign_id, position, key, source, state, role, payload, version, topic, difficulty,
  language, overlap, live, submitted, created_at)
SELECT %(campaign)s, n, lpad(to_hex(n), 32, '0'), '', 'done', 'normal',
  '{"messages": [{"role": "user", "content": "Explain how this medicine works and what to watch out for."}]}',
  1, 'topic ' || n %% 20, '', 'en', 2, 2, 2, now() FROM generate_series(1, %(tasks)s) n;
INSERT INTO labeling_candidate (task_id, position, messages, model, checkpoint)
SELECT t.id, p, '[{"role": "assistant", "content": "It blocks an enzyme that the body needs to make the substance."}]',
  'model-' || p, '' FROM labeling_task t, generate_series(0, 1) p;
INSERT INTO labeling_assignment (task_id, campaign_id, labeler_id, slot, state, hold_token, held_at, hold_until,
  prefetched, task_version, guideline_id, display, draft_revision, draft_tab, inputs, active_seconds, idle_seconds, reason)
SELECT t.id, %(campaign)s, u.id, u.slot, 'submitted', md5(t.id || '-' || u.id), now(), now(), false, 1, %(guideline)s,
  '{"order": [1, 0], "stream": 0}', 2, '', '{"typed": 40}', 95.5, 10, ''
FROM labeling_task t, (SELECT id, row_number() OVER (ORDER BY id) - 1 AS slot FROM accounts_user LIMIT 2) u;
INSERT INTO labeling_annotation (id, assignment_id, task_id, campaign_id, labeler_id, attempt, current, state, role,
  payload, payload_version, measures, task_version, guideline_id, clauses, display, inputs, active_seconds, idle_seconds,
  submitted_at, idempotency_key, stale, reviews_wanted, contested)
SELECT gen_random_uuid(), a.id, a.task_id, a.campaign_id, a.labeler_id, 1, true, 'submitted', 'normal',
  '{"grade": "0:2", "marks": {"helpful": "0", "truthful": "equal", "harmless": "na", "verbosity": "1"}, '
  '"reason": "It says what to watch out for and when to call a doctor.", "clauses": [{"id": "honest"}], "edited": {"0": "", "1": ""}}',
  1, '{"choice": "0", "preference": 2}', 1, a.guideline_id, '["honest"]', a.display, a.inputs, 95.5, 10,
  now() - interval '1 hour', a.hold_token, false, 0, false
FROM labeling_assignment a;
"""


def seed(annotations: int) -> int:
    """A campaign with so many annotations, two to a task."""
    from django.db import connection

    from labeling.models.campaigns import Campaign
    from labeling.models.guidelines import Guideline, GuidelineVersion
    from labeling.protocol.registry import kind_of
    from tilth.accounts.models import Role, User

    guideline = Guideline.objects.create(name="bench", title="Bench", last_number=1)
    version = GuidelineVersion.objects.create(guideline=guideline, number=1, source="#", clauses=[])
    schema = kind_of("preference").default_schema()
    campaign = Campaign.objects.create(
        name="bench",
        title="Bench",
        kind="preference",
        state="live",
        guideline=version,
        schema=schema,
        overlap=2,
    )
    for n in range(2):
        User.objects.create(email=f"labeler{n}@example.org", role=Role.LABELER)
    with connection.cursor() as cursor:
        values = {"campaign": campaign.pk, "tasks": annotations // 2, "guideline": version.pk}
        for statement in (*filter(str.strip, SEED.split(";\n")), "ANALYZE"):
            cursor.execute(statement, values)
    return campaign.pk


def run(module: str, params: dict, folder: Path, name: str) -> tuple[dict, float, float]:
    """Run a job's program by itself; its result, the seconds it took, and its peak memory in MB."""
    job = folder / name
    job.mkdir()
    config = {
        "job": 1,
        "attempt": 1,
        "params": params,
        "storage": str(folder / "storage"),
        "prefix": f"jobs/{name}",
    }
    (job / "config.json").write_text(json.dumps(config))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "platform")])}
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", module, str(job)], env=environment)
    peak = 0.0
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(
                peak, *(float(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
            )
        except (OSError, ValueError, TypeError):
            pass
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    if process.returncode:
        raise SystemExit((job / "attempt-1" / "error.json").read_text())
    return json.loads((job / "attempt-1" / "result.json").read_text()), seconds, peak / 1000


def main() -> None:
    """Seed, publish, export, print."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--annotations", type=int, default=1_000_000)
    chosen = arguments.parse_args()
    from labeling_load import own_database

    os.environ["DATABASE_URL"] = own_database(os.environ["DATABASE_URL"])
    os.environ.setdefault("TILTH_MODE", "embedded")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tilth.settings")
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    campaign = seed(chosen.annotations)
    connection.close()
    print(f"seeded    {chosen.annotations:,} annotations in {time.monotonic() - begun:.1f} s")
    with tempfile.TemporaryDirectory(prefix="tilth-bench-") as path:
        folder = Path(path)
        shared = {
            "campaign": campaign, "kind": "preference", "number": 1, "options": {}, "expected": chosen.annotations,
            "until": datetime.now(UTC).isoformat(), "parents": [], "producer": f"campaign:{campaign}",
        }  # fmt: skip
        for kind, rule in (("annotations", "everything"), ("preferences", "standing")):
            params = {**shared, "dataset": kind, "dataset_kind": kind, "rule": rule}
            result, seconds, peak = run("labeling.publish.program", params, folder, f"publish-{kind}")
            print(f"publish   {kind:<12} {result['rows']:,} rows in {seconds:.1f} s = {result['rows'] / seconds:,.0f} "
                  f"rows/s to Parquet with statistics and contributions, peak {peak:.0f} MB")  # fmt: skip
            manifest = (folder / "storage" / result["manifest_key"]).read_bytes()
            target = folder / "storage" / "datasets" / kind / "1" / "manifest.json"
            target.write_bytes(manifest)
            about = {"title": kind, "description": "", "licence": ""}
            params = {"dataset": kind, "number": 1, "format": "jsonl", "options": {}, "about": about}
            _, seconds, peak = run("tilth.datasets.export", params, folder, f"export-{kind}")
            print(f"export    {kind:<12} {result['rows'] / seconds:,.0f} rows/s to JSONL, peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
