"""``manage.py train``: launch a run of a stage; the same that the browser launches."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.models import Job, JobState
from tilth.jobs.runner import print_progress, run_or_follow
from tilth.jobs.waiting import explain
from training.actions.runs import launch
from training.launch import Input, Wanted, offered, ready_stage
from training.llm.config import read_assignments
from training.models.runs import Measures, Run
from training.preflight import checklist, whole, why

ACTOR = Actor.system("command line")


class Command(BaseCommand):
    """Launch a run and, with ``--wait``, carry it out."""

    help = (
        "Launch a run of a stage: python manage.py train tokenizer --dataset prose@1 --preset smoke --wait. "
        "Without --wait it is queued for a worker of the queue gpu."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to run, on what, how."""
        stages = ", ".join(item.name for item in offered())
        parser.add_argument("stage", metavar="STAGE", help=f"one of {stages}")
        parser.add_argument(
            "--dataset",
            action="append",
            default=[],
            metavar="NAME@V[:WEIGHT]",
            help="what to train on; NAME@V:3x draws each row three times. Repeatable",
        )
        parser.add_argument("--validation", action="append", default=[], metavar="NAME@V")
        parser.add_argument("--eval", action="append", default=[], metavar="NAME@V", dest="evals")
        parser.add_argument(
            "--search",
            action="append",
            default=[],
            metavar="NAME@V",
            help="documents that the tool search finds passages in. Repeatable",
        )
        parser.add_argument(
            "--measure",
            choices=Measures.values,
            dest="measures",
            help="which checkpoints are measured on the --eval of a training (default: the last)",
        )
        parser.add_argument("--preset", default="", help="named settings to begin with")
        parser.add_argument(
            "--base", default="", metavar="REF", help="checkpoint to start from: checkpoint:12/400"
        )
        parser.add_argument("--tokenizer", default="", metavar="REF", help="tokenizer to pretrain with")
        parser.add_argument(
            "--reference-model",
            default="",
            metavar="REF",
            help="what DPO and KL compare with (default: the base)",
        )
        parser.add_argument("--reward-model", default="", metavar="REF", help="reward model for RL")
        parser.add_argument(
            "--output", default="", metavar="NAME", help="dataset that gets the rows it makes"
        )
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments")
        parser.add_argument("--name", default="", help="what to call the run")
        parser.add_argument("--gpus", type=int, help="devices (default: the preset's; 0 runs on CPU)")
        parser.add_argument("--priority", type=int, default=0, help="higher goes first")
        parser.add_argument(
            "--wait", action="store_true", help="wait for the end; without a worker, run it here"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Launch, wait where asked, print."""
        try:
            run = launch(ACTOR, wanted(options))
        except TilthError as error:
            raise CommandError(error.message) from error
        if options["wait"]:
            self.wait(run, options)
        elif run.current is not None and (reason := explain(run.current)):
            self.stderr.write(reason)
        self.report(run, options)

    def wait(self, run: Run, options: dict[str, Any]) -> None:
        """Check the run and carry it out here, or follow it where a worker does."""
        assert run.preflight is not None
        self.follow(run.preflight, options)
        run.refresh_from_db()
        if run.job is None:
            self.report(run, options)
            said = why(run)
            raise CommandError(f"{run.reference} is {run.state}." + (f"\n{said}" if said else ""))
        job = self.follow(run.job, options)
        if job.state != JobState.SUCCEEDED:
            reason = (job.error or {}).get("message") or f"the run was {job.state}"
            raise CommandError(f"{run.reference}: {reason}")

    def follow(self, job: Job, options: dict[str, Any]) -> Job:
        """Run a job here, or follow it where a worker runs it."""
        try:
            return run_or_follow(job, None if options["json"] else print_progress)
        except TilthError as error:
            raise CommandError(error.message) from error

    def report(self, run: Run, options: dict[str, Any]) -> None:
        """Print the run with its checklist, and what it made where it has ended."""
        run.refresh_from_db()
        made = [checkpoint.reference for checkpoint in run.checkpoints.all()]
        if run.version and run.state == JobState.SUCCEEDED:
            made.append(run.version.reference)
        if options["json"]:
            answer = {
                "run": run.reference,
                "job": run.job.reference if run.job else None,
                "state": run.state,
                "preflight": whole(run),
                "checkpoints": made,
                "version": run.version.reference if run.version else None,
                "result": run.job.result if run.job else None,
            }
            self.stdout.write(json.dumps(answer))
            return
        for line in checklist(run):
            self.stdout.write(f"{line.state:<7} {line.title}: {line.words}")
        assert run.current is not None
        said = f"made {', '.join(made)}" if made else f"is {run.state} as {run.current.reference}"
        self.stdout.write(f"{run.reference} {said}")


def wanted(options: dict[str, Any]) -> Wanted:
    """The options as a run to check."""
    stage = ready_stage(options["stage"])
    named = {"validation": options["validation"], "eval": options["evals"], "search": options["search"]}
    roles = {**named, stage.role: [*options["dataset"], *named.get(stage.role, [])]}
    settings = read_assignments(stage.config_class, options["assignments"])
    if stage.folder and (typed := settings.get(stage.folder)) and Path(typed).is_dir():
        settings[stage.folder] = str(Path(typed).absolute())  # the job runs in another folder
    return Wanted(
        stage=options["stage"],
        name=options["name"],
        preset=options["preset"],
        inputs=tuple(Input.parse(text, role) for role, texts in roles.items() for text in texts),
        base=options["base"],
        tokenizer=options["tokenizer"],
        reference_model=options["reference_model"],
        reward_model=options["reward_model"],
        output=options["output"],
        measures=options["measures"],
        settings=settings,
        gpus=options["gpus"],
        priority=options["priority"],
    )
