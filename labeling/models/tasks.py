"""Tasks with the answers they show, and the assignments by which people hold them."""

import secrets
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from labeling.models.campaigns import Campaign


class TaskImport(models.Model):
    """Rows that become tasks: an upload or a dataset version, checked by a job, loaded in batches."""

    class State(models.TextChoices):
        """Where an import stands."""

        CHECKING = "checking", "Checking"
        LOADING = "loading", "Loading"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="imports")
    job = models.OneToOneField("jobs.Job", null=True, on_delete=models.PROTECT, related_name="task_import")
    state = models.CharField(max_length=10, choices=State.choices, default=State.CHECKING)
    source = models.CharField(max_length=300, help_text="file name, or reference of a dataset version")
    options = models.JSONField(default=dict, help_text="mapping, gold, pilot, limit")
    first_position = models.PositiveBigIntegerField(null=True, help_text="where its tasks begin; set once")
    rows = models.PositiveBigIntegerField(default=0)
    loaded = models.PositiveBigIntegerField(default=0)
    bad = models.PositiveBigIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"import of {self.source}"


class TaskQuerySet(models.QuerySet["Task"]):
    """Reads of tasks."""

    def claimable(self) -> "TaskQuerySet":
        """Ordinary tasks that still need people."""
        return self.filter(state=Task.State.OPEN, role=Task.Role.NORMAL, live__lt=F("overlap"))

    def unseen_by(self, user: Any) -> "TaskQuerySet":
        """Tasks that were never this person's, in whatever way that ended."""
        mine = Assignment.objects.filter(task=models.OuterRef("pk"), labeler=user)
        return self.exclude(models.Exists(mine))

    def for_anybody_but(self, user: Any) -> "TaskQuerySet":
        """Tasks that are reserved for nobody, and not about what this person wrote."""
        return self.filter(reserved_for=None).exclude(author=user)


class Task(models.Model):
    """One piece of work. ``payload`` is what is shown (see the kind); the answers shown are candidates.

    ``live`` counts holds and submissions in slots. It is changed only together with the slot's own row,
    and the database itself refuses more than ``overlap``. Gold and pilot tasks are given to everybody:
    their assignments have no slot and do not count.
    """

    class State(models.TextChoices):
        """Whether anybody may still work on it."""

        OPEN = "open", "Open"
        DONE = "done", "Done"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Role(models.TextChoices):
        """What the task is for."""

        NORMAL = "normal", "Ordinary"
        GOLD = "gold", "Known answer"
        PILOT = "pilot", "Pilot"

    # Foreign keys that an index below begins with, or that nothing looks up, have none of their own:
    # every claim changes a task's row, and that writes to each of its indexes.
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    position = models.PositiveBigIntegerField(help_text="place in the campaign's order, from 1")
    key = models.CharField(max_length=64, help_text="row id of what is labelled")
    source = models.CharField(
        max_length=200, blank=True, help_text="reference of the dataset version it came from"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.NORMAL)
    payload = models.JSONField()
    version = models.PositiveIntegerField(default=1)
    gold = models.JSONField(null=True, blank=True, help_text="the known answer, as a payload")
    topic = models.CharField(max_length=80, blank=True)
    difficulty = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=12, blank=True)
    overlap = models.PositiveSmallIntegerField()
    live = models.PositiveSmallIntegerField(default=0, help_text="holds and submissions in slots")
    submitted = models.PositiveSmallIntegerField(default=0, help_text="submissions in slots")
    disagreement = models.FloatField(null=True, blank=True, help_text="0 all agree … 1 none do; once done")
    reserved_for = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        db_index=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="who wrote what is judged; not given to them, unless reserved for them",
    )
    imported_by = models.ForeignKey(
        TaskImport, null=True, blank=True, on_delete=models.PROTECT, related_name="tasks"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = TaskQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["campaign", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "position"], name="task_position_unique"),
            models.CheckConstraint(condition=Q(live__lte=F("overlap")), name="task_never_over_overlap"),
            models.CheckConstraint(condition=Q(submitted__lte=F("live")), name="task_submitted_in_slots"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["campaign", "live", "position"],
                condition=Q(state="open", role="normal"),
                name="task_queue",
            ),
            *(
                models.Index(
                    fields=["campaign", facet, "live", "position"],
                    condition=Q(state="open", role="normal") & ~Q(**{facet: ""}),
                    name=f"task_{facet}",
                )
                for facet in ("topic", "difficulty", "language")
            ),
            models.Index(
                fields=["campaign", "state", "position", "role"],
                condition=~Q(state="open"),
                name="task_ended",
            ),
            models.Index(
                fields=["campaign", "role", "position"],
                condition=~Q(role="normal"),
                name="task_special",
            ),
            models.Index(
                fields=["reserved_for", "campaign"],
                condition=Q(reserved_for__isnull=False),
                name="task_reserved",
            ),
            models.Index(
                fields=["campaign", "-disagreement", "position"],
                condition=Q(disagreement__isnull=False),
                name="task_disagreement",
            ),
            models.Index(fields=["campaign", "key"], name="task_key"),
        ]

    def __str__(self) -> str:
        return f"task {self.position} of {self.campaign_id}"

    @property
    def reference(self) -> str:
        """``task:ID``."""
        return f"task:{self.pk}"


class TaskVersion(models.Model):
    """What a task said before it was edited."""

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    payload = models.JSONField()
    note = models.CharField(max_length=300, blank=True)
    edited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["task", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "number"], name="task_version_unique")
        ]

    def __str__(self) -> str:
        return f"version {self.number} of task {self.task_id}"


class Candidate(models.Model):
    """One answer (or whole conversation) that a task shows; never changed once it exists."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="candidates", db_index=False)
    position = models.PositiveSmallIntegerField(help_text="0, 1, … as they came; labelers see them shuffled")
    messages = models.JSONField(help_text="list of messages (role, content)")
    model = models.CharField(max_length=200, blank=True)
    checkpoint = models.CharField(max_length=200, blank=True)
    sampling = models.JSONField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["task", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "position"], name="candidate_position_unique")
        ]
        indexes: ClassVar = [
            models.Index(fields=["checkpoint"], condition=~Q(checkpoint=""), name="candidate_by_checkpoint")
        ]

    def __str__(self) -> str:
        return f"candidate {self.position} of task {self.task_id}"


def new_token() -> str:
    """A random token that proves a hold (hex, 128 bit)."""
    return secrets.token_hex(16)


class AssignmentState(models.TextChoices):
    """Where one person's work on one task stands; the last three have left the queue without a submission."""

    HELD = "held", "Held"
    SUBMITTED = "submitted", "Submitted"
    RETURNED = "returned", "Returned"
    ACCEPTED = "accepted", "Accepted"
    ADJUDICATED = "adjudicated", "Adjudicated"
    REJECTED = "rejected", "Rejected"
    SKIPPED = "skipped", "Skipped"
    ENDED = "ended", "Ended"


IN_SLOT = ("held", "submitted", "returned", "accepted", "adjudicated")
"""States that use up one of a task's slots."""

OPEN_STATES = ("held", "returned")
"""States in which the labeler can write."""


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    """Reads of assignments."""

    def open(self) -> "AssignmentQuerySet":
        """Work that its labeler can go on with."""
        return self.filter(state__in=OPEN_STATES)

    def expired(self, now: Any) -> "AssignmentQuerySet":
        """Holds that are over: their time has passed and nothing was written."""
        return self.filter(state=AssignmentState.HELD, draft_revision=0, hold_until__lt=now)


class Assignment(models.Model):
    """One person's claim on one task, its draft and its clocks.

    ``slot`` is the place among the task's ``overlap`` (unique while it is set); gold, pilot and extra work
    has none. ``hold_until`` reserves the task; presence only measures: ``active_seconds`` and
    ``idle_seconds`` come from heartbeats.
    """

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="assignments")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="assignments")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments"
    )
    slot = models.PositiveSmallIntegerField(null=True, blank=True)
    state = models.CharField(max_length=12, choices=AssignmentState.choices, default=AssignmentState.HELD)
    hold_token = models.CharField(max_length=32, default=new_token)
    held_at = models.DateTimeField(default=timezone.now)
    hold_until = models.DateTimeField()
    prefetched = models.BooleanField(default=False, help_text="held ahead for a moment, not opened yet")
    task_version = models.PositiveIntegerField(default=1)
    guideline = models.ForeignKey(
        "labeling.GuidelineVersion", null=True, on_delete=models.PROTECT, related_name="+"
    )
    display = models.JSONField(
        default=dict, help_text="what is shown and how: order of candidates, streaming"
    )
    draft = models.JSONField(null=True, blank=True)
    draft_revision = models.PositiveIntegerField(default=0)
    draft_at = models.DateTimeField(null=True, blank=True)
    draft_tab = models.CharField(max_length=40, blank=True, help_text="the browser tab that saved last")
    inputs = models.JSONField(
        default=dict, help_text="characters typed, pasted, dropped, corrected, dictated"
    )
    active_seconds = models.FloatField(default=0.0)
    idle_seconds = models.FloatField(default=0.0)
    seen_at = models.DateTimeField(null=True, blank=True, help_text="last heartbeat")
    reason = models.CharField(max_length=500, blank=True, help_text="why it was skipped, ended or returned")

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["task", "labeler"], name="task_once_per_person"),
            models.UniqueConstraint(
                fields=["task", "slot"], condition=Q(slot__isnull=False), name="task_slot_once"
            ),
            models.CheckConstraint(
                condition=Q(slot__isnull=True) | Q(state__in=IN_SLOT), name="slot_only_while_live"
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["labeler", "campaign"],
                condition=Q(state__in=("held", "returned")),
                name="assignment_open",
            ),
            models.Index(fields=["hold_until"], condition=Q(state="held"), name="assignment_hold"),
            models.Index(fields=["campaign", "labeler", "state"], name="assignment_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.labeler_id} on {self.task_id}: {self.state}"

    @property
    def is_open(self) -> bool:
        """Whether its labeler can write."""
        return self.state in OPEN_STATES


class DraftRevision(models.Model):
    """A draft as it stood: the last one of each ten minutes, and every text that lost a conflict."""

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="history")
    bucket = models.PositiveBigIntegerField(
        null=True, help_text="ten-minute intervals since 1970; none for a text that lost a conflict"
    )
    revision = models.PositiveIntegerField()
    payload = models.JSONField()
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-saved_at", "-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "bucket"], name="draft_once_per_bucket")
        ]

    def __str__(self) -> str:
        return f"revision {self.revision} of {self.assignment_id}"
