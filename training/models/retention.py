"""Which checkpoints of a run stay."""

from django.db import models

from training.models.runs import Run


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
