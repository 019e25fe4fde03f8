"""What the tests of ablations share: one that is asked, and runs of it that end as told."""

from typing import Any

from tests.training.launching import checkpoint, launched, let_through, metrics, prose, with_state
from tilth.datasets.models import DatasetVersion
from tilth.storage import Storage
from training.ablating import Arm, WantedAblation
from training.launch import Wanted
from training.models.ablations import Ablation
from training.models.checkpoints import Checkpoint
from training.models.runs import Run


def prepare(storage: Storage) -> Checkpoint:
    """Two versions to compare, held-out texts and a tokenizer."""
    for name, start in (("prose", 0), ("other", 300), ("held", 600)):
        if not DatasetVersion.objects.filter(dataset__name=name).exists():
            prose(storage, name, 20, start)
    return checkpoint(launched(storage, name="Words"))


def asked(storage: Storage, **changes: Any) -> WantedAblation:
    """Two arms, one size, three seeds of a tiny pretraining."""
    tokenizer = prepare(storage)
    shared = {"stage": "pretrain", "preset": "smoke", "tokenizer": tokenizer.reference}
    given = {
        "name": "Which prose",
        "common": Wanted(**{**shared, **changes.pop("common", {})}),
        "arms": (Arm.parse("A=prose@1"), Arm.parse("B=other@1")),
        "metric": "bits_per_byte",
        "validation": "held@1",
    }
    return WantedAblation(**{**given, **changes})


def end(run: Run, value: float | None, state: str = "succeeded", steps: tuple[int, ...] = (20, 60)) -> Run:
    """A run that has ended in a state, its metric having come to a value from one above."""
    run = with_state(let_through(Run.objects.with_objects().get(pk=run.pk)), state)
    metrics(run, bits_per_byte={step: value if step == steps[-1] else 5.0 for step in steps})
    return run


def end_all(ablation: Ablation, values: list[list[list[float | None]]]) -> None:
    """End every run with ``values[size][arm][seed]``."""
    for cell in ablation.cells.select_related("run"):
        end(cell.run, values[cell.size][cell.arm][cell.seed])
