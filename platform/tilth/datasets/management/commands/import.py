"""``manage.py import PATH --kind KIND --name NAME``: a file or a Hugging Face folder as a dataset."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from tilth.accounts.actors import Actor
from tilth.datasets.import_.mapping import parse_maps
from tilth.datasets.import_.preview import Preview, preview
from tilth.datasets.import_.sources import open_source
from tilth.datasets.importing import ImportRequest, start_import
from tilth.datasets.licences import known_or_unknown
from tilth.datasets.schemas import KINDS
from tilth.errors import TilthError
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import print_progress, run_or_follow
from tilth.storage import Storage


class Command(BaseCommand):
    """Imports Parquet, JSONL, CSV or a Hugging Face folder as any kind of dataset."""

    help = (
        "Import Parquet, JSONL, JSON list or CSV (also .gz, .zst) or a Hugging Face folder as a dataset. "
        "Common shapes are recognised; --map column=field maps the rest."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What can be given."""
        parser.add_argument("path", help="file or folder")
        parser.add_argument("--kind", required=True, help=f"one of {', '.join(KINDS)}")
        parser.add_argument("--name", required=True, help="name of the dataset")
        parser.add_argument(
            "--map",
            action="append",
            default=[],
            metavar="COLUMN=FIELD",
            help="prompt=question, text=meta.body (inside), question=passage+question (joined), subject==maths (constant)",
        )
        parser.add_argument(
            "--licence", default="", help="SPDX name; without it what the card says, or unknown"
        )
        parser.add_argument("--title", default="")
        parser.add_argument("--part", default="", help="config/split of a folder that has several")
        parser.add_argument(
            "--append", action="store_true", help="as a new version of a dataset that is there"
        )
        parser.add_argument(
            "--max-bad-share", type=float, default=0.05, help="share of bad rows allowed (0.05)"
        )
        parser.add_argument("--tokenizer", default="", help="for tokens: what made them")
        parser.add_argument("--vocabulary", type=int, default=0, help="for tokens: number of token ids")
        parser.add_argument("--no-wait", dest="wait", action="store_false", help="only queue the job")
        parser.add_argument("--wait", dest="wait", action="store_true", default=True)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Queue the import, wait for it, and say what came of it."""
        try:
            job = start_import(Actor.system("command line"), _request(options))
            if options["wait"]:
                job = run_or_follow(job, None if options["json"] else print_progress)
        except TilthError as error:
            raise CommandError(error.message) from None
        if options["wait"] and job.state != JobState.SUCCEEDED:
            reason = (job.error or {}).get("message", f"the job is {job.state}")
            raise CommandError(f"nothing was published: {reason}")
        self.stdout.write(json.dumps(_answer(job)) if options["json"] else _sentence(job, options["wait"]))


def _request(options: dict[str, Any]) -> ImportRequest:
    source = {"path": str(Path(options["path"]).expanduser().absolute()), "part": options["part"]}
    opened = open_source(source, Storage(settings.STORAGE))
    given = parse_maps(options["map"])
    found = preview(opened, options["kind"])
    mapping = _merged(found, given)
    checked = preview(opened, options["kind"], mapping)
    if checked.problem:
        raise TilthError(checked.problem, "bad_mapping")
    return ImportRequest(
        source=source,
        name=options["name"],
        kind=options["kind"],
        licence=options["licence"] or known_or_unknown(opened.licence),
        mapping=mapping,
        title=options["title"] or opened.title,
        append=options["append"],
        max_bad_share=options["max_bad_share"],
        tokenizer=options["tokenizer"],
        vocabulary=options["vocabulary"],
    )


def _merged(found: Preview, given: dict[str, str]) -> dict[str, str]:
    """What was recognised, with the given mappings in its place."""
    return {**found.mapping, **given}


def _answer(job: Job) -> dict[str, Any]:
    result = job.result or {}
    return {
        "version": f"{job.params['dataset']}@{job.params['number']}",
        "job": job.pk,
        "state": job.state,
        "rows": result.get("rows"),
        "bad": result.get("bad"),
        "duplicates": result.get("duplicates"),
        "mapping": job.params["mapping"],
        "unused_columns": result.get("unused_columns"),
        **({"errors": result["errors"]} if result.get("first_errors") else {}),
    }


def _sentence(job: Job, waited: bool) -> str:
    answer = _answer(job)
    if not waited:
        return f"{job.reference} imports {answer['version']}; it starts when a worker is free."
    left_out = f", {answer['bad']:,} bad and {answer['duplicates']:,} repeated rows left out"
    sentence = f"{answer['version']}: {answer['rows']:,} rows{left_out if answer['bad'] or answer['duplicates'] else ''}."
    unused = ", ".join(answer["unused_columns"] or ())
    return (
        f"{sentence} Columns left behind, since nothing is mapped from them: {unused}."
        if unused
        else sentence
    )
