"""People, what they may do (by role), and the record of what they did."""

import secrets
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
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
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        ordering = ["email"]

    def __str__(self) -> str:
        return self.name or self.email


class AuditEntry(models.Model):
    """One action that somebody took: append-only, kept for good."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    token = models.CharField(max_length=100, blank=True, help_text="name of the API token, if one was used")
    system = models.CharField(max_length=50, blank=True, help_text="named system actor, if no person acted")
    verb = models.CharField(max_length=80, db_index=True)
    target = models.CharField(max_length=200, blank=True, db_index=True, help_text="reference of the object")
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.verb} {self.target}"
