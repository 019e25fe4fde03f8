"""Jobs and who runs them. The database is the truth: broker messages only wake a worker up.

``Job.attempt`` is the number of the newest attempt and works as a fencing number: whoever writes for an
attempt does so on the condition that it is still the running one.
"""

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone

from tilth.errors import NotFound
from tilth.jobs import registry


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "Queued"
    RUNNING = "running", "Running"
    PUBLISHING = "publishing", "Publishing"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLING = "cancelling", "Cancelling"
    CANCELLED = "cancelled", "Cancelled"
    PAUSING = "pausing", "Pausing"
    PAUSED = "paused", "Paused"


SUPERVISED = (JobState.RUNNING, JobState.PUBLISHING, JobState.CANCELLING, JobState.PAUSING)
"""States in which an attempt is alive."""
ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)
"""States that a job leaves only when somebody retries it."""


class WorkerQuerySet(models.QuerySet["Worker"]):
    """Reads over workers."""

    def live(self) -> "WorkerQuerySet":
        """Workers whose heart beat lately, by the database's clock."""
        return self.filter(
            state=Worker.State.ONLINE, heartbeat_at__gte=Now() - timedelta(seconds=settings.JOBS_LOST_SECONDS)
        )


class Worker(models.Model):
    """One worker process: what it serves and when its heart last beat."""

    class State(models.TextChoices):
        """What the worker last said of itself."""

        ONLINE = "online", "Online"
        STOPPING = "stopping", "Stopping"
        OFFLINE = "offline", "Offline"

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField(default=0)
    process_key = models.CharField(
        max_length=80, blank=True, help_text="boot id and start time of the process"
    )
    queues = models.JSONField(default=list)
    slots = models.PositiveSmallIntegerField(default=1, help_text="jobs at once")
    short_slots = models.PositiveSmallIntegerField(
        default=1, help_text="short jobs at once, beside the others"
    )
    devices = models.JSONField(default=list, help_text="list of {id, index, name, memory}")
    state = models.CharField(max_length=10, choices=State.choices, default=State.ONLINE)
    code_version = models.CharField(max_length=80, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)

    objects = WorkerQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_lost(self) -> bool:
        """Whether it claims to be there but its heart has stopped (by this machine's clock: for show)."""
        age = (timezone.now() - self.heartbeat_at).total_seconds()
        return self.state != self.State.OFFLINE and age > settings.JOBS_LOST_SECONDS


class JobQuerySet(models.QuerySet["Job"]):
    """Reads over jobs."""

    def waiting(self) -> "JobQuerySet":
        """Queued jobs in the order in which they are placed."""
        return self.filter(state=JobState.QUEUED).order_by("-priority", "id")

    def placeable(self) -> "JobQuerySet":
        """Queued jobs that no worker has been chosen for and whose time has come."""
        return self.waiting().filter(placed_on=None, available_at__lte=Now())

    def ahead_of(self, job: "Job") -> "JobQuerySet":
        """Queued jobs of the same queue that are placed before this one."""
        earlier = Q(priority__gt=job.priority) | Q(priority=job.priority, pk__lt=job.pk)
        return self.waiting().filter(earlier, queue=job.queue, placed_on=None)

    def held_by(self, attempt: "Attempt", *states: str) -> "JobQuerySet":
        """The attempt's job, if that attempt is still its newest one (and the job is in a state)."""
        mine = self.filter(pk=attempt.job_id, attempt=attempt.number)
        return mine.filter(state__in=states) if states else mine

    def search(self, words: str) -> "JobQuerySet":
        """Jobs whose title, kind, message or number contains the words."""
        match = Q(title__icontains=words) | Q(kind__icontains=words) | Q(message__icontains=words)
        number = words.removeprefix("job:")
        return self.filter(match | Q(pk=int(number)) if number.isdecimal() and len(number) < 18 else match)


class Job(models.Model):
    """A piece of heavy work, run as a program of its own by a worker."""

    kind = models.CharField(max_length=60, db_index=True)
    title = models.CharField(max_length=200, blank=True)
    params = models.JSONField(default=dict, blank=True)
    params_version = models.PositiveSmallIntegerField(default=1)
    idempotency_key = models.CharField(max_length=200, unique=True, null=True, blank=True)
    state = models.CharField(max_length=12, choices=JobState.choices, default=JobState.QUEUED)
    queue = models.CharField(max_length=40, default="default")
    short = models.BooleanField(default=False)
    priority = models.SmallIntegerField(default=0)
    gpus = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="jobs"
    )
    max_attempts = models.PositiveSmallIntegerField(default=3)
    failures = models.PositiveSmallIntegerField(
        default=0, help_text="attempts failed or lost since the last retry"
    )
    attempt = models.PositiveIntegerField(default=0, help_text="number of the newest attempt")
    placed_on = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    placed_at = models.DateTimeField(null=True, blank=True)
    placement = models.PositiveIntegerField(
        default=0, help_text="counts placements, to tell one from the next"
    )
    available_at = models.DateTimeField(default=timezone.now, help_text="not to be placed before")
    progress = models.FloatField(default=0, help_text="share done, 0 to 1")
    progress_done = models.FloatField(default=0)
    progress_total = models.FloatField(default=0)
    stage = models.CharField(max_length=100, blank=True)
    message = models.CharField(max_length=500, blank=True)
    control = models.JSONField(default=dict, blank=True)
    result = models.JSONField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True, help_text="message, code, retryable")
    settled = models.BooleanField(
        default=False, help_text="its kind has dealt with a failed or cancelled end"
    )
    code_version = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["state", "-priority", "id"], name="jobs_by_turn"),
            models.Index(fields=["created_by", "-id"], name="jobs_by_person"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="job_state_known"),
            models.CheckConstraint(
                condition=Q(progress__gte=0) & Q(progress__lte=1), name="job_progress_share"
            ),
        ]

    def __str__(self) -> str:
        return self.title or f"{self.kind_title} {self.pk}"

    def get_absolute_url(self) -> str:
        """The job's own page."""
        return reverse("jobs:detail", args=[self.pk])

    @property
    def reference(self) -> str:
        """How everything else names this job."""
        return f"job:{self.pk}"

    @property
    def prefix(self) -> str:
        """The folder of the storage that is the job's own."""
        return f"jobs/{self.pk}"

    @property
    def kind_title(self) -> str:
        """What the kind is called on pages."""
        try:
            return registry.get(self.kind).title
        except NotFound:
            return self.kind

    @property
    def is_ended(self) -> bool:
        """Whether nothing more happens unless somebody retries it."""
        return self.state in ENDED

    @property
    def is_moving(self) -> bool:
        """Whether its page has something to refresh."""
        return self.state not in ENDED and self.state != JobState.PAUSED

    @property
    def seconds(self) -> float | None:
        """How long it has been or was running, all attempts together with the gaps between them."""
        if self.started_at is None:
            return None
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()

    @property
    def percent(self) -> int:
        """Progress in whole percent; 100 only when all of it is done."""
        return int(self.progress * 100)

    @property
    def target_url(self) -> str | None:
        """The page of what the job makes, if its kind has one."""
        try:
            kind = registry.get(self.kind)
        except NotFound:
            return None
        return kind.url(self) if kind.url else None


class Attempt(models.Model):
    """One try at a job by one worker. Only a running attempt may write for its job."""

    class State(models.TextChoices):
        """How the try ended, or that it has not."""

        RUNNING = "running", "Running"
        SUCCEEDED = "succeeded", "Succeeded"
        FAILED = "failed", "Failed"
        LOST = "lost", "Lost"
        CANCELLED = "cancelled", "Cancelled"
        PAUSED = "paused", "Paused"
        RELEASED = "released", "Given back"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="attempts")
    worker_name = models.CharField(max_length=120)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField(
        null=True, blank=True, help_text="the child, which leads its process group"
    )
    process_key = models.CharField(max_length=80, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.RUNNING)
    reason = models.CharField(max_length=500, blank=True)
    exit_status = models.IntegerField(null=True, blank=True)
    log_chunks = models.PositiveIntegerField(default=0)
    artifacts = models.JSONField(default=list, blank=True)
    code_version = models.CharField(max_length=80, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    beats = models.PositiveIntegerField(default=0, help_text="counts heartbeats, to tell one from the next")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="attempt_number_once"),
            models.UniqueConstraint(
                fields=["job"], condition=Q(state="running"), name="one_running_attempt_per_job"
            ),
        ]
        indexes = [models.Index(fields=["state", "heartbeat_at"], name="attempts_by_heartbeat")]

    def __str__(self) -> str:
        return f"job:{self.job_id} attempt {self.number}"

    @property
    def seconds(self) -> float:
        """How long it lasted, so far or in all."""
        return ((self.finished_at or timezone.now()) - self.started_at).total_seconds()


class DeviceLease(models.Model):
    """One device lent to one job; a device has at most one live lease."""

    device = models.CharField(max_length=200, help_text="the device's id, unique among all hosts")
    device_name = models.CharField(max_length=100, blank=True)
    worker = models.ForeignKey(Worker, null=True, on_delete=models.SET_NULL, related_name="leases")
    host = models.CharField(max_length=255)
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="leases")
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.CASCADE, related_name="leases")
    taken_at = models.DateTimeField(default=timezone.now)
    freed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["device"]
        constraints = [
            models.UniqueConstraint(
                fields=["device"], condition=Q(freed_at=None), name="one_live_lease_per_device"
            )
        ]

    def __str__(self) -> str:
        return f"{self.device} for job:{self.job_id}"


class JobMetric(models.Model):
    """One point of a series that an attempt reported; a value that is no finite number is null."""

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="metrics")
    attempt = models.PositiveIntegerField()
    name = models.CharField(max_length=100)
    step = models.BigIntegerField()
    value = models.FloatField(null=True)
    at = models.DateTimeField(null=True, help_text="when it was reported, by the program's clock")

    class Meta:
        ordering = ["name", "step"]
        constraints = [
            models.UniqueConstraint(fields=["job", "attempt", "name", "step"], name="metric_point_once")
        ]

    def __str__(self) -> str:
        return f"{self.name}[{self.step}] = {self.value}"
