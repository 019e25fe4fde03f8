"""What the tests of runs share: a published version, a run that is wanted, runs and checkpoints as rows."""

from pathlib import Path
from typing import Any

from django.db import transaction

from tests.tilth.published import publish
from tests.training.conftest import sentences
from tilth.accounts.actors import Actor
from tilth.datasets.models import DatasetVersion
from tilth.datasets.schemas import row_id
from tilth.jobs.models import Job, JobMetric
from tilth.storage import Storage
from training.actions import checkpoints, preflight, runs
from training.launch import Input, Wanted
from training.llm import pretokens
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import store
from training.llm.record import template_hash, tokenizer_hash
from training.models.alerts import Alert
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

ACTOR = Actor.system("test")


def prose(storage: Storage, name: str = "prose", count: int = 200, start: int = 0) -> DatasetVersion:
    """A version of documents that a tiny tokenizer can learn from."""
    rows = [
        {"id": row_id(name, n), "text": text, "language": "en", "source": name, "record_offset": n}
        for n, text in enumerate(sentences(count, start))
    ]
    return publish(storage, name, "documents", rows)


def wanted(**changes: Any) -> Wanted:
    """A tiny tokenizer on ``prose@1``."""
    given = {
        "stage": "tokenizer",
        "preset": "smoke",
        "inputs": (Input("prose@1"),),
        "settings": {"vocabulary": 300},
    }
    return Wanted(**{**given, **changes})


@transaction.atomic
def launched(storage: Storage, **changes: Any) -> Run:
    """A queued run, whose preflight has passed before a worker could hear of it."""
    return let_through(checked(storage, **changes))


def checked(storage: Storage, **changes: Any) -> Run:
    """A run that waits for its preflight."""
    if not DatasetVersion.objects.filter(dataset__name="prose").exists():
        prose(storage)
    return runs.launch(ACTOR, wanted(**changes))


@transaction.atomic
def tokenizer(storage: Storage, folder: Path) -> Checkpoint:
    """A tokenizer that has read ``prose@1``, stored as a checkpoint; ``folder`` is scratch."""
    words = launched(storage, name="Words")
    pretokens.save(pretokens.train(sentences(200), 384), folder, 64)
    known = {"tokenizer_hash": tokenizer_hash(folder), "template_hash": template_hash(folder)}
    made = Stored(run=words.pk, step=0, stage="tokenizer", holds="tokenizer", **known)
    store(storage, folder, made, 1)
    runs.cancel(ACTOR, words)
    return checkpoints.register(ACTOR, words, 0)


def pretraining(storage: Storage, folder: Path, gpus: int = 0, **settings: Any) -> Run:
    """A queued pretraining of a tiny model on ``prose@1``, with a tokenizer made in ``folder``."""
    words = tokenizer(storage, folder)
    return launched(
        storage,
        stage="pretrain",
        tokenizer=words.reference,
        settings=settings,
        name="Pretraining",
        gpus=gpus,
    )


def let_through(run: Run, result: dict[str, Any] | None = None) -> Run:
    """The run after its preflight, which passed unless its ``result`` says otherwise."""
    result = result or {"passed": True, "checks": []}
    Job.objects.filter(pk=run.preflight_id).update(state="succeeded", result=result)
    preflight.settle(run.preflight, result)
    return Run.objects.with_objects().get(pk=run.pk)


def with_state(run: Run, state: str, **fields: Any) -> Run:
    """The run with its job in another state."""
    Job.objects.filter(pk=run.job_id).update(state=state, **fields)
    return Run.objects.with_objects().get(pk=run.pk)


def checkpoint(run: Run, step: int = 0, holds: str = "tokenizer", **fields: Any) -> Checkpoint:
    """A checkpoint's row, without files."""
    return Checkpoint.objects.create(
        run=run,
        step=step,
        holds=holds,
        path=f"checkpoints/{run.pk}/{step}",
        manifest_sha256="0" * 64,
        **fields,
    )


def metrics(run: Run, attempt: int = 1, **series: dict[int, float | None]) -> None:
    """Points of the run's job: ``metrics(run, loss={1: 2.5})``."""
    JobMetric.objects.bulk_create(
        JobMetric(job_id=run.job_id, attempt=attempt, name=name, step=step, value=value)
        for name, points in series.items()
        for step, value in points.items()
    )


def alert(run: Run, message: str = "The loss is 9.", rule: str = "loss_spike", step: int = 7) -> Alert:
    """An alert's row."""
    return Alert.objects.create(run=run, attempt=1, rule=rule, series="loss", step=step, message=message)
