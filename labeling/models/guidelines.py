"""Guidelines: what good work is, in immutable numbered versions, and who has read which."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone


class Guideline(models.Model):
    """A named guideline; its text lives in versions, what is being written in ``draft``."""

    name = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    draft = models.TextField(blank=True, help_text="Markdown being written; nobody labels by it")
    draft_revision = models.PositiveIntegerField(default=0)
    draft_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    last_number = models.PositiveIntegerField(default=0)
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["name"]

    def __str__(self) -> str:
        return self.title


class GuidelineVersion(models.Model):
    """One published, immutable text. ``clauses`` is what the parser found in ``source``, in order."""

    guideline = models.ForeignKey(Guideline, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    source = models.TextField()
    clauses = models.JSONField(default=list)
    note = models.CharField(max_length=500, blank=True, help_text="what changed and why")
    published_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    published_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["guideline", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["guideline", "number"], name="guideline_version_unique")
        ]

    def __str__(self) -> str:
        return f"{self.guideline.name}@{self.number}"

    @property
    def reference(self) -> str:
        """``guideline:NAME@NUMBER``."""
        return f"guideline:{self.guideline.name}@{self.number}"

    def clause(self, key: str) -> dict[str, Any] | None:
        """The clause of this id, if the version has it."""
        return next((clause for clause in self.clauses if clause["id"] == key), None)


class GuidelineRead(models.Model):
    """A person has acknowledged a version."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="guidelines_read"
    )
    version = models.ForeignKey(GuidelineVersion, on_delete=models.PROTECT, related_name="reads")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "version"], name="guideline_read_once")
        ]

    def __str__(self) -> str:
        return f"{self.version} read by {self.user_id}"
