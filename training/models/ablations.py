"""Ablations: questions put to many runs, the runs of each, and the evaluations of their checkpoints."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tilth.errors import Conflict
from training.models.checkpoints import Checkpoint
from training.models.runs import Run


class Ablation(models.Model):
    """A question put to runs that differ in their data alone: arms, sizes, seeds and metric, fixed at the launch.

    ``arms`` lists ``{name, inputs: [{reference, weight, epochs}]}``; the others are compared with the first.
    ``sizes`` lists ``{label, settings, base, parameters}``. ``metric`` is a curve of the runs, or a figure of an
    evaluation as ``NAME@V/FIGURE``.
    """

    name = models.CharField(max_length=200)
    question = models.TextField(blank=True)
    stage = models.CharField(max_length=30)
    preset = models.CharField(max_length=60, blank=True)
    config = models.JSONField(default=dict, help_text="settings of all runs, by name")
    arms = models.JSONField()
    sizes = models.JSONField()
    seeds = models.JSONField(help_text="every seed, in order")
    metric = models.CharField(max_length=200)
    lower_is_better = models.BooleanField()
    validation = models.CharField(max_length=220, blank=True)
    evals = models.JSONField(default=list, help_text="versions that each checkpoint is measured on")
    eval_settings = models.JSONField(default=dict)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new ablation; one that was launched is refused."""
        if self.pk:
            raise Conflict(f"{self.reference} was launched and cannot change.", code="immutable")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refused: what was asked is kept, whatever the answer."""
        raise Conflict("Ablations are never deleted.", code="immutable")

    @property
    def reference(self) -> str:
        """``ablation:ID``."""
        return f"ablation:{self.pk}"


class AblationCell(models.Model):
    """One run of an ablation: which arm, which size, which seed, each by its place."""

    ablation = models.ForeignKey(Ablation, on_delete=models.PROTECT, related_name="cells")
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="ablation_cell")
    arm = models.PositiveSmallIntegerField()
    size = models.PositiveSmallIntegerField()
    seed = models.PositiveSmallIntegerField()

    class Meta:
        ordering: ClassVar = ["size", "arm", "seed"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ablation", "arm", "size", "seed"], name="one_run_per_cell")
        ]

    def __str__(self) -> str:
        return f"{self.ablation.reference}: {self.run.reference}"


class AblationEvaluation(models.Model):
    """The evaluation of one checkpoint of an ablation's run."""

    cell = models.ForeignKey(AblationCell, on_delete=models.PROTECT, related_name="evaluations")
    checkpoint = models.OneToOneField(
        Checkpoint, on_delete=models.PROTECT, related_name="ablation_evaluation"
    )
    run = models.OneToOneField(Run, on_delete=models.PROTECT, related_name="evaluates_for")

    class Meta:
        ordering: ClassVar = ["cell_id", "checkpoint_id"]

    def __str__(self) -> str:
        return f"{self.checkpoint.reference}: {self.run.reference}"
