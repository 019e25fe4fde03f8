"""What the tests of evaluations share: something to measure on, and runs that have measured."""

from typing import Any

from tests.tilth.published import publish
from tests.training.launching import launched, with_state
from tilth.accounts.actors import Actor
from tilth.datasets import actions
from tilth.datasets.build import build_manifest
from tilth.datasets.models import DatasetVersion
from tilth.datasets.schemas import row_id
from tilth.datasets.writer import DatasetWriter
from tilth.storage import Storage
from training.launch import Input
from training.llm.checkpoints import Checkpoint as Stored
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

ACTOR = Actor.system("test")


def quiz(storage: Storage, count: int = 3) -> DatasetVersion:
    """Multiple choice, as ``quiz@1``."""
    rows = [{"id": f"{n:032x}", "question": "2+2?", "options": ["4", "5"], "answer": 0} for n in range(count)]
    return publish(storage, "quiz", "choices", rows)


def figure(value: float | None, spread: float | None = 0.05, count: int = 400) -> dict[str, Any]:
    """A figure as an evaluation's result holds it, give or take ``spread``."""
    if value is None or spread is None:
        return {"value": value, "count": count}
    return {"value": value, "low": value - spread, "high": value + spread, "count": count}


def store_model(storage: Storage, run: Run, step: int, **fields: Any) -> None:
    """What a program leaves when it has stored a checkpoint, without weights."""
    kept = Stored(run=run.pk, step=step, stage=run.stage, holds="model", **fields)
    storage.write_json(f"checkpoints/{run.pk}/{step}/checkpoint.json", kept.to_json())


def evaluation(
    storage: Storage,
    model: Checkpoint,
    figures: dict[str, dict[str, Any]],
    version: str = "quiz@1",
    scores: list[float] | None = None,
    kept_as: str = "",
    **settings: Any,
) -> Run:
    """A run that has measured a checkpoint, and kept its items where their ``scores`` are given.

    ``kept_as`` names what they are items of where it is not the version.
    """
    run = launched(
        storage,
        stage="evaluate",
        preset="",
        inputs=(Input(version, "eval"),),
        settings=settings,
        base=model.reference,
        output="marks" if scores else "",
    )
    if scores and run.version is not None:
        _keep(storage, run.version, kept_as or version, scores)
    return with_state(run, "succeeded", attempt=1, result={"figures": {version: figures}})


def _keep(storage: Storage, made: DatasetVersion, version: str, scores: list[float]) -> None:
    rows = [
        {
            "id": row_id(made.reference, version, n),
            "evaluation": version,
            "item": f"{n:032x}",
            "prediction": "4",
            "score": score,
            "logprob": -1.0,
        }
        for n, score in enumerate(scores)
    ]
    with DatasetWriter(storage, f"{made.folder}/1", "eval_items") as writer:
        writer.write(rows)
    name, number = made.dataset.name, made.number
    manifest = build_manifest(storage, name, number, "eval_items", writer.close(), producer="test")
    actions.publish_version(ACTOR, made, manifest)
