"""Pruning: the files of checkpoints that nobody needs go; their rows, hashes and lineage stay.

A checkpoint never changes: it is there whole or its files are gone, and what refers to it finds what is known of it.
Rows are marked here, under the locks that a launch takes as well; a job removes the files.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import reverse

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import Conflict, InvalidInput
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.text.storable import storable
from training.actions.checkpoints import PRUNING
from training.models.checkpoints import Checkpoint
from training.models.retention import Retention
from training.models.runs import Run
from training.retention import Policy, Stored, reasons
from training.uses import uses_of

ACTOR = Actor.system("retention")
MOST = 10_000
State = Checkpoint.State


@dataclass(frozen=True, slots=True)
class Line:
    """A checkpoint that is there, and why it stays; without a reason it may go."""

    checkpoint: Checkpoint
    reasons: list[str]


def begin(actor: Actor, run: Run) -> None:
    """A run whose settings name how many checkpoints to keep prunes by itself; part of its launch."""
    keep = run.config.get("keep")
    if keep is not None:
        set_policy(actor, run, Policy(last=keep + 1), automatic=True)


@transaction.atomic
def set_policy(actor: Actor, run: Run, policy: Policy, automatic: bool = False) -> Retention:
    """Say which checkpoints of a run stay, and whether the others go by themselves."""
    require(actor, "training.run")
    for name in ("every", "last"):
        number = getattr(policy, name)
        if number is not None and not 1 <= number <= MOST:
            raise InvalidInput(f"From 1 to {MOST:,}.", field=name)
    if automatic and not policy.asks:
        raise InvalidInput("Say first which checkpoints stay.", field="automatic")
    values = {
        "every": policy.every,
        "last": policy.last,
        "metric": storable(policy.metric)[:200],
        "lowest": policy.lowest,
        "automatic": automatic,
    }
    kept, _ = Retention.objects.update_or_create(run=run, defaults=values)
    audit.record(actor, "run.retention", run.reference, **values)
    return kept


def preview(run: Run) -> list[Line]:
    """The checkpoints of a run that are there, the newest first, with why each stays."""
    return _lines(run, list(run.checkpoints.order_by("step")))


@transaction.atomic
def prune(actor: Actor, run: Run, steps: Iterable[int]) -> list[Checkpoint]:
    """Prune these checkpoints; raises :class:`Conflict` where one of them stays, by the policy or by what uses it."""
    require(actor, "training.run")
    wanted = set(steps)
    rows = list(run.checkpoints.select_for_update().order_by("pk"))
    may_go = {line.checkpoint.step: line.checkpoint for line in _lines(run, rows) if not line.reasons}
    if not wanted:
        raise InvalidInput("No checkpoint was chosen.")
    if wanted - set(may_go):
        named = ", ".join(f"checkpoint:{run.pk}/{step}" for step in sorted(wanted - set(may_go)))
        raise Conflict(f"Something changed meanwhile, and these stay: {named}. Look at the list again.")
    going = [may_go[step] for step in sorted(wanted)]
    Checkpoint.objects.filter(pk__in=[one.pk for one in going]).update(state=State.PRUNED)
    for one in going:
        audit.record(actor, "checkpoint.prune", one.reference, bytes=one.bytes, sha256=one.manifest_sha256)
    listed = [
        {"step": one.step, "folder": one.folder, "manifest_sha256": one.manifest_sha256} for one in going
    ]
    params = {"run": run.pk, "checkpoints": listed}
    jobs.submit(actor, PRUNING, params, title=f"{len(going)} checkpoints of {run.name}")
    return going


def prune_automatically(run: Run) -> list[Checkpoint]:
    """Prune what the run's own settings let go of; nothing where they do not say so."""
    if not Retention.objects.filter(run=run, automatic=True).exists():
        return []
    going = [line.checkpoint.step for line in preview(run) if not line.reasons]
    try:
        return prune(ACTOR, run, going) if going else []
    except Conflict:
        # Somebody began to use one of them just now; the next checkpoint brings the next look.
        return []


def url(job: Job) -> str | None:
    """The page of the run whose checkpoints a job removes."""
    run = Run.objects.filter(pk=job.params.get("run")).first()
    return reverse("training:run", args=[run.pk]) if run else None


def _lines(run: Run, rows: list[Checkpoint]) -> list[Line]:
    used = uses_of(row.reference for row in rows if row.is_kept)
    stored = [
        Stored(row.step, _numbers(row.metrics), row.is_kept, used.get(row.reference, ())) for row in rows
    ]
    why = reasons(_policy(run), stored)
    there = [row for row in rows if row.is_kept]
    return [Line(row, why[row.step]) for row in sorted(there, key=lambda row: -row.step)]


def _policy(run: Run) -> Policy:
    kept = Retention.objects.filter(run=run).first()
    if kept is None:
        return Policy()
    return Policy(every=kept.every, last=kept.last, metric=kept.metric, lowest=kept.lowest)


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}
