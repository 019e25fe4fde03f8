"""What labeling's references point at: campaigns, guidelines, tasks and annotations."""

from uuid import UUID

from django.urls import reverse

from labeling.models.annotations import Annotation
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import Guideline, GuidelineVersion
from labeling.models.tasks import Task
from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register


def resolve_campaign(reference: Reference) -> Resolved | None:
    """``campaign:ID``."""
    found = Campaign.objects.filter(pk=_number(reference.key)).first()
    if found is None:
        return None
    return Resolved(str(found), reverse("labeling:campaign", args=[found.pk]), "campaigns.view", found.state)


def resolve_guideline(reference: Reference) -> Resolved | None:
    """``guideline:NAME`` or ``guideline:NAME@NUMBER``."""
    if reference.version is None:
        guideline = Guideline.objects.filter(name=reference.key).first()
        url = reverse("labeling:guideline", args=[reference.key])
        return Resolved(str(guideline), url, "guidelines.view") if guideline else None
    found = GuidelineVersion.objects.select_related("guideline").filter(
        guideline__name=reference.key, number=reference.version
    )
    version = found.first()
    if version is None:
        return None
    url = reverse("labeling:guideline_version", args=[reference.key, version.number])
    return Resolved(str(version), url, "guidelines.view")


def resolve_task(reference: Reference) -> Resolved | None:
    """``task:ID``."""
    task = Task.objects.filter(pk=_number(reference.key)).first()
    if task is None:
        return None
    return Resolved(str(task), reverse("labeling:task", args=[task.pk]), "campaigns.view", task.state)


def resolve_annotation(reference: Reference) -> Resolved | None:
    """``annotation:UUID``."""
    try:
        key = UUID(reference.key)
    except ValueError:
        return None
    found = Annotation.objects.filter(pk=key).first()
    if found is None:
        return None
    url = reverse("labeling:annotation", args=[found.pk])
    return Resolved(f"Annotation of task {found.task_id}", url, "campaigns.view", found.state)


def _number(key: str) -> int:
    return int(key) if key.isdecimal() and len(key) < 19 else 0


def register_all() -> None:
    """Teach the registry labeling's prefixes."""
    register("campaign", resolve_campaign)
    register("guideline", resolve_guideline)
    register("task", resolve_task)
    register("annotation", resolve_annotation)
