"""Launching an ablation whole, and measuring the checkpoints of its runs as they end."""

from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets.models import Lineage
from tilth.text.storable import storable
from training.ablating import Design, WantedAblation, design
from training.actions.measuring import launch_each
from training.actions.runs import launch as launch_run
from training.models.ablations import Ablation, AblationCell, AblationEvaluation
from training.models.checkpoints import Checkpoint
from training.models.runs import Run


@transaction.atomic
def launch(actor: Actor, wanted: WantedAblation) -> Ablation:
    """Launch every run of an ablation, or none: the first fault of any of them is raised."""
    require(actor, "training.run")
    planned = design(wanted)
    ablation = _row(actor, planned)
    ablation.save()
    runs = [launch_run(actor, cell.wanted) for cell in planned.cells]
    AblationCell.objects.bulk_create(
        AblationCell(ablation=ablation, run=run, arm=cell.arm, size=cell.size, seed=cell.seed)
        for run, cell in zip(runs, planned.cells, strict=True)
    )
    read = {item.reference for arm in wanted.arms for item in arm.inputs}
    edges = [(reference, "compares") for reference in sorted(read)]
    edges += [(run.reference, "compares_run") for run in runs]
    Lineage.objects.bulk_create(
        Lineage(child=ablation.reference, parent=parent, relation=relation) for parent, relation in edges
    )
    audit.record(
        actor,
        "ablation.launch",
        ablation.reference,
        arms=[arm["name"] for arm in ablation.arms],
        sizes=[size["label"] for size in ablation.sizes],
        seeds=ablation.seeds,
        metric=ablation.metric,
        runs=len(runs),
    )
    return ablation


def evaluate(actor: Actor, run: Run) -> list[Run]:
    """Launch what an ablation measures on the checkpoints of a run that has ended well; those launched now.

    What cannot be launched is missing from the ablation's page.
    """
    cell = AblationCell.objects.select_related("ablation").filter(run=run).first()
    if cell is None or not cell.ablation.evals:
        return []
    ablation = cell.ablation

    def note(checkpoint: Checkpoint, made: Run) -> None:
        AblationEvaluation.objects.create(cell=cell, checkpoint=checkpoint, run=made)
        Lineage.objects.create(child=ablation.reference, parent=made.reference, relation="compares_run")

    waiting = run.checkpoints.filter(ablation_evaluation=None)
    return launch_each(actor, waiting, ablation.evals, ablation.eval_settings, note)


def _row(actor: Actor, planned: Design) -> Ablation:
    wanted = planned.wanted
    sizes = [
        {"label": size.label, "settings": dict(size.settings), "base": size.base, "parameters": parameters}
        for size, parameters in zip(planned.sizes, planned.parameters, strict=True)
    ]
    return Ablation(
        name=planned.name,
        question=storable(wanted.question).strip(),
        stage=wanted.common.stage,
        preset=wanted.common.preset,
        config=storable(dict(wanted.common.settings)),
        arms=storable([arm.to_json() for arm in wanted.arms]),
        sizes=sizes,
        seeds=list(planned.seeds),
        metric=wanted.metric.strip(),
        lower_is_better=wanted.lower_is_better,
        validation=wanted.validation,
        evals=list(wanted.evals),
        eval_settings=dict(wanted.eval_settings),
        created_by=actor.user,
    )
