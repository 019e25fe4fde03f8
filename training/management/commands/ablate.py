"""``manage.py ablate``: launch an ablation; the same that the browser launches."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tilth.accounts.actors import Actor
from tilth.errors import TilthError
from tilth.jobs.runner import print_progress, run_or_follow
from training.ablating import Arm, WantedAblation, ablatable
from training.ablations import Report, in_json, report
from training.actions.ablations import launch
from training.launch import Wanted, ready_stage
from training.llm.config import read_assignments
from training.models.ablations import Ablation, AblationEvaluation
from training.models.runs import Run

ACTOR = Actor.system("command line")


class Command(BaseCommand):
    """Launch an ablation and, with ``--wait``, carry its runs out."""

    help = (
        "Compare data: python manage.py ablate pretrain --name filters --arm old=web@1 --arm new=web@2 "
        "--validation held@1 --tokenizer checkpoint:3/0 --set tokens=1e8 --seeds 3. Every arm runs at every "
        "size with every seed; the metric is fixed at the launch and no run is dropped."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """What to compare, how, by what."""
        stages = ", ".join(item.name for item in ablatable())
        parser.add_argument("stage", metavar="STAGE", help=f"one of {stages}")
        parser.add_argument("--name", required=True)
        parser.add_argument("--question", default="", help="what the answer is for")
        parser.add_argument(
            "--arm",
            action="append",
            default=[],
            dest="arms",
            metavar="NAME=DATA",
            help="DATA is NAME@V, or a mixture NAME@V:2,OTHER@V. Two or more",
        )
        parser.add_argument(
            "--size", action="append", default=[], dest="sizes", metavar='"KEY=VALUE …"', help="repeatable"
        )
        parser.add_argument("--seeds", type=int, default=3)
        parser.add_argument("--metric", default="bits_per_byte", help="a held-out curve, or NAME@V/FIGURE")
        parser.add_argument("--higher", action="store_true", help="higher is better (default: lower)")
        parser.add_argument("--validation", default="", metavar="NAME@V")
        parser.add_argument("--eval", action="append", default=[], metavar="NAME@V", dest="evals")
        parser.add_argument("--eval-set", action="append", default=[], metavar="KEY=VALUE")
        parser.add_argument("--preset", default="")
        for part in ("base", "tokenizer", "reference-model", "reward-model"):
            parser.add_argument(f"--{part}", default="", metavar="REF")
        parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="assignments")
        parser.add_argument("--gpus", type=int, help="devices of each run (default: the preset's)")
        parser.add_argument("--priority", type=int, default=0)
        parser.add_argument("--wait", action="store_true", help="wait for all; without a worker, run here")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        """Launch, wait where asked, print; what was waited for and gave no value is a fault."""
        try:
            ablation = launch(ACTOR, wanted(options))
        except TilthError as error:
            raise CommandError(error.message) from error
        if options["wait"]:
            self.wait(ablation, options)
        found = report(ablation)
        self.print(ablation, found, options)
        if options["wait"] and (found.missing or found.pending):
            raise CommandError(incomplete(ablation, found))

    def print(self, ablation: Ablation, found: Report, options: dict[str, Any]) -> None:
        """What was found by now."""
        if options["json"]:
            self.stdout.write(json.dumps({"ablation": ablation.reference, **in_json(ablation, found)}))
            return
        self.stdout.write(f"{ablation.reference}: {found.total} runs, {found.pending} not ended")
        for size in found.sizes:
            self.stdout.write(f"{size.label}: {size.words}")
        for line in found.trends:
            self.stdout.write(line)

    def wait(self, ablation: Ablation, options: dict[str, Any]) -> None:
        """Carry out the runs and their evaluations; one that fails is missing, and the others go on."""
        tell = None if options["json"] else print_progress
        evaluations = AblationEvaluation.objects.filter(cell__ablation=ablation)
        try:
            for runs in (ablation.cells, evaluations):
                for pk in runs.order_by("pk").values_list("run", flat=True):
                    self.follow(pk, tell)
        except KeyboardInterrupt:
            self.stderr.write(
                f"{ablation.reference} was left: what ran here is cancelled, the other runs stay as they are."
            )
            raise

    def follow(self, pk: int, tell: Any) -> None:
        """Check a run and carry it out; where that cannot be done here, say why."""
        try:
            run = Run.objects.with_objects().get(pk=pk)
            if run.preflight is not None:
                run_or_follow(run.preflight, tell)
            run = Run.objects.with_objects().get(pk=pk)
            if run.job is not None:
                run_or_follow(run.job, tell)
        except TilthError as error:
            self.stderr.write(f"run:{pk}: {error.message}")


def incomplete(ablation: Ablation, found: Report) -> str:
    """Which runs have no value, and why."""
    gaps = [f"{value.run.reference} {value.run.name}: {value.why}" for value in found.missing]
    waiting = [f"{found.pending} not ended"] if found.pending else []
    said = "; ".join([*gaps, *waiting])
    return f"{ablation.reference}: {len(gaps) + found.pending} of {found.total} runs gave no value: {said}"


def wanted(options: dict[str, Any]) -> WantedAblation:
    """The options as an ablation to check."""
    stage, measured = ready_stage(options["stage"]), ready_stage("evaluate")
    common = Wanted(
        stage=options["stage"],
        preset=options["preset"],
        base=options["base"],
        tokenizer=options["tokenizer"],
        reference_model=options["reference_model"],
        reward_model=options["reward_model"],
        settings=read_assignments(stage.config_class, options["assignments"]),
        gpus=options["gpus"],
        priority=options["priority"],
    )
    return WantedAblation(
        name=options["name"],
        question=options["question"],
        common=common,
        arms=tuple(Arm.parse(text) for text in options["arms"]),
        sizes=tuple(options["sizes"]),
        seeds=options["seeds"],
        metric=options["metric"],
        lower_is_better=not options["higher"],
        validation=options["validation"],
        evals=tuple(options["evals"]),
        eval_settings=read_assignments(measured.config_class, options["eval_set"]),
    )
