"""What rules have found in a run's curves, what they remember of them, and where people hear of it."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from training.llm.alerts.finding import NOT_FINITE, RULES
from training.models.runs import Run


def default_pauses() -> list[str]:
    """The rules that pause a run unless its settings say otherwise."""
    return [NOT_FINITE]


class RunWatch(models.Model):
    """What is remembered of a run's curves between batches of points, and which rules pause it."""

    run = models.OneToOneField(Run, on_delete=models.CASCADE, related_name="watch")
    memory = models.JSONField(default=dict)
    pauses = models.JSONField(default=default_pauses, help_text="names of the rules that save and pause it")

    def __str__(self) -> str:
        return f"watch of {self.run}"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Reads of alerts."""

    def unseen(self) -> "AlertQuerySet":
        """Those that nobody has seen to, the newest first."""
        return self.filter(seen_at=None).order_by("-pk")

    def count_by_run(self) -> models.Subquery:
        """How many of these the run of the query around it has; null where it has none."""
        own = self.filter(run=models.OuterRef("pk")).order_by().values("run")
        return models.Subquery(own.annotate(count=models.Count("pk")).values("count"))


class Alert(models.Model):
    """Something that a rule has found in a run; the same finding of an attempt is one row."""

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="alerts")
    attempt = models.PositiveIntegerField()
    rule = models.CharField(max_length=30)
    series = models.CharField(max_length=100, blank=True)
    step = models.BigIntegerField(default=0)
    message = models.CharField(max_length=1000)
    paused = models.BooleanField(default=False, help_text="the run was told to save and pause")
    created_at = models.DateTimeField(default=timezone.now)
    seen_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    seen_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["run", "attempt", "rule", "series", "step"], name="one_alert_per_finding"
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["-id"], condition=models.Q(seen_at=None), name="alerts_unseen")
        ]

    def __str__(self) -> str:
        return f"{self.title} in {self.run.reference}"

    @property
    def title(self) -> str:
        """What its rule is called; a rule that is no more goes by its name."""
        return RULES.get(self.rule, self.rule)


class AlertChannel(models.Model):
    """Where a person wants to hear of alerts: their own mailbox, or a webhook.

    ``url`` and ``secret`` are encrypted; ``host`` is what of the address is shown.
    """

    class Kind(models.TextChoices):
        """How a notice goes out."""

        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    host = models.CharField(max_length=255, blank=True)
    url = models.TextField(blank=True)
    secret = models.TextField(blank=True)
    all_runs = models.BooleanField(default=False, help_text="of everybody's runs, not only of one's own")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner"],
                condition=models.Q(kind="email", ended_at=None),
                name="one_alert_mailbox_per_person",
            )
        ]

    def __str__(self) -> str:
        return self.host or self.get_kind_display()
