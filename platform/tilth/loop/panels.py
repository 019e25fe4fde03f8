"""What the home page tells whom: first steps, what needs attention, what runs, what is new."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.urls import reverse
from django.utils import timezone

from tilth.accounts.models import User
from tilth.accounts.permissions import can
from tilth.datasets.models import DatasetVersion, Export
from tilth.jobs.models import ENDED, Job, JobState, Worker
from tilth.jobs.waiting import no_worker_notice
from tilth.ui.home import Panel, register

RECENT = timedelta(days=7)
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do on a new installation, and whether it is done."""

    title: str
    text: str
    url: str
    label: str
    done: bool


def first_steps(user: User) -> dict[str, Any] | None:
    """From nothing to a dataset on one's own disk; gone once all of it is done."""
    newest = DatasetVersion.objects.published().select_related("dataset").order_by("-published_at").first()
    browse = reverse("datasets:rows", args=[newest.dataset.name, newest.number]) if newest else ""
    exports = reverse("datasets:exports", args=[newest.dataset.name, newest.number]) if newest else ""
    steps = [
        Step(
            "Have a worker running",
            "Workers run every job. make up starts one; further machines join with python manage.py worker.",
            reverse("jobs:workers"),
            "See the workers",
            Worker.objects.live().exists(),
        ),
        Step(
            "Curate your first dataset",
            "Give it Common Crawl files; it reads, filters and deduplicates them, and explains every drop.",
            reverse("curation:new"),
            "New curation",
            newest is not None,
        ),
        Step(
            "Read what was kept",
            "Browse and search its rows, and look at each page as it was crawled.",
            browse,
            "Browse rows",
            False,
        ),
        Step(
            "Export it",
            "Parquet, JSONL or a Hugging Face folder with its card, to download.",
            exports,
            "Exports",
            Export.objects.exists(),
        ),
    ]
    if can(user, "people.manage"):
        alone = not User.objects.exclude(pk=user.pk).filter(is_active=True).exists()
        text = (
            "Each person gets a role: labelers label, researchers work with data, admins also manage people."
        )
        steps.append(Step("Invite your team", text, reverse("accounts:invite"), "Invite", not alone))
    return None if newest and Export.objects.exists() else {"steps": steps}


def attention(user: User) -> dict[str, Any] | None:
    """Jobs that failed lately or stand still, and a missing worker."""
    failed = Job.objects.filter(state=JobState.FAILED, finished_at__gte=timezone.now() - RECENT)
    paused = Job.objects.filter(state=JobState.PAUSED)
    notice = no_worker_notice()
    jobs = [*failed.order_by("-finished_at")[:SHOWN], *paused[:SHOWN]]
    return {"jobs": jobs, "notice": notice} if jobs or notice else None


def running(user: User) -> dict[str, Any] | None:
    """Jobs under way or waiting for their turn."""
    moving = Job.objects.exclude(state__in=[*ENDED, JobState.PAUSED])
    jobs = list(moving.order_by(F("started_at").asc(nulls_last=True), "id")[:SHOWN])
    return {"jobs": jobs, "more": moving.count() - len(jobs)} if jobs else None


def newest_versions(user: User) -> dict[str, Any] | None:
    """The latest dataset versions."""
    published = DatasetVersion.objects.published().filter(dataset__archived=False).select_related("dataset")
    versions = list(published.order_by("-published_at")[:SHOWN])
    return {"versions": versions} if versions else None


register(Panel("First steps", "loop/panels/steps.html", "curation.run", first_steps, order=0))
register(Panel("Needs attention", "loop/panels/attention.html", "jobs.view", attention, order=10))
register(Panel("Running now", "loop/panels/running.html", "jobs.view", running, order=20))
register(
    Panel("Newest dataset versions", "loop/panels/versions.html", "data.view", newest_versions, order=30)
)
