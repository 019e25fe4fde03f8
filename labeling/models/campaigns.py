"""Campaigns: what is asked of whom, under which guideline, and who takes part."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from labeling.models.guidelines import GuidelineVersion
from labeling.protocol.kind import TaskKind
from labeling.protocol.registry import kind_of


class CampaignState(models.TextChoices):
    """The life of a campaign."""

    DRAFT = "draft", "Draft"
    PILOT = "pilot", "Pilot"
    LIVE = "live", "Live"
    PAUSED = "paused", "Paused"
    CLOSED = "closed", "Closed"


class Visibility(models.TextChoices):
    """When labelers see what others answered."""

    HIDDEN = "hidden", "Never"
    AFTER = "after", "After submitting their own"
    ALWAYS = "always", "Always (calibration)"


class PayBasis(models.TextChoices):
    """What is paid for."""

    NONE = "none", "Not paid here"
    TASK = "task", "Per task"
    HOUR = "hour", "Per active hour"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Reads of campaigns."""

    def managed_by(self, user: Any) -> "CampaignQuerySet":
        """Those that this person leads; an admin leads all."""
        return self if user.role == "admin" else self.filter(leads=user)

    def joined_by(self, user: Any) -> "CampaignQuerySet":
        """Those in which this person is an active member."""
        return self.filter(members__user=user, members__state=Member.State.ACTIVE)

    def open(self) -> "CampaignQuerySet":
        """Those in which work can be done now."""
        return self.filter(state__in=[CampaignState.PILOT, CampaignState.LIVE])


class Campaign(models.Model):
    """One labeling effort. ``schema`` holds the answer schema of its kind (see the kind's ``Schema``)."""

    name = models.CharField(max_length=100, unique=True)
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=CampaignState.choices, default=CampaignState.DRAFT)
    instructions = models.TextField(blank=True, help_text="a short word to labelers, Markdown")
    guideline = models.ForeignKey(
        GuidelineVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns"
    )
    schema = models.JSONField(default=dict)
    overlap = models.PositiveSmallIntegerField(default=1, help_text="people per task")
    hold_minutes = models.PositiveIntegerField(
        default=120, help_text="how long a claimed task stays reserved"
    )
    expected_minutes = models.PositiveIntegerField(default=10, help_text="expected time per task")
    due = models.DateField(null=True, blank=True)
    skills = models.ManyToManyField("accounts.Skill", blank=True, related_name="campaigns")
    languages = models.JSONField(default=list, help_text="ISO 639 codes that labelers must all speak")
    exam = models.ForeignKey(
        "labeling.Exam", null=True, blank=True, on_delete=models.PROTECT, related_name="campaigns"
    )
    gold_rate = models.FloatField(default=0.0, help_text="share of tasks with a known answer, 0 to 1")
    gold_floor = models.FloatField(default=0.7, help_text="share of gold answers that must be right, 0 to 1")
    gold_minimum = models.PositiveSmallIntegerField(default=5, help_text="gold tasks before the floor counts")
    review_rate = models.FloatField(default=0.0, help_text="share of submissions that are reviewed, 0 to 1")
    reviews_each = models.PositiveSmallIntegerField(default=1, help_text="reviewers per reviewed submission")
    blind_review = models.BooleanField(default=True)
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.HIDDEN)
    stream_rate = models.PositiveIntegerField(
        default=0, help_text="tokens per second at which answers appear; 0 shows them whole"
    )
    labelers_write_prompts = models.BooleanField(default=False)
    open_to_all = models.BooleanField(
        default=False, help_text="whoever is eligible may join without an invitation"
    )
    consent = models.TextField(blank=True, help_text="what labelers agree to when they join, Markdown")
    pay_basis = models.CharField(max_length=10, choices=PayBasis.choices, default=PayBasis.NONE)
    pay_amount = models.DecimalField(max_digits=10, decimal_places=2, default=0)
    currency = models.CharField(max_length=3, default="EUR")
    budget = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    budget_left = models.PositiveIntegerField(
        null=True, help_text="claims that the budget has room for, once they are few"
    )
    budget_due = models.DateTimeField(null=True, help_text="when the room is counted again; none: at once")
    leads = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="campaigns_led")
    telltale_hits = models.PositiveBigIntegerField(default=0, help_text="tell-tale words seen so far")
    telltale_words = models.PositiveBigIntegerField(default=0, help_text="of so many words in all")
    needs_skills = models.BooleanField(
        default=False, help_text="spares the queue a look where none is asked for"
    )
    has_quotas = models.BooleanField(default=False, help_text="spares the queue a look where there is none")
    tasks_made = models.PositiveBigIntegerField(default=0, help_text="tasks ever added; numbers them")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    state_at = models.DateTimeField(default=timezone.now)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(overlap__gte=1, overlap__lte=50), name="campaign_overlap"
            ),
            models.CheckConstraint(
                condition=models.Q(gold_rate__gte=0, gold_rate__lte=1), name="campaign_gold_rate"
            ),
            models.CheckConstraint(
                condition=models.Q(review_rate__gte=0, review_rate__lte=1), name="campaign_review_rate"
            ),
        ]

    def __str__(self) -> str:
        return self.title or self.name

    @property
    def reference(self) -> str:
        """``campaign:ID``."""
        return f"campaign:{self.pk}"

    @property
    def task_kind(self) -> TaskKind:
        """The kind of its tasks."""
        return kind_of(self.kind)

    @property
    def is_open(self) -> bool:
        """Whether tasks can be claimed."""
        return self.state in {CampaignState.PILOT, CampaignState.LIVE}

    @property
    def is_limited(self) -> bool:
        """Whether a budget ends its claims."""
        return self.budget is not None and self.pay_basis != PayBasis.NONE and self.pay_amount > 0


class Quota(models.Model):
    """How many submissions are wanted in one cell of topic × difficulty × language; empty means any."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="quotas")
    topic = models.CharField(max_length=80, blank=True)
    difficulty = models.CharField(max_length=40, blank=True)
    language = models.CharField(max_length=12, blank=True)
    target = models.PositiveIntegerField()
    filled = models.PositiveIntegerField(default=0, help_text="submissions so far")

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["campaign", "topic", "difficulty", "language"], name="quota_cell_unique"
            )
        ]

    def __str__(self) -> str:
        return f"{self.topic or 'any'} × {self.difficulty or 'any'} × {self.language or 'any'}: {self.target}"


class Profile(models.Model):
    """What labeling knows of a person beyond the account: languages, and the cohort for quality figures."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="labeling_profile"
    )
    languages = models.JSONField(default=list, help_text="ISO 639 codes")
    expertise = models.CharField(max_length=80, blank=True)
    region = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=12, blank=True, help_text="first language")

    def __str__(self) -> str:
        return f"profile of {self.user_id}"


class Member(models.Model):
    """One person in one campaign: invited, active, paused for new claims, or gone."""

    class State(models.TextChoices):
        """Where somebody stands in a campaign."""

        INVITED = "invited", "Invited"
        ACTIVE = "active", "Active"
        PAUSED = "paused", "New tasks paused"
        LEFT = "left", "Left"

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    state = models.CharField(max_length=10, choices=State.choices, default=State.INVITED)
    reason = models.CharField(max_length=300, blank=True, help_text="why new tasks are paused")
    paused_at = models.DateTimeField(null=True, blank=True)
    weekly_minutes = models.PositiveIntegerField(default=0, help_text="capacity per week; 0 is not limited")
    consented_at = models.DateTimeField(null=True, blank=True)
    consent_text = models.TextField(blank=True, help_text="the text agreed to")
    gold_since = models.DateTimeField(
        null=True, blank=True, help_text="known answers met before do not count against the floor"
    )
    claims = models.PositiveIntegerField(
        default=0, help_text="claims and declined offers so far; spaces the gold tasks"
    )
    reserved = models.BooleanField(default=False, help_text="tasks may be reserved for this person")
    news_read = models.PositiveBigIntegerField(
        default=0, help_text="id of the newest announcement that was read; those before it were, too"
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    joined_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["id"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "user"], name="member_once_per_campaign")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.campaign_id}"


class RosterInvite(models.Model):
    """Somebody invited by address who has no account yet; becomes a member when they first open their work."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="roster_invites")
    email = models.EmailField()
    fields = models.JSONField(default=dict, help_text="weekly_minutes, languages, expertise, region")
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["email"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "email"], name="roster_invite_unique")
        ]

    def __str__(self) -> str:
        return self.email


class Announcement(models.Model):
    """A word of a lead to everybody in a campaign."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="announcements")
    text = models.TextField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return self.text[:60]


class Tally(models.Model):
    """One labeler's day in one campaign: counts that the home pages and statements add up.

    Kept by the actions that change what is counted, in their own transaction; one row per person and
    day, so that labelers never wait for each other.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="tallies")
    labeler = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    day = models.DateField()
    submitted = models.PositiveIntegerField(default=0)
    filled = models.PositiveIntegerField(
        default=0, help_text="of them ordinary tasks handed in for the first time: what a forecast goes by"
    )
    accepted = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    skipped = models.PositiveIntegerField(default=0)
    active_seconds = models.PositiveIntegerField(default=0)
    idle_seconds = models.PositiveIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["campaign", "labeler", "day"], name="tally_once_a_day")
        ]
        indexes: ClassVar = [models.Index(fields=["labeler", "day"], name="tally_labeler_day")]

    def __str__(self) -> str:
        return f"{self.labeler_id} in {self.campaign_id} on {self.day}"
