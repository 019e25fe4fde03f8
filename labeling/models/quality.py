"""Exams that grant a skill, who has sat them, and who knows their answers."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.guidelines import GuidelineVersion


class Exam(models.Model):
    """Tasks with known answers; passing grants a skill. ``items``: list of (payload, candidates, gold)."""

    name = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=40)
    schema = models.JSONField(default=dict)
    guideline = models.ForeignKey(
        GuidelineVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="exams"
    )
    skill = models.ForeignKey("accounts.Skill", on_delete=models.PROTECT, related_name="exams")
    items = models.JSONField(default=list)
    pass_mark = models.FloatField(default=0.8, help_text="share of points, 0 to 1")
    attempts = models.PositiveSmallIntegerField(default=2)
    archived = models.BooleanField(default=False)
    seen_by = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="+", help_text="who has looked at the known answers"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.title


class ExamAttempt(models.Model):
    """One sitting: answers by item index, and the score once it is handed in."""

    exam = models.ForeignKey(Exam, on_delete=models.PROTECT, related_name="sittings")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exam_attempts")
    number = models.PositiveSmallIntegerField()
    answers = models.JSONField(default=dict)
    score = models.FloatField(null=True, blank=True)
    passed = models.BooleanField(null=True)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exam", "user", "number"], name="exam_attempt_unique")
        ]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.exam_id}"


class ExamGrant(models.Model):
    """Attempts that a lead gave one person beyond those of the exam."""

    exam = models.ForeignKey(Exam, on_delete=models.PROTECT, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    attempts = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["exam", "user"], name="exam_grant_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.attempts} more at {self.exam_id}"
