"""Campaigns that go on under another guideline version, with many annotations to look through."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign
from labeling.models.guidelines import GuidelineVersion


class GuidelineMove(models.Model):
    """The search for annotations that cite changed clauses, and what became of them."""

    class State(models.TextChoices):
        """Where it stands."""

        READING = "reading", "Reading"
        MARKING = "marking", "Marking"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="guideline_moves")
    version = models.ForeignKey(GuidelineVersion, on_delete=models.PROTECT, related_name="+")
    job = models.OneToOneField("jobs.Job", on_delete=models.PROTECT, related_name="guideline_move")
    requeue = models.BooleanField(help_text="whether they are given back, too")
    state = models.CharField(max_length=10, choices=State.choices, default=State.READING)
    read_by = models.PositiveIntegerField(default=0, help_text="attempt of the job whose parts are followed")
    parts = models.PositiveIntegerField(default=0)
    done = models.PositiveIntegerField(default=0, help_text="parts that are marked")
    stale = models.PositiveIntegerField(default=0)
    requeued = models.PositiveIntegerField(default=0)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.campaign_id} to {self.version_id}"

    @property
    def is_moving(self) -> bool:
        """Whether more will come of it."""
        return self.state in {self.State.READING, self.State.MARKING}

    @property
    def share(self) -> float:
        """0 to 1 of the parts."""
        return self.done / self.parts if self.parts else 0.0
