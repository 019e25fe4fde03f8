"""Measuring the checkpoints of a run by runs of the stage ``evaluate``: each checkpoint once, however often it is asked.

What cannot be launched is logged and undoes nothing: the training goes on.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Min

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.errors import TilthError
from training.actions.runs import launch
from training.launch import Input, Wanted
from training.llm.configs.evaluate import EvaluateConfig
from training.models.checkpoints import Checkpoint, CheckpointQuerySet
from training.models.runs import Measures, Run

logger = logging.getLogger(__name__)
Note = Callable[[Checkpoint, Run], None]


def measure(actor: Actor, run: Run, ended: bool = False) -> list[Run]:
    """Launch what a run itself asked for; those launched now. The last checkpoint is known once it has ended well."""
    waiting = run.checkpoints.all()
    if run.measures == Measures.LAST and ended:
        last = waiting.order_by("step").last()
        waiting = waiting.filter(pk=last.pk) if last else waiting.none()
    elif run.measures != Measures.EACH:
        return []
    kinds = {item["reference"]: item["kind"] for item in run.inputs if item["role"] == "eval"}
    # A reward model has nothing to say on what is no comparison.
    evals = [name for name, kind in kinds.items() if kind == "preferences" or not run.stage_info.takes_scorer]
    return launch_each(actor, waiting, evals, _room(run))


def _room(run: Run) -> dict[str, Any]:
    """A small model's tries leave half of what it takes to the question; else nothing could be tried."""
    longest = run.checkpoints.filter(context__gt=0).aggregate(least=Min("context"))["least"]
    usual = EvaluateConfig().max_tokens
    return {"max_tokens": longest // 2} if longest and longest // 2 < usual else {}


def launch_each(
    actor: Actor,
    checkpoints: CheckpointQuerySet,
    evals: Iterable[str],
    settings: Mapping[str, Any],
    note: Note = lambda checkpoint, run: None,
) -> list[Run]:
    """Launch an evaluation of each of these models that has none yet; ``note`` writes down what it is for."""
    waiting = checkpoints.filter(state=Checkpoint.State.KEPT, holds="model", measurement=None)
    made = []
    for checkpoint in waiting.select_related("run__created_by").order_by("step"):
        try:
            launched = _launch(actor, checkpoint, evals, settings, note)
        except TilthError as error:
            logger.warning("%s is not measured: %s", checkpoint.reference, error.message)
        else:
            made += [launched] if launched else []
    return made


@transaction.atomic
def _launch(
    actor: Actor, checkpoint: Checkpoint, evals: Iterable[str], settings: Mapping[str, Any], note: Note
) -> Run | None:
    # Two who come at once wait here for each other.
    Checkpoint.objects.select_for_update().get(pk=checkpoint.pk)
    if Run.objects.filter(measured=checkpoint).exists():
        return None
    run = checkpoint.run
    if run.created_by is not None:
        require(Actor(user=run.created_by), "training.run")
    wanted = Wanted(
        stage="evaluate",
        name=f"{run.name[:150]} · step {checkpoint.step}",
        inputs=tuple(Input(reference, "eval") for reference in evals),
        base=checkpoint.reference,
        settings=settings,
        gpus=min(1, run.gpus),
        priority=run.priority,
    )
    made = launch(actor, wanted, measured=checkpoint)
    note(checkpoint, made)
    return made
