"""The checkpoints that runs have made.

A checkpoint never changes; its row appears when its files are stored whole, and stays when they are pruned.
"""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from training.llm.checkpoints import SCORING, checkpoint_folder
from training.models.runs import Run


class CheckpointQuerySet(models.QuerySet["Checkpoint"]):
    """Reads of checkpoints."""

    def kept(self) -> "CheckpointQuerySet":
        """Those whose files are there, the newest run and its last step first."""
        return self.filter(state=Checkpoint.State.KEPT).select_related("run").order_by("-run_id", "-step")

    def measured(self) -> list[str]:
        """The names of every number that was measured at these checkpoints."""
        known = self.values_list("metrics", flat=True)
        numbers = {
            name for metrics in known for name, value in metrics.items() if isinstance(value, int | float)
        }
        return sorted(numbers)

    def by_reference(self, reference: str) -> "Checkpoint | None":
        """The checkpoint ``checkpoint:RUN/STEP``, whatever its state."""
        run, slash, step = reference.removeprefix("checkpoint:").partition("/")
        if not (slash and run.isdecimal() and step.isdecimal() and len(run) < 18 and len(step) < 18):
            return None
        return self.select_related("run").filter(run_id=int(run), step=int(step)).first()


class Checkpoint(models.Model):
    """What a run has made by a step: files in Hugging Face's layout, under ``path`` of the storage."""

    class State(models.TextChoices):
        """Whether its files are still there."""

        KEPT = "kept", "Kept"
        PRUNED = "pruned", "Pruned"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="checkpoints")
    step = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.KEPT)
    holds = models.CharField(max_length=20, help_text="model, tokenizer or adapter")
    path = models.CharField(max_length=300, help_text="storage key of its folder")
    bytes = models.BigIntegerField(default=0)
    manifest_sha256 = models.CharField(max_length=64, help_text="sha256 of its checkpoint.json")
    tokens = models.BigIntegerField(default=0)
    parameters = models.BigIntegerField(default=0)
    architecture = models.CharField(max_length=100, blank=True)
    context = models.BigIntegerField(default=0)
    tokenizer_hash = models.CharField(max_length=64, blank=True)
    template_hash = models.CharField(max_length=64, blank=True)
    licence = models.CharField(max_length=100, blank=True)
    metrics = models.JSONField(default=dict)
    record = models.JSONField(default=dict, help_text="code, packages, machine, seed")
    created_at = models.DateTimeField(default=timezone.now)

    objects = CheckpointQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["run_id", "step"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "step"], name="one_checkpoint_per_step"),
            models.CheckConstraint(condition=models.Q(step__gte=0), name="checkpoint_steps_from_zero"),
        ]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """``checkpoint:RUN/STEP``."""
        return f"checkpoint:{self.run_id}/{self.step}"

    @property
    def folder(self) -> str:
        """Storage key of its folder, from its numbers alone."""
        return checkpoint_folder(self.run_id, self.step)

    @property
    def scores(self) -> bool:
        """Whether it is a reward model: it scores texts and writes none."""
        return self.architecture.endswith(SCORING)

    @property
    def is_kept(self) -> bool:
        """Whether its files are there."""
        return self.state == self.State.KEPT

    @property
    def figures(self) -> dict[str, Any]:
        """Its metrics in the order of their names."""
        return dict(sorted(self.metrics.items()))
