"""Runs of the stages, and the checkpoints that they have made.

A run's state is its job's. A checkpoint never changes; its row appears when its files are stored whole, and
stays when they are pruned.
"""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tilth.errors import Conflict, TilthError
from tilth.jobs.models import SUPERVISED, Job, JobState
from training.llm.alerts.finding import NOT_FINITE, RULES
from training.llm.checkpoints import checkpoint_folder
from training.llm.stages import Stage
from training.llm.stages import stage as find_stage

CONFIG_VERSION = 1
SCORING = "ForSequenceClassification"
"""How the names of architectures end that score and do not write, in transformers."""


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


class RunQuerySet(models.QuerySet["Run"]):
    """Reads of runs."""

    def with_objects(self) -> "RunQuerySet":
        """Runs with what their rows and pages show."""
        return self.select_related(
            "job",
            "preflight",
            "created_by",
            "parent",
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

    def with_alerts(self) -> "RunQuerySet":
        """Runs with ``unseen``, how many alerts nobody has seen to."""
        open_ = Alert.objects.filter(run=models.OuterRef("pk"), seen_at=None).order_by().values("run")
        return self.annotate(unseen=models.Subquery(open_.annotate(n=models.Count("pk")).values("n")))

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


def default_pauses() -> list[str]:
    """The rules that pause a run unless its settings say otherwise."""
    return [NOT_FINITE]


class RunWatch(models.Model):
    """What is remembered of a run's curves between batches of points, and which rules pause it."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="watch")
    memory = models.JSONField(default=dict)
    pauses = models.JSONField(default=default_pauses, help_text="names of the rules that save and pause it")

    def __str__(self) -> str:
        return f"watch of {self.run}"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Reads of alerts."""

    def unseen(self) -> "AlertQuerySet":
        """Those that nobody has seen to, the newest first."""
        return self.filter(seen_at=None).order_by("-pk")


class Alert(models.Model):
    """Something that a rule has found in a run; the same finding of an attempt is one row."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="alerts")
    attempt = models.PositiveIntegerField()
    rule = models.CharField(max_length=30)
    series = models.CharField(max_length=100, blank=True)
    step = models.BigIntegerField(default=0)
    message = models.CharField(max_length=1000)
    paused = models.BooleanField(default=False, help_text="the run was told to save and pause")
    created_at = models.DateTimeField(default=timezone.now)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    seen_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "attempt", "rule", "series", "step"], name="one_alert_per_finding"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["-id"], condition=models.Q(seen_at=None), name="alerts_unseen")
        ]

    def __str__(self) -> str:
        return f"{self.title} in {self.run.reference}"

    @property
    def title(self) -> str:
        """What its rule is called; a rule that is no more goes by its name."""
        return RULES.get(self.rule, self.rule)


class AlertChannel(models.Model):
    """Where a person wants to hear of alerts: their own mailbox, or a webhook.

    ``url`` and ``secret`` are encrypted; ``host`` is what of the address is shown.
    """

    class Kind(models.TextChoices):
        """How a notice goes out."""

        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    host = models.CharField(max_length=255, blank=True)
    url = models.TextField(blank=True)
    secret = models.TextField(blank=True)
    all_runs = models.BooleanField(default=False, help_text="of everybody's runs, not only of one's own")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=models.Q(kind="email", ended_at=None),
                name="one_alert_mailbox_per_person",
            )
        ]

    def __str__(self) -> str:
        return self.host or self.get_kind_display()


class Retention(models.Model):
    """Which checkpoints of a run stay; those that something refers to always do."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="retention")
    every = models.PositiveIntegerField(null=True, blank=True, help_text="every Nth one stays")
    last = models.PositiveIntegerField(null=True, blank=True, help_text="so many of the newest stay")
    metric = models.CharField(max_length=200, blank=True, help_text="the best by this one stays")
    lowest = models.BooleanField(default=True, help_text="the lowest value is the best")
    automatic = models.BooleanField(default=False, help_text="the others go as new ones are stored")

    def __str__(self) -> str:
        return f"retention of {self.run}"


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
