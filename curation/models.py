"""Recipes as versioned data, and the runs that turn sources into dataset versions with them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from tilth.datasets.models import DatasetVersion
from tilth.jobs.models import JobState


class RecipeQuerySet(models.QuerySet["Recipe"]):
    """Reads of recipes."""

    def newest(self) -> "RecipeQuerySet":
        """The newest version of each recipe that is not archived."""
        later = Recipe.objects.filter(name=models.OuterRef("name"), number__gt=models.OuterRef("number"))
        return self.filter(archived=False).exclude(models.Exists(later)).order_by("name")


class Recipe(models.Model):
    """One immutable version of a recipe; an edit is the next number of the same name."""

    name = models.CharField(max_length=100)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=200, blank=True)
    description = models.TextField(blank=True)
    toml = models.TextField()
    digest = models.CharField(max_length=64, help_text="sha256 of the normalised TOML, whatever its number")
    archived = models.BooleanField(default=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = RecipeQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "-number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "number"], name="recipe_number_unique")
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.number}"

    @property
    def reference(self) -> str:
        """``recipe:NAME@NUMBER``."""
        return f"recipe:{self.name}@{self.number}"


GIVEN_UP = models.Q(discarded=True) & (
    models.Q(job=None) | models.Q(job__state__in=[JobState.FAILED, JobState.CANCELLED])
)
"""Runs that somebody discarded; one whose job was tried again since then is under way like any other."""


class CurationRunQuerySet(models.QuerySet["CurationRun"]):
    """Reads of runs."""

    def discarded(self) -> "CurationRunQuerySet":
        """Drafts and ended runs that somebody gave up."""
        return self.filter(GIVEN_UP)

    def kept(self) -> "CurationRunQuerySet":
        """All others."""
        return self.exclude(GIVEN_UP)

    def with_objects(self) -> "CurationRunQuerySet":
        """Runs with what their rows and pages show."""
        return self.select_related(
            "recipe", "version__dataset", "job", "probe", "base__version__dataset", "created_by"
        )

    def for_version(self, name: str, number: int) -> "CurationRun | None":
        """The run that made a dataset version, if a run did."""
        return self.with_objects().filter(version__dataset__name=name, version__number=number).first()


class CurationRun(models.Model):
    """Sources + a recipe version → one dataset version. What happens to it is its job's state."""

    recipe = models.ForeignKey(Recipe, on_delete=models.PROTECT, related_name="runs")
    sources = models.JSONField(help_text="the sources as typed")
    options = models.JSONField(default=dict, help_text="limit, workers, required_share, file numbers")
    base = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="children",
        help_text="the run appended to",
    )
    dataset_name = models.CharField(max_length=100, help_text="the dataset that the run makes a version of")
    version = models.OneToOneField(
        "datasets.DatasetVersion",
        null=True,
        on_delete=models.PROTECT,
        related_name="curation_run",
        help_text="reserved when the run starts",
    )
    job = models.OneToOneField("jobs.Job", null=True, on_delete=models.PROTECT, related_name="curation_run")
    probe = models.OneToOneField("jobs.Job", null=True, on_delete=models.PROTECT, related_name="probed_run")
    discarded = models.BooleanField(default=False, help_text="a draft that nobody wants any more")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = CurationRunQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"curation of {self.version or self.dataset_name}"

    @property
    def reference(self) -> str:
        """``curation:ID``."""
        return f"curation:{self.pk}"

    @property
    def state(self) -> str:
        """``draft``, ``discarded``, or the state of the job that runs it."""
        if self.discarded and (self.job is None or self.job.state in {JobState.FAILED, JobState.CANCELLED}):
            return "discarded"
        return self.job.state if self.job is not None else "draft"

    @property
    def name_is_free(self) -> bool:
        """Whether another run may take the dataset's name: nothing is or will be published under it."""
        used = DatasetVersion.objects.filter(dataset__name=self.dataset_name)
        return not used.exclude(state=DatasetVersion.State.FAILED).exists()

    @property
    def prefix(self) -> str:
        """Where the run keeps its plan, markers, live figures and drop samples in the storage."""
        return f"jobs/{self.job_id}"
