"""Runs of the stages: settings, what they read, and the jobs that check them and carry them out.

A run's state is its job's.
"""

from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tilth.errors import TilthError
from tilth.jobs.models import SUPERVISED, Job, JobState
from training.llm.stages import Stage
from training.llm.stages import stage as find_stage

if TYPE_CHECKING:
    from training.models.checkpoints import Checkpoint

CONFIG_VERSION = 1
CHECKING, STOPPED = "checking", "stopped by preflight"
CHECKED_STATES: dict[str, str] = {
    JobState.QUEUED: CHECKING,
    JobState.RUNNING: CHECKING,
    JobState.PUBLISHING: CHECKING,
    JobState.SUCCEEDED: STOPPED,
    JobState.FAILED: STOPPED,
}
"""What a run is called while it has only a preflight, by that one's state; other states are named alike."""
RUN_STATES = [*JobState.choices, (CHECKING, "Checking"), (STOPPED, "Stopped by preflight")]


class Measures(models.TextChoices):
    """Which checkpoints of a run are measured on its evaluation data, by runs of their own."""

    LAST = "last", "The last checkpoint"
    EACH = "each", "Each checkpoint"
    NONE = "none", "None: it is only looked for in what is trained on"


class RunQuerySet(models.QuerySet["Run"]):
    """Reads of runs."""

    def with_objects(self) -> "RunQuerySet":
        """Runs with what their rows and pages show."""
        return self.select_related(
            "job",
            "preflight",
            "created_by",
            "parent",
            "measured__run",
            "base__run",
            "tokenizer__run",
            "reference_model__run",
            "reward_model__run",
            "version__dataset",
        )

    def under_way(self) -> "RunQuerySet":
        """Runs that are checked, wait or work."""
        moving = [JobState.QUEUED, *SUPERVISED]
        return self.filter(models.Q(job__state__in=moving) | models.Q(job=None, preflight__state__in=moving))

    def in_state(self, state: str) -> "RunQuerySet":
        """Runs in one of :data:`RUN_STATES`."""
        before = [name for name, shown in CHECKED_STATES.items() if shown == state]
        before = before or ([] if state in CHECKED_STATES else [state])
        return self.filter(models.Q(job__state=state) | models.Q(job=None, preflight__state__in=before))

    def search(self, words: str) -> "RunQuerySet":
        """Runs whose name, stage, preset or number fits the words."""
        match = (
            models.Q(name__icontains=words)
            | models.Q(stage__icontains=words)
            | models.Q(preset__icontains=words)
        )
        number = words.removeprefix("run:")
        if number.isdecimal() and len(number) < 18:
            match |= models.Q(pk=int(number))
        return self.filter(match)


class Run(models.Model):
    """One run of a stage: settings, what it reads, the job that carries it out.

    ``inputs`` lists ``{reference, kind, role, weight, epochs}`` as in :class:`training.llm.spec.Source`.
    """

    name = models.CharField(max_length=200)
    stage = models.CharField(max_length=30, db_index=True)
    preset = models.CharField(max_length=60, blank=True)
    config = models.JSONField(help_text="every setting of the stage")
    config_version = models.PositiveSmallIntegerField(default=CONFIG_VERSION)
    seed = models.BigIntegerField(default=0)
    inputs = models.JSONField(default=list)
    base = models.ForeignKey(
        "Checkpoint", null=True, blank=True, on_delete=models.PROTECT, related_name="started_runs"
    )
    tokenizer = models.ForeignKey(
        "Checkpoint", null=True, blank=True, on_delete=models.PROTECT, related_name="tokenized_runs"
    )
    reference_model = models.ForeignKey(
        "Checkpoint", null=True, blank=True, on_delete=models.PROTECT, related_name="compared_runs"
    )
    reward_model = models.ForeignKey(
        "Checkpoint", null=True, blank=True, on_delete=models.PROTECT, related_name="rewarded_runs"
    )
    version = models.OneToOneField(
        "datasets.DatasetVersion",
        null=True,
        on_delete=models.PROTECT,
        related_name="training_run",
        help_text="what it makes, where its stage makes rows; reserved at the launch",
    )
    preflight = models.OneToOneField(
        "jobs.Job",
        null=True,
        on_delete=models.PROTECT,
        related_name="checked_run",
        help_text="its newest preflight",
    )
    job = models.OneToOneField(
        "jobs.Job",
        null=True,
        on_delete=models.PROTECT,
        related_name="training_run",
        help_text="carries it out, once a preflight has passed",
    )
    gpus = models.PositiveSmallIntegerField(default=0, help_text="devices that its job takes")
    priority = models.SmallIntegerField(default=0)
    parent = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="clones",
        help_text="the run it was cloned from",
    )
    measures = models.CharField(
        max_length=4,
        choices=Measures.choices,
        default=Measures.NONE,
        help_text="which of its checkpoints are measured on its evaluation data",
    )
    measured = models.OneToOneField(
        "Checkpoint",
        null=True,
        on_delete=models.PROTECT,
        related_name="measurement",
        help_text="the checkpoint that it was launched to measure because its run asked for that",
    )
    gpu_hour_price = models.FloatField(
        default=0, help_text="what an hour of one GPU cost when it was launched"
    )
    cost = models.FloatField(null=True, help_text="what its GPUs cost, once it has ended")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = RunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def reference(self) -> str:
        """``run:ID``."""
        return f"run:{self.pk}"

    @property
    def state(self) -> str:
        """The state of its job; before it has one, what its preflight means: one of :data:`RUN_STATES`."""
        if self.job is not None:
            return self.job.state
        state = self.preflight.state if self.preflight is not None else JobState.QUEUED
        return CHECKED_STATES.get(state, state)

    @property
    def current(self) -> Job | None:
        """The job that works for it now, or worked last."""
        return self.job or self.preflight

    @property
    def is_moving(self) -> bool:
        """Whether its page has something to refresh."""
        return self.current is not None and self.current.is_moving

    @property
    def parts(self) -> "dict[str, Checkpoint]":
        """The checkpoints that it starts from or uses, by their role."""
        found = {
            "base": self.base,
            "tokenizer": self.tokenizer,
            "reference_model": self.reference_model,
            "reward_model": self.reward_model,
        }
        return {role: checkpoint for role, checkpoint in found.items() if checkpoint is not None}

    @property
    def stage_title(self) -> str:
        """What its stage is called on pages; a stage that is no more goes by its name."""
        try:
            return self.stage_info.title
        except TilthError:
            return self.stage

    @property
    def stage_info(self) -> Stage:
        """Its stage; raises :class:`InvalidInput` for one that is no more."""
        return find_stage(self.stage)
