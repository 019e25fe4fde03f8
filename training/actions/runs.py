"""Every change to runs: permission, validation, write, audit, one transaction."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets import actions as datasets
from tilth.datasets.models import DatasetVersion, Lineage
from tilth.errors import Conflict, TilthError
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from training.actions import preflight
from training.actions.retention import begin
from training.costs import cost_of
from training.launch import Plan, Wanted, check, spec_of, wanted_of
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

RELATIONS = {
    "train": "trained_on",
    "validation": "validated_on",
    "eval": "evaluated_on",
    "search": "searched",
}
USES = {
    "base": "started_from",
    "tokenizer": "tokenized_by",
    "reference_model": "compared_with",
    "reward_model": "rewarded_by",
}


@transaction.atomic
def launch(
    actor: Actor, wanted: Wanted, parent: Run | None = None, measured: Checkpoint | None = None
) -> Run:
    """Check what is wanted, write the run down and begin its preflight; raises the first fault.

    One that was launched because a run asked for its checkpoint to be ``measured`` belongs to who owns that run.
    """
    require(actor, "training.run")
    plan = check(wanted)
    run = Run.objects.create(
        name=plan.name,
        stage=plan.stage.name,
        preset=plan.preset.name,
        config=plan.config.to_json(),
        seed=plan.seed,
        inputs=plan.inputs,
        base=plan.base,
        tokenizer=plan.tokenizer,
        reference_model=plan.reference_model,
        reward_model=plan.reward_model,
        gpus=plan.gpus,
        priority=plan.priority,
        measures=plan.measures,
        measured=measured,
        parent=parent,
        gpu_hour_price=settings.GPU_HOUR_PRICE,
        created_by=measured.run.created_by if measured else actor.user,
    )
    _hold(plan)
    begin(actor, run)
    run.version = _reserve(actor, plan)
    run.save(update_fields=["version"])
    preflight.start(actor, run, spec_of(plan, run.pk, run.version, _source_roots(actor)).to_json())
    _record_lineage(run, plan)
    audit.record(
        actor,
        "run.launch",
        run.reference,
        stage=run.stage,
        inputs=[source.reference for source in plan.sources],
        parts={role: part.reference for role, part in run.parts.items()},
        cloned_from=parent.reference if parent else "",
    )
    return run


def clone(actor: Actor, run: Run, **changes: Any) -> Run:
    """Launch a run again with some of what was wanted changed; ``settings`` replace single settings."""
    wanted = wanted_of(run)
    if "inputs" in changes and not any(item.role == "eval" for item in changes["inputs"]):
        changes.setdefault("measures", None)
    changed = {**wanted.settings, **changes.pop("settings", {})}
    return launch(actor, replace(wanted, settings=changed, **changes), parent=run)


def cancel(actor: Actor, run: Run) -> Run:
    """End a run for good; a program that works saves first, and its checkpoints stay."""
    return _steer(actor, run, "cancel", jobs.cancel)


def pause(actor: Actor, run: Run) -> Run:
    """Save and give the devices back, to go on later."""
    return _steer(actor, run, "pause", jobs.pause)


def resume(actor: Actor, run: Run) -> Run:
    """Go on with a paused run from where it saved."""
    return _steer(actor, run, "resume", jobs.resume)


@transaction.atomic
def retry(actor: Actor, run: Run) -> Run:
    """Go on with a failed or cancelled run from its last saved state."""
    _steer(actor, run, "retry", jobs.retry)
    if run.version is not None:
        datasets.reopen_version(actor, run.version)
    return run


@transaction.atomic
def settle_cost(run: Run) -> Run:
    """Write down what an ended run has cost."""
    Run.objects.filter(pk=run.pk).update(cost=cost_of(run))
    run.refresh_from_db()
    return run


@transaction.atomic
def _steer(actor: Actor, run: Run, verb: str, act: Callable[[Actor, Job], Job]) -> Run:
    require(actor, "training.run")
    if run.current is None:
        raise Conflict(f"{run.reference} has no job.")
    act(actor, run.current)
    audit.record(actor, f"run.{verb}", run.reference)
    return run


def _reserve(actor: Actor, plan: Plan) -> DatasetVersion | None:
    """The next version of the dataset that the run's rows go into; ``None`` where it keeps none."""
    if not plan.output:
        return None
    licence = plan.base.licence if plan.base else ""
    try:
        dataset = datasets.claim_dataset(actor, plan.output, plan.stage.makes, append=True, licence=licence)
        return datasets.reserve_version(actor, dataset)
    except TilthError as error:
        error.field = "output"
        raise


def _hold(plan: Plan) -> None:
    """See that the files of its checkpoints stay: pruning takes the same locks, and this run refers to them now."""
    parts = (plan.base, plan.tokenizer, plan.reference_model, plan.reward_model)
    wanted = {part.pk for part in parts if part is not None}
    held = Checkpoint.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    gone = next((part for part in held if not part.is_kept), None)
    if gone is not None:
        raise Conflict(f"The files of {gone.reference} have just been pruned: choose another checkpoint.")


def _source_roots(actor: Actor) -> list[str]:
    """The folders of the server that a run may read; at the shell, what the account may read."""
    return ["/"] if actor.is_shell else [str(root) for root in settings.SOURCE_ROOTS]


def _record_lineage(run: Run, plan: Plan) -> None:
    edges = {(source.reference, RELATIONS[source.role]) for source in plan.sources}
    edges |= {(part.reference, USES[role]) for role, part in run.parts.items()}
    if run.parent is not None:
        edges.add((run.parent.reference, "cloned_from"))
    Lineage.objects.bulk_create(
        Lineage(child=run.reference, parent=parent, relation=relation) for parent, relation in sorted(edges)
    )
