"""Taking in what runs have stored: a row for each checkpoint, once, however often it is announced."""

import hashlib
import json
from typing import Any

from django.conf import settings
from django.db import transaction

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets.models import Lineage
from tilth.errors import InvalidInput, NotFound
from tilth.jobs.models import ENDED, Job
from tilth.storage import Storage
from tilth.text.storable import storable
from training.llm.checkpoints import NAME, checkpoint_folder
from training.llm.checkpoints import Checkpoint as Stored
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

State = Checkpoint.State
PRUNING = "checkpoint_prune"
"""The kind of the jobs that remove the files of pruned checkpoints."""


def register(actor: Actor, run: Run, step: int) -> Checkpoint:
    """The row of a run's checkpoint, made where there is none yet.

    Raises :class:`NotFound` where nothing whole is stored, and :class:`InvalidInput` where what is stored says
    that it is something else.
    """
    require(actor, "training.run")
    known = run.checkpoints.filter(step=step, state=State.KEPT).first()
    if known is not None:
        return known
    stored, digest = _read(run, step)
    return _record(actor, run, stored, digest)


def reconcile(actor: Actor, run: Run) -> list[Checkpoint]:
    """Bring a run's rows to what is stored; returns the new ones.

    Whole checkpoints have a row, and those that the run has taken away are pruned. A run that goes on from
    before a pruned checkpoint stores it again: then it is there again.
    """
    require(actor, "training.run")
    keys = Storage(settings.STORAGE).list(f"checkpoints/{run.pk}", f"/{NAME}")
    found = {int(step) for key in keys if (step := key.split("/")[-2]).isdecimal() and key.count("/") == 3}
    kept = run.checkpoints.filter(state=State.KEPT)
    kept.exclude(step__in=found).update(state=State.PRUNED)
    known = set(kept.values_list("step", flat=True))
    new = found - known - _going(run, found - known)
    return [register(actor, run, step) for step in sorted(new)]


def _going(run: Run, steps: set[int]) -> set[int]:
    """Pruned steps whose files are there only until a job has removed them."""
    pruned = set(run.checkpoints.filter(state=State.PRUNED, step__in=steps).values_list("step", flat=True))
    if not pruned:
        return set()
    jobs = Job.objects.filter(kind=PRUNING, params__run=run.pk).exclude(state__in=ENDED)
    return pruned & {
        item["step"] for params in jobs.values_list("params", flat=True) for item in params["checkpoints"]
    }


def _read(run: Run, step: int) -> tuple[Stored, str]:
    storage, key = Storage(settings.STORAGE), f"{checkpoint_folder(run.pk, step)}/{NAME}"
    if not storage.exists(key):
        raise NotFound(f"There is no checkpoint under {key}.", code="no_checkpoint")
    text = storage.read_bytes(key)
    stored = Stored.from_json(json.loads(text))
    if (stored.run, stored.step) != (run.pk, step):
        raise InvalidInput(f"{key} says that it is {stored.reference}.", code="bad_checkpoint")
    return stored, hashlib.sha256(text).hexdigest()


@transaction.atomic
def _record(actor: Actor, run: Run, stored: Stored, digest: str) -> Checkpoint:
    copied = (
        "holds",
        "tokens",
        "parameters",
        "architecture",
        "context",
        "tokenizer_hash",
        "template_hash",
        "licence",
        "bytes",
    )
    values: dict[str, Any] = {name: getattr(stored, name) for name in copied}
    values |= {
        "state": State.KEPT,
        "path": stored.folder,
        "manifest_sha256": digest,
        "metrics": storable(stored.metrics),
        "record": storable(stored.record),
    }
    row, made = Checkpoint.objects.get_or_create(run=run, step=stored.step, defaults=values)
    if made:
        Lineage.objects.create(child=row.reference, parent=run.reference, relation="made_by")
        audit.record(actor, "checkpoint.register", row.reference, holds=row.holds, bytes=row.bytes)
    elif Checkpoint.objects.filter(pk=row.pk, state=State.PRUNED).update(**values):
        audit.record(actor, "checkpoint.restore", row.reference, bytes=row.bytes)
        row.refresh_from_db()
    return row


def record_download(actor: Actor, checkpoint: Checkpoint) -> None:
    """Write down who took a checkpoint's files away."""
    require(actor, "models.view")
    audit.record(actor, "checkpoint.download", checkpoint.reference)
