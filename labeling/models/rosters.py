"""Tables of addresses that are followed by a job."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.campaigns import Campaign


class RosterImport(models.Model):
    """A table by which people are invited: checked by a program, then followed line by line.

    ``faults``: (line, what is wrong); ``links``: encrypted parts of address → link to an account.
    """

    class State(models.TextChoices):
        """Where it stands."""

        CHECKING = "checking", "Checking"
        INVITING = "inviting", "Inviting"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="roster_imports")
    job = models.OneToOneField("jobs.Job", on_delete=models.PROTECT, related_name="roster_import")
    state = models.CharField(max_length=10, choices=State.choices, default=State.CHECKING)
    source = models.CharField(max_length=300, help_text="file name")
    rows = models.PositiveIntegerField(default=0, help_text="lines in all")
    done = models.PositiveIntegerField(default=0, help_text="lines that were followed or reported")
    members = models.PositiveIntegerField(default=0, help_text="people with an account, invited")
    accounts = models.PositiveIntegerField(default=0, help_text="people invited to an account")
    already = models.PositiveIntegerField(default=0, help_text="people who were there")
    bad = models.PositiveIntegerField(default=0)
    faults = models.JSONField(default=list)
    links = models.JSONField(default=list)
    message = models.CharField(max_length=500, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"invitations by {self.source}"

    @property
    def is_moving(self) -> bool:
        """Whether more will come of it."""
        return self.state in {self.State.CHECKING, self.State.INVITING}
