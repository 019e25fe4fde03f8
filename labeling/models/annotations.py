"""What people submitted, how it was reviewed, what was noticed about it, and the talk around it."""

import uuid
from datetime import timedelta
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion
from labeling.models.tasks import Assignment, Task
from labeling.protocol.identity import uuid7


class AnnotationState(models.TextChoices):
    """Where a submission stands."""

    SUBMITTED = "submitted", "Submitted"
    RETURNED = "returned", "Returned"
    ACCEPTED = "accepted", "Accepted"
    ADJUDICATED = "adjudicated", "Adjudicated"
    REJECTED = "rejected", "Rejected"
    UNDONE = "undone", "Undone"


class AnnotationQuerySet(models.QuerySet["Annotation"]):
    """Reads of annotations."""

    def settled(self) -> "AnnotationQuerySet":
        """Newest submission of each assignment, neither undone nor open to undo any more."""
        return self.filter(current=True, submitted_at__lte=timezone.now() - UNDO)

    def to_review(self) -> "AnnotationQuerySet":
        """Waiting for a reviewer, oldest first."""
        return (
            self.settled()
            .filter(state=AnnotationState.SUBMITTED, reviews_wanted__gt=0)
            .order_by("submitted_at")
        )


UNDO = timedelta(minutes=1)
"""How long a submission can be taken back; nobody else sees it before."""


class Annotation(models.Model):
    """One submission. A returned one that is submitted again is a new row; ``current`` marks the newest.

    ``chosen`` is set when disagreeing annotations were adjudicated: whether this one carries the result.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="annotations")
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="annotations")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="annotations")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="annotations"
    )
    attempt = models.PositiveSmallIntegerField(default=1)
    current = models.BooleanField(default=True)
    state = models.CharField(
        max_length=12, choices=AnnotationState.choices, default=AnnotationState.SUBMITTED
    )
    role = models.CharField(max_length=10, choices=Task.Role.choices, default=Task.Role.NORMAL)
    payload = models.JSONField()
    payload_version = models.PositiveSmallIntegerField(default=1)
    measures = models.JSONField(default=dict, help_text="criterion → value, as agreement and plots read them")
    comparison = models.JSONField(
        null=True, help_text="winner, lengths by position, first on the screen; for kinds that compare"
    )
    task_version = models.PositiveIntegerField(default=1)
    guideline = models.ForeignKey(
        GuidelineVersion, null=True, on_delete=models.PROTECT, related_name="annotations"
    )
    clauses = models.JSONField(default=list, help_text="ids of the clauses cited")
    display = models.JSONField(default=dict)
    inputs = models.JSONField(default=dict)
    active_seconds = models.FloatField(default=0.0)
    idle_seconds = models.FloatField(default=0.0)
    submitted_at = models.DateTimeField(default=timezone.now)
    idempotency_key = models.CharField(max_length=64, unique=True)
    gold_score = models.FloatField(null=True, blank=True, help_text="0 to 1, for tasks with a known answer")
    chosen = models.BooleanField(null=True)
    stale = models.BooleanField(default=False, help_text="cites clauses that a newer guideline changed")
    reviews_wanted = models.PositiveSmallIntegerField(default=0, help_text="reviews still to come")
    contested = models.BooleanField(default=False, help_text="reviewers disagree; a lead decides")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    reviewing_until = models.DateTimeField(
        null=True, blank=True, help_text="until when the reviewer holds it"
    )

    objects = AnnotationQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["assignment", "attempt"], name="annotation_attempt_unique"),
            models.UniqueConstraint(
                fields=["assignment"], condition=Q(current=True), name="annotation_one_current"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["campaign", "submitted_at"], name="annotation_time"),
            models.Index(fields=["task"], condition=Q(current=True), name="annotation_of_task"),
            models.Index(
                fields=["campaign", "labeler", "submitted_at"],
                condition=Q(gold_score__isnull=False),
                name="annotation_gold",
            ),
            models.Index(
                fields=["campaign", "submitted_at"],
                condition=Q(state="submitted", reviews_wanted__gt=0),
                name="annotation_review",
            ),
            models.Index(fields=["campaign"], condition=Q(stale=True), name="annotation_stale"),
        ]

    def __str__(self) -> str:
        return f"annotation {self.pk}"

    @property
    def reference(self) -> str:
        """``annotation:UUID``."""
        return f"annotation:{self.pk}"


class Review(models.Model):
    """One reviewer's decision. ``comments``: passages (path, start, end, quote, text, clause); ``scores``: rubric.

    Each person reviews an annotation once; a decision between answers is a row beside that, and so is each that
    replaces it: none is written over.
    """

    class Decision(models.TextChoices):
        """What a reviewer decided."""

        ACCEPT = "accept", "Accepted"
        RETURN = "return", "Returned"
        EDIT = "edit", "Edited and accepted"
        REJECT = "reject", "Rejected"
        ADJUDICATE = "adjudicate", "Adjudicated"

    annotation = models.ForeignKey(Annotation, on_delete=models.PROTECT, related_name="reviews")
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_given"
    )
    decision = models.CharField(max_length=12, choices=Decision.choices)
    comments = models.JSONField(default=list)
    scores = models.JSONField(default=dict)
    note = models.TextField(blank=True)
    payload = models.JSONField(
        null=True, blank=True, help_text="the answer as the reviewer edited or decided it"
    )
    seconds = models.FloatField(default=0.0)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["annotation", "reviewer"],
                condition=~Q(decision="adjudicate"),
                name="review_once_per_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.decision} of {self.annotation_id}"


class FlagQuerySet(models.QuerySet["Flag"]):
    """Reads of flags."""

    def standing(self) -> "FlagQuerySet":
        """About work that is there: what was taken back within its minute is held against nobody."""
        return self.exclude(annotation__state=AnnotationState.UNDONE)

    def open(self) -> "FlagQuerySet":
        """Those that nobody has decided on yet."""
        return self.standing().filter(state=Flag.State.OPEN)


class Flag(models.Model):
    """Something a safeguard noticed; a person decides what it means."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "open", "Open"
        DISMISSED = "dismissed", "Nothing wrong"
        CONFIRMED = "confirmed", "Confirmed"

    annotation = models.ForeignKey(Annotation, on_delete=models.CASCADE, related_name="flags")
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="flags")
    kind = models.CharField(max_length=40)
    message = models.CharField(max_length=500)
    detail = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = FlagQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [models.Index(fields=["campaign", "state"], name="flag_open")]

    def __str__(self) -> str:
        return self.message


class Thread(models.Model):
    """A talk about a task: guideline unclear, a call for help, an appeal, a dispute, or a pilot discussion."""

    class Topic(models.TextChoices):
        """What the talk is about."""

        UNCLEAR = "unclear", "Guideline unclear"
        HELP = "help", "Help wanted"
        APPEAL = "appeal", "Appeal"
        DISPUTE = "dispute", "Dispute"
        DISCUSSION = "discussion", "Discussion"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="threads")
    task = models.ForeignKey(Task, null=True, blank=True, on_delete=models.PROTECT, related_name="threads")
    annotation = models.ForeignKey(
        Annotation, null=True, blank=True, on_delete=models.PROTECT, related_name="threads"
    )
    topic = models.CharField(max_length=12, choices=Topic.choices)
    clause = models.CharField(max_length=80, blank=True)
    guideline = models.ForeignKey(GuidelineVersion, null=True, on_delete=models.PROTECT, related_name="+")
    open = models.BooleanField(default=True)
    outcome = models.CharField(max_length=300, blank=True)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-updated_at"]
        indexes: ClassVar = [models.Index(fields=["campaign", "open", "-updated_at"], name="thread_open")]

    def __str__(self) -> str:
        return f"{self.get_topic_display()} ({self.pk})"


class Message(models.Model):
    """One contribution to a thread."""

    thread = models.ForeignKey(Thread, on_delete=models.CASCADE, related_name="messages")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at", "id"]

    def __str__(self) -> str:
        return self.text[:60]


class Attachment(models.Model):
    """A file that belongs to a task or to somebody's draft; its bytes lie in the storage under its hash."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="attachments")
    task = models.ForeignKey(
        Task, null=True, blank=True, on_delete=models.PROTECT, related_name="attachments"
    )
    assignment = models.ForeignKey(
        Assignment, null=True, blank=True, on_delete=models.PROTECT, related_name="attachments"
    )
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    removed = models.BooleanField(default=False)
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["at"]

    def __str__(self) -> str:
        return self.name
