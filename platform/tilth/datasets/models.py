"""Datasets, their numbered versions, what each was made from, and files people uploaded.

A published version never changes: its row refuses ``save`` and ``delete``, and ``actions.py`` moves
states only by conditional updates. Bytes live in storage; rows here say what exists.
"""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from tilth.datasets.manifest import version_folder
from tilth.datasets.schemas import KINDS
from tilth.errors import Conflict


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Reads over datasets."""

    def current(self) -> "DatasetQuerySet":
        """Datasets that are not archived."""
        return self.filter(archived=False)


class Dataset(models.Model):
    """A named series of versions, all of one kind."""

    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=20, choices=[(kind, schema.title) for kind, schema in KINDS.items()])
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True, help_text="Markdown: what it holds, and what it is for")
    licence = models.CharField(max_length=100, blank=True, help_text="SPDX name, such as CC-BY-4.0")
    archived = models.BooleanField(default=False)
    last_number = models.PositiveIntegerField(default=0, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    objects: ClassVar[models.Manager["Dataset"]] = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def latest(self) -> "DatasetVersion | None":
        """The newest published version."""
        return self.versions.filter(state=DatasetVersion.State.PUBLISHED).order_by("-number").first()


class DatasetVersionQuerySet(models.QuerySet["DatasetVersion"]):
    """Reads over versions; rows are never deleted, so that no number comes twice."""

    def published(self) -> "DatasetVersionQuerySet":
        """Versions that exist for readers."""
        return self.filter(state=DatasetVersion.State.PUBLISHED)

    def by_reference(self, name: str, number: int) -> "DatasetVersionQuerySet":
        """The version ``name@number``."""
        return self.select_related("dataset").filter(dataset__name=name, number=number)

    def delete(self) -> tuple[int, dict[str, int]]:
        """Refused: archive or withdraw instead."""
        raise Conflict("dataset versions are never deleted; archive the dataset instead", code="immutable")


class DatasetVersion(models.Model):
    """One version: building until its manifest is written and its row says published."""

    class State(models.TextChoices):
        """Where a version stands; ``withdrawn`` keeps hashes and counts but no bytes."""

        BUILDING = "building", "Building"
        PUBLISHED = "published", "Published"
        FAILED = "failed", "Failed"
        WITHDRAWN = "withdrawn", "Withdrawn"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING, db_index=True)
    manifest_key = models.CharField(max_length=300, blank=True)
    manifest_sha256 = models.CharField(max_length=64, blank=True)
    rows = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    tokens = models.BigIntegerField(default=0)
    tokenizer = models.CharField(max_length=200, blank=True)
    job = models.ForeignKey(
        "jobs.Job", null=True, blank=True, on_delete=models.PROTECT, related_name="dataset_versions"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())
    published_at = models.DateTimeField(null=True, blank=True)
    note = models.TextField(blank=True)

    objects: ClassVar[models.Manager["DatasetVersion"]] = DatasetVersionQuerySet.as_manager()

    class Meta:
        ordering = ["dataset__name", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="one_version_per_number"),
            models.UniqueConstraint(
                fields=["dataset", "job"],
                condition=models.Q(job__isnull=False) & ~models.Q(state="failed"),
                name="one_live_version_per_job",
            ),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="version_numbers_from_one"),
            models.CheckConstraint(
                condition=~models.Q(state="published") | ~models.Q(manifest_key=""),
                name="published_has_manifest",
            ),
        ]

    def __str__(self) -> str:
        return self.reference

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Store a new version; a published or withdrawn one is refused."""
        frozen = (self.State.PUBLISHED, self.State.WITHDRAWN)
        if self.pk and DatasetVersion.objects.filter(pk=self.pk, state__in=frozen).exists():
            raise Conflict(
                f"{self.reference} is published and cannot change; publish a new version", code="immutable"
            )
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Refused: archive or withdraw instead."""
        raise Conflict("dataset versions are never deleted; archive the dataset instead", code="immutable")

    @property
    def reference(self) -> str:
        """How everything else names this version."""
        return f"{self.dataset.name}@{self.number}"

    @property
    def folder(self) -> str:
        """Storage key of this version's files."""
        return version_folder(self.dataset.name, self.number)


class Lineage(models.Model):
    """``child`` was made from ``parent``: an edge between two references."""

    child = models.CharField(max_length=220)
    parent = models.CharField(max_length=220, db_index=True)
    relation = models.CharField(max_length=40, help_text="how it was made: derived, made_by, imported …")
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["child", "parent", "relation"], name="one_edge_per_relation")
        ]
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.child} ← {self.parent} ({self.relation})"


class Contribution(models.Model):
    """How many rows of a version come from a labeler, guideline, campaign, crawl or parent."""

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="contributions")
    kind = models.CharField(max_length=20)
    value = models.CharField(max_length=220)
    rows = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "kind", "value"], name="one_count_per_contribution")
        ]
        indexes = [models.Index(fields=["kind", "value"], name="contribution_by_value")]
        ordering = ["kind", "value"]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}: {self.rows}"


class Upload(models.Model):
    """A file somebody sent, kept at ``uploads/<sha256>``; the same bytes are kept once."""

    sha256 = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=200, help_text="file name as sent, cleaned; for people only")
    bytes = models.BigIntegerField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    class Meta:
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> str:
        """Storage key of the bytes."""
        return f"uploads/{self.sha256}"


class ExportQuerySet(models.QuerySet["Export"]):
    """Reads over exports."""

    def there(self) -> "ExportQuerySet":
        """Exports that were not deleted, newest first."""
        return self.exclude(state=Export.State.DELETED).select_related(
            "version__dataset", "job", "created_by"
        )


class Export(models.Model):
    """One export of a published version: a file to download, made by a job."""

    class State(models.TextChoices):
        """Where an export stands; ``deleted`` keeps the row for the record, without the bytes."""

        BUILDING = "building", "Building"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"
        DELETED = "deleted", "Deleted"

    version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="exports")
    format = models.CharField(max_length=20)
    options = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.BUILDING, db_index=True)
    job = models.OneToOneField(
        "jobs.Job", null=True, blank=True, on_delete=models.PROTECT, related_name="dataset_export"
    )
    key = models.CharField(max_length=400, blank=True, help_text="storage key of the file")
    bytes = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    rows = models.BigIntegerField(default=0)
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now, db_default=Now())

    objects: ClassVar[models.Manager["Export"]] = ExportQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.version.reference} as {self.format}"

    @property
    def filename(self) -> str:
        """The name under which it is downloaded."""
        return self.key.rsplit("/", 1)[-1]
