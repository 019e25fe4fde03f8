"""Dataset versions that a campaign published."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign


class Publication(models.Model):
    """One published (or being published) version: which kind of dataset, by which rule, from which roles."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="publications")
    dataset_kind = models.CharField(max_length=20)
    rule = models.CharField(max_length=20)
    options = models.JSONField(default=dict)
    version = models.OneToOneField(
        "datasets.DatasetVersion", null=True, on_delete=models.PROTECT, related_name="publication"
    )
    job = models.OneToOneField("jobs.Job", null=True, on_delete=models.PROTECT, related_name="publication")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"{self.dataset_kind} of {self.campaign_id} by {self.rule}"
