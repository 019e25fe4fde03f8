"""``manage.py curate``: sources in, a published dataset version out; the same run that the browser starts."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from curation import actions
from curation.models import CurationRun, Recipe
from curation.pipeline.funnel import Funnel, table
from curation.pipeline.recipe import load_recipe
from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.models import JobState
from tilth.jobs.runner import print_progress, run_inline
from tilth.jobs.waiting import no_worker_notice

ACTOR = Actor.system("command line")


class Command(BaseCommand):
    """Run a recipe over sources and publish the result."""

    help = (
        "Turn WARC, WET, JSONL or Parquet files into a published dataset. A SOURCE is a path, a folder, a glob, "
        "an http(s):// or s3:// address, or a crawl: cc:CC-MAIN-2026-20:0-9"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Sources and options."""
        parser.add_argument("sources", nargs="*", metavar="SOURCE")
        parser.add_argument("--name", required=True, help="name of the dataset to make")
        parser.add_argument("--recipe", default="fineweb", help="name, NAME@NUMBER, or path of a TOML file")
        parser.add_argument("--set", action="append", default=[], metavar="STEP.KEY=VALUE", dest="settings_")
        parser.add_argument("--workers", type=int, help="processes (default: one per core)")
        parser.add_argument(
            "--disk-budget",
            type=int,
            metavar="BYTES",
            help="download remote files whole before reading them, never holding more than this (default: stream)",
        )
        parser.add_argument("--limit", type=int, help="read at most this many pages in all")
        parser.add_argument(
            "--required-share", type=float, default=1.0, help="publish if this share of files succeeds"
        )
        parser.add_argument(
            "--append", action="store_true", help="add the sources to the newest version of NAME"
        )
        parser.add_argument(
            "--new-version", action="store_true", help="NAME may exist: make its next version"
        )
        parser.add_argument(
            "--retry",
            action="store_true",
            help="take up the newest unfinished run of NAME; finished files are kept",
        )
        parser.add_argument("--no-wait", action="store_true", help="queue the run for a worker and return")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Draft, start, run here, print."""
        started = time.monotonic()
        if options["no_wait"] and (notice := no_worker_notice()):
            raise CommandError(f"{notice}\nWithout --no-wait the run is carried out here.")
        try:
            if options["retry"]:
                run = actions.retry_run(ACTOR, unfinished_run(options["name"]), options["required_share"])
            else:
                run = actions.start_run(ACTOR, self.draft(options))
        except TilthError as error:
            raise CommandError(error.message) from error
        assert run.job is not None and run.version is not None
        if options["no_wait"]:
            self.stdout.write(f"{run.job.reference} will make {run.version.reference}")
            return
        job = run_inline(run.job, None if options["json"] else print_progress)
        if job.state != JobState.SUCCEEDED:
            reason = (job.error or {}).get("message") or f"the run was {job.state}"
            raise CommandError(
                f"{reason}\nFinished files are kept; try the rest again: python manage.py curate --retry --name {run.dataset_name}"
            )
        self.report(run, job.result or {}, time.monotonic() - started, as_json=options["json"])

    def draft(self, options: dict[str, Any]) -> CurationRun:
        """The run as asked for; nothing is reserved yet."""
        recipe = pinned(options["recipe"], options["settings_"])
        names = ("workers", "limit", "disk_budget", "required_share")
        return actions.draft_run(
            ACTOR,
            dataset_name=options["name"],
            recipe=recipe,
            sources=[absolute(source) for source in options["sources"]],
            options={name: options[name] for name in names},
            append_to=newest_run(options["name"]) if options["append"] else None,
            new_version=options["new_version"],
        )

    def report(self, run: CurationRun, result: dict[str, Any], seconds: float, *, as_json: bool) -> None:
        """Print the reference and the funnel."""
        assert run.version is not None
        shards = result.get("shards", [])
        if as_json:
            answer = {
                "version": run.version.reference,
                "funnel": result["funnel"],
                "seconds": round(seconds, 3),
                "shards": shards,
            }
            self.stdout.write(json.dumps(answer))
            return
        self.stdout.write(table(Funnel.from_json(result["funnel"])))
        self.stdout.write(f"{run.version.reference} is published ({seconds:.0f} s)")


def pinned(name: str, settings: list[str]) -> Recipe:
    """The recipe's row; a file or changed settings are stored as the next version of the recipe's name."""
    if not settings and not name.endswith(".toml"):
        return actions.pin_recipe(ACTOR, name)
    pure = load_recipe(name if name.endswith(".toml") else actions.pin_recipe(ACTOR, name).toml)
    for assignment in settings:
        pure = pure.with_setting(assignment)
    return actions.save_recipe(ACTOR, pure.to_toml())


def absolute(source: str) -> str:
    """Local paths are written down absolute, because the job runs in another folder."""
    if "://" in source or source.startswith(("cc:", "upload:")):
        return source
    return str(Path(source).expanduser().absolute())


def newest_run(name: str) -> CurationRun:
    """The run that made the newest published version of a dataset."""
    run = (
        CurationRun.objects.with_objects()
        .filter(version__dataset__name=name, version__state="published")
        .order_by("-version__number")
        .first()
    )
    if run is None:
        raise TilthError(f"No run has published a version of {name!r}; start without --append", field="name")
    return run


def unfinished_run(name: str) -> CurationRun:
    """The newest run of a dataset that failed or was cancelled."""
    run = (
        CurationRun.objects.with_objects()
        .filter(dataset_name=name, job__state__in=(JobState.FAILED, JobState.CANCELLED))
        .order_by("-pk")
        .first()
    )
    if run is None:
        raise TilthError(
            f"No run of {name!r} has failed or was cancelled; start one with its sources", field="name"
        )
    return run
