"""Labeling over the API: campaigns, tasks, imports, publications, guidelines."""

from datetime import datetime
from typing import Any, Self

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema
from pydantic import model_validator

from labeling import tasklists
from labeling.actions import campaigns, guidelines, imports, publications, tasks
from labeling.models.campaigns import Campaign
from labeling.models.guidelines import Guideline, GuidelineVersion
from labeling.models.publications import Publication
from labeling.models.tasks import Task, TaskImport
from labeling.progress import progress
from tilth.accounts.api_auth import bearer
from tilth.text.storable import storable

router = Router(tags=["labeling"])
PAGE = 100


class Sent(Schema):
    """What a program sends, without what no database keeps."""

    @model_validator(mode="after")
    def _storable(self) -> Self:
        for name in type(self).model_fields:
            setattr(self, name, storable(getattr(self, name)))
        return self


class CampaignIn(Sent):
    """A campaign to make; what is left out has its default."""

    name: str
    kind: str
    title: str = ""
    guideline: str = ""
    overlap: int = 1
    review_rate: float = 0.0
    gold_rate: float = 0.0
    answer_schema: dict[str, Any] = {}


class CampaignOut(Schema):
    """A campaign and how far it is."""

    id: int
    reference: str
    name: str
    title: str
    kind: str
    state: str
    guideline: str | None
    overlap: int
    tasks: int
    done: int
    submitted: int
    wanted: int


class MoveIn(Sent):
    """The state to move to."""

    to: str


class TasksIn(Sent):
    """Rows of any shape that imports understand."""

    rows: list[dict[str, Any]]
    role: str = "normal"


class TaskOut(Schema):
    """A task without what it shows."""

    id: int
    position: int
    key: str
    state: str
    role: str
    topic: str
    difficulty: str
    language: str
    submitted: int
    overlap: int


class ImportIn(Sent):
    """A source of tasks: an upload's sha256, or a version such as ``pages@3`` with conditions on its rows."""

    upload: str = ""
    version: str = ""
    words: str = ""
    filters: dict[str, str] = {}
    mapping: dict[str, str] = {}
    role: str = "normal"
    limit: int = 0
    sample: bool = False
    seed: int = 0


class ImportOut(Schema):
    """How far an import is."""

    id: int
    state: str
    rows: int
    loaded: int
    bad: int
    message: str


class PublishIn(Sent):
    """What to publish, as which kind, by which rule."""

    dataset: str
    dataset_kind: str
    rule: str
    licence: str = ""
    pilot: bool = False
    gold: bool = False


class PublicationOut(Schema):
    """A publication under way or done."""

    id: int
    version: str
    state: str
    rows: int


class GuidelineOut(Schema):
    """A published guideline version."""

    reference: str
    name: str
    number: int
    note: str
    published_at: datetime
    clauses: list[dict[str, Any]] = []


class GuidelineIn(Sent):
    """A text to publish as the next version; the guideline is made where it is not there yet."""

    title: str = ""
    source: str
    note: str = ""


def _campaign(found: Campaign) -> CampaignOut:
    counts = progress(found)
    return CampaignOut(
        id=found.pk,
        reference=found.reference,
        name=found.name,
        title=found.title,
        kind=found.kind,
        state=found.state,
        guideline=found.guideline.reference if found.guideline else None,
        overlap=found.overlap,
        tasks=counts.tasks,
        done=counts.done,
        submitted=counts.submitted,
        wanted=counts.wanted,
    )


def _version(reference: str) -> GuidelineVersion:
    name, _, number = reference.removeprefix("guideline:").partition("@")
    return get_object_or_404(
        GuidelineVersion, guideline__name=name, number=int(number) if number.isdecimal() else 0
    )


@router.get("/labeling/campaigns", auth=bearer("campaigns.view"), response=list[CampaignOut])
def list_campaigns(request: HttpRequest, offset: int = 0) -> list[CampaignOut]:
    """Campaigns, newest first, 100 at a time."""
    rows = Campaign.objects.select_related("guideline__guideline")[max(0, offset) : max(0, offset) + PAGE]
    return [_campaign(row) for row in rows]


@router.post("/labeling/campaigns", auth=bearer("campaigns.manage"), response={201: CampaignOut})
def create_campaign(request: HttpRequest, data: CampaignIn) -> tuple[int, CampaignOut]:
    """Make a campaign in draft."""
    fields = data.dict(exclude={"name", "kind", "guideline", "answer_schema"})
    version = _version(data.guideline) if data.guideline else None
    made = campaigns.create(
        request.auth,  # type: ignore[attr-defined]
        name=data.name,
        kind=data.kind,
        schema=data.answer_schema,
        guideline=version,
        **{**fields, "title": data.title or data.name},
    )
    return 201, _campaign(made)


@router.get("/labeling/campaigns/{int:campaign_id}", auth=bearer("campaigns.view"), response=CampaignOut)
def get_campaign(request: HttpRequest, campaign_id: int) -> CampaignOut:
    """One campaign."""
    return _campaign(
        get_object_or_404(Campaign.objects.select_related("guideline__guideline"), pk=campaign_id)
    )


@router.post(
    "/labeling/campaigns/{int:campaign_id}/move", auth=bearer("campaigns.manage"), response=CampaignOut
)
def move_campaign(request: HttpRequest, campaign_id: int, data: MoveIn) -> CampaignOut:
    """Take a campaign to another state."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    return _campaign(campaigns.move(request.auth, found, data.to))  # type: ignore[attr-defined]


@router.get(
    "/labeling/campaigns/{int:campaign_id}/tasks", auth=bearer("campaigns.view"), response=list[TaskOut]
)
def list_tasks(
    request: HttpRequest, campaign_id: int, after: int = 0, state: str = "", role: str = "", topic: str = ""
) -> list[Task]:
    """Tasks in their order, after a position, 50 at a time."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    chosen = {"state": state, "role": role, "topic": topic}
    return tasklists.page(tasklists.filtered(found, chosen), after=str(max(0, after))).rows


@router.post(
    "/labeling/campaigns/{int:campaign_id}/tasks",
    auth=bearer("campaigns.manage"),
    response={201: list[TaskOut]},
)
def add_tasks(request: HttpRequest, campaign_id: int, data: TasksIn) -> tuple[int, list[Task]]:
    """Add up to 1,000 tasks; all of them or none."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    return 201, tasks.add_many(request.auth, found, data.rows, role=data.role)  # type: ignore[attr-defined]


@router.post(
    "/labeling/campaigns/{int:campaign_id}/imports",
    auth=bearer("campaigns.manage"),
    response={202: ImportOut},
)
def start_import(request: HttpRequest, campaign_id: int, data: ImportIn) -> tuple[int, TaskImport]:
    """Import tasks out of an upload or a dataset version."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    where = {"words": data.words, "filters": data.filters}
    source = imports.source_params(found, upload=data.upload, version=data.version, where=where)
    options = data.dict(include={"mapping", "role", "limit", "sample", "seed"})
    return 202, imports.start(request.auth, found, source, **options)  # type: ignore[attr-defined]


@router.get("/labeling/imports/{int:import_id}", auth=bearer("campaigns.view"), response=ImportOut)
def get_import(request: HttpRequest, import_id: int) -> TaskImport:
    """How far an import is."""
    return get_object_or_404(TaskImport, pk=import_id)


def _publication(made: Publication) -> PublicationOut:
    version = made.version
    return PublicationOut(
        id=made.pk,
        version=version.reference if version else "",
        state=version.state if version else "failed",
        rows=(version.rows or 0) if version else 0,
    )


@router.post(
    "/labeling/campaigns/{int:campaign_id}/publications",
    auth=bearer("campaigns.publish"),
    response={202: PublicationOut},
)
def publish(request: HttpRequest, campaign_id: int, data: PublishIn) -> tuple[int, PublicationOut]:
    """Publish a campaign as a dataset version."""
    found = get_object_or_404(Campaign, pk=campaign_id)
    return 202, _publication(publications.start(request.auth, found, **data.dict()))  # type: ignore[attr-defined]


@router.get(
    "/labeling/publications/{int:publication_id}", auth=bearer("campaigns.view"), response=PublicationOut
)
def get_publication(request: HttpRequest, publication_id: int) -> PublicationOut:
    """How a publication stands."""
    return _publication(
        get_object_or_404(Publication.objects.select_related("version__dataset"), pk=publication_id)
    )


def _guideline(version: GuidelineVersion) -> GuidelineOut:
    return GuidelineOut(
        reference=version.reference,
        name=version.guideline.name,
        number=version.number,
        note=version.note,
        published_at=version.published_at,
        clauses=version.clauses,
    )


@router.get("/labeling/guidelines", auth=bearer("guidelines.view"), response=list[GuidelineOut])
def list_guidelines(request: HttpRequest) -> list[GuidelineOut]:
    """The newest version of each guideline."""
    rows = Guideline.objects.filter(archived=False, last_number__gt=0)
    versions = GuidelineVersion.objects.select_related("guideline")
    return [_guideline(versions.get(guideline=row, number=row.last_number)) for row in rows[:PAGE]]


@router.get("/labeling/guidelines/{name}/{int:number}", auth=bearer("guidelines.view"), response=GuidelineOut)
def get_guideline(request: HttpRequest, name: str, number: int) -> GuidelineOut:
    """One version with its clauses."""
    return _guideline(_version(f"{name}@{number}"))


@router.post("/labeling/guidelines/{name}", auth=bearer("guidelines.edit"), response={201: GuidelineOut})
def publish_guideline(request: HttpRequest, name: str, data: GuidelineIn) -> tuple[int, GuidelineOut]:
    """Publish a text as the next version."""
    actor = request.auth  # type: ignore[attr-defined]
    found = Guideline.objects.filter(name=name).first()
    found = found or guidelines.create(actor, name=name, title=data.title or name)
    saved = guidelines.save_draft(actor, found, data.source, revision=found.draft_revision)
    return 201, _guideline(guidelines.publish(actor, saved, revision=saved.draft_revision, note=data.note))
