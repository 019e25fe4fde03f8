"""People, what they may do (by role), how they get in, and the record of what they did."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


def new_pseudonym() -> str:
    """A random 128-bit name, never derived from the person (hex)."""
    return secrets.token_hex(16)


class Role(models.TextChoices):
    """What a person is here for; the permission table says what each may do."""

    LABELER = "labeler", "Labeler"
    REVIEWER = "reviewer", "Reviewer"
    LEAD = "lead", "Lead"
    RESEARCHER = "researcher", "Researcher"
    ADMIN = "admin", "Admin"


class UserManager(BaseUserManager["User"]):
    """Makes users with a normalised e-mail address and a hashed password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """Make a user; without a password nobody can sign in until one is set."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        """Find a person by e-mail address, whatever its case."""
        return self.get(email__iexact=username)

    def active_admins(self) -> models.QuerySet["User"]:
        """Those who can still manage people; there is always at least one."""
        return self.filter(role=Role.ADMIN, is_active=True)

    def matching(self, words: str) -> models.QuerySet["User"]:
        """People whose name or e-mail address contains ``words``."""
        return self.filter(models.Q(email__icontains=words) | models.Q(name__icontains=words))


class Skill(models.Model):
    """Something that a person can do and a campaign may ask for, such as a language or a subject."""

    name = models.CharField(max_length=80)
    description = models.CharField(max_length=300, blank=True)
    archived = models.BooleanField(default=False)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(Lower("name"), name="skill_name_unique")]

    def __str__(self) -> str:
        return self.name


class User(AbstractBaseUser):
    """A person. ``pseudonym`` is the only name that labels carry; it outlives the person's details."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.LABELER)
    pseudonym = models.CharField(max_length=32, unique=True, default=new_pseudonym, editable=False)
    is_active = models.BooleanField(default=True)
    must_change_password = models.BooleanField(default=False)
    theme = models.CharField(
        max_length=10,
        choices=[("auto", "As the system"), ("light", "Light"), ("dark", "Dark")],
        default="auto",
    )
    skills = models.ManyToManyField(Skill, blank=True, related_name="people")
    date_joined = models.DateTimeField(default=timezone.now)
    anonymised_at = models.DateTimeField(null=True, blank=True)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique_any_case")]

    def __str__(self) -> str:
        return self.name or self.email

    @property
    def reference(self) -> str:
        """How audit entries and lineage name this person; never by address."""
        return f"labeler:{self.pseudonym}"


class InvitationQuerySet(models.QuerySet["Invitation"]):
    """Reads of invitations."""

    def open(self) -> "InvitationQuerySet":
        """Neither taken up nor revoked; may have expired."""
        return self.filter(accepted_at=None, revoked_at=None)

    def usable(self) -> "InvitationQuerySet":
        """Open and not expired."""
        return self.open().filter(expires_at__gt=timezone.now())


class Invitation(models.Model):
    """A one-time link by which a person gets an account with a role; only the link's hash is kept."""

    email = models.EmailField()
    role = models.CharField(max_length=20, choices=Role.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="invitations")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_one_open_per_address",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"

    @property
    def state(self) -> str:
        """One word for the list: accepted, revoked, expired or open."""
        if self.accepted_at:
            return "accepted"
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "open"


class ApiTokenQuerySet(models.QuerySet["ApiToken"]):
    """Reads of API tokens."""

    def usable(self) -> "ApiTokenQuerySet":
        """Neither revoked nor expired, and of a person who is still active."""
        return self.filter(revoked_at=None, expires_at__gt=timezone.now(), user__is_active=True)


class ApiToken(models.Model):
    """A secret with which a script acts for its owner, limited to ``scopes``; only its hash is kept."""

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100)
    token_hash = models.CharField(max_length=64, unique=True)
    start = models.CharField(max_length=16, help_text="first characters, to tell tokens apart")
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = ApiTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "name"],
                condition=models.Q(revoked_at=None),
                name="api_token_name_unique_while_live",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def state(self) -> str:
        """One word for the list: revoked, expired or active."""
        if self.revoked_at:
            return "revoked"
        return "expired" if self.expires_at <= timezone.now() else "active"


class AuditQuerySet(models.QuerySet["AuditEntry"]):
    """Reads of the audit log."""

    def by(self, words: str) -> "AuditQuerySet":
        """Entries whose actor (person, system part or token) matches ``words``."""
        return self.filter(
            models.Q(user__email__icontains=words)
            | models.Q(user__name__icontains=words)
            | models.Q(system__icontains=words)
            | models.Q(token__icontains=words)
        )


class AuditEntry(models.Model):
    """One action that somebody took: append-only, kept for good."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    token = models.CharField(max_length=100, blank=True, help_text="name of the API token, if one was used")
    system = models.CharField(max_length=50, blank=True, help_text="named system actor, if no person acted")
    verb = models.CharField(max_length=80, db_index=True)
    target = models.CharField(max_length=200, blank=True, db_index=True, help_text="reference of the object")
    data = models.JSONField(default=dict, blank=True)

    objects = AuditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"

    @property
    def actor(self) -> str:
        """Who acted, in words."""
        return str(self.user) if self.user else self.system or "nobody"
