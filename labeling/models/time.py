"""Declared off-screen work and the statements by which people are paid."""

from decimal import Decimal
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign


class Decision(models.TextChoices):
    """What became of a request."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REFUSED = "refused", "Refused"


class Clock(models.Model):
    """Until when one person's work at the screen has been counted, on whatever task: nobody has four hands."""

    labeler = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, primary_key=True, related_name="+"
    )
    busy_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.labeler_id} until {self.busy_until}"


class TimeEntry(models.Model):
    """Work away from the screen, declared by the labeler, approved by a lead."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="time_entries")
    labeler = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="time_entries"
    )
    day = models.DateField()
    minutes = models.PositiveIntegerField()
    note = models.CharField(max_length=500)
    state = models.CharField(max_length=10, choices=Decision.choices, default=Decision.PENDING)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-day", "-id"]

    def __str__(self) -> str:
        return f"{self.minutes} min on {self.day}"


class StatementQuerySet(models.QuerySet["Statement"]):
    """Reads of statements."""

    def frozen(self) -> "StatementQuerySet":
        """Approved ones, exported or not."""
        return self.exclude(state=Statement.State.DRAFT)


class Statement(models.Model):
    """What one person earned in one campaign in one period. ``lines`` are frozen when it is approved.

    ``total`` counts the corrections of earlier statements in, so that it may be below nothing.
    """

    class State(models.TextChoices):
        """The life of a statement."""

        DRAFT = "draft", "Draft"
        APPROVED = "approved", "Approved"
        EXPORTED = "exported", "Exported"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="statements")
    labeler = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="statements")
    first_day = models.DateField()
    last_day = models.DateField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.DRAFT)
    lines = models.JSONField(default=list)
    total = models.DecimalField(max_digits=12, decimal_places=2, default=0)
    currency = models.CharField(max_length=3, default="EUR")
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = StatementQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-first_day", "labeler"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["campaign", "labeler", "first_day", "last_day"], name="statement_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.total} {self.currency} from {self.first_day} to {self.last_day}"

    @property
    def corrected(self) -> Decimal:
        """What of the total corrects earlier statements."""
        return sum((Decimal(c["amount"]) for c in self.lines[0]["corrections"]), Decimal(0))
