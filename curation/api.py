"""Curation over the API: recipes, and runs from start to published version."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from curation import actions, figures
from curation.models import CurationRun, Recipe
from curation.typed import check_source
from tilth.accounts.api_auth import bearer
from tilth.errors import NotFound

router = Router(tags=["curation"])
MOST = 200


class RecipeOut(Schema):
    """A stored version of a recipe."""

    name: str
    number: int
    title: str
    description: str
    toml: str
    created_at: datetime


class RecipeIn(Schema):
    """A recipe as TOML; saving makes the next version of its name."""

    toml: str


class RunIn(Schema):
    """What to run. Sources are spelled as in the form; ``recipe`` is a name or NAME@NUMBER."""

    name: str
    sources: list[str]
    recipe: str = "fineweb"
    limit: int | None = None
    workers: int | None = None
    disk_budget: int | None = None
    required_share: float | None = None
    new_version: bool = False


class AppendIn(Schema):
    """Further sources for a finished run."""

    sources: list[str]


class RunOut(Schema):
    """A run as the API shows it; ``funnel`` is empty before the first figures."""

    id: int
    reference: str
    state: str
    dataset_name: str
    version: str | None
    recipe: str
    sources: list[str]
    options: dict[str, Any]
    job: str | None
    funnel: dict[str, Any]
    created_at: datetime

    @staticmethod
    def resolve_version(run: CurationRun) -> str | None:
        """The version's reference, once one is reserved."""
        return run.version.reference if run.version else None

    @staticmethod
    def resolve_recipe(run: CurationRun) -> str:
        """NAME@NUMBER."""
        return str(run.recipe)

    @staticmethod
    def resolve_job(run: CurationRun) -> str | None:
        """The job's reference."""
        return run.job.reference if run.job else None

    @staticmethod
    def resolve_funnel(run: CurationRun) -> dict[str, Any]:
        """The newest funnel."""
        return figures.snapshot(run).funnel


@router.get("/recipes", auth=bearer("curation.view"), response=list[RecipeOut])
def list_recipes(request: HttpRequest) -> list[Recipe]:
    """The newest version of every stored recipe."""
    return list(Recipe.objects.newest())


@router.post("/recipes", auth=bearer("recipes.edit"), response={201: RecipeOut})
def save_recipe(request: HttpRequest, payload: RecipeIn) -> Status:
    """Store a recipe as the next version of its name."""
    return Status(201, actions.save_recipe(request.auth, payload.toml))  # type: ignore[attr-defined]


@router.get("/curation/runs", auth=bearer("curation.view"), response=list[RunOut])
def list_runs(request: HttpRequest, before: int | None = None, limit: int = 50) -> list[CurationRun]:
    """Runs, newest first; go on with ``before`` set to the last one's id."""
    runs = CurationRun.objects.with_objects()
    if before is not None:
        runs = runs.filter(pk__lt=before)
    return list(runs[: max(1, min(limit, MOST))])


@router.post("/curation/runs", auth=bearer("curation.run"), response={201: RunOut})
def start_run(request: HttpRequest, payload: RunIn) -> Status:
    """Start a run; its job and version are in the answer."""
    actor = request.auth  # type: ignore[attr-defined]
    options = {name: getattr(payload, name) for name in ("limit", "workers", "disk_budget", "required_share")}
    run = actions.draft_run(
        actor,
        dataset_name=payload.name,
        recipe=actions.pin_recipe(actor, payload.recipe),
        sources=[check_source(source) for source in payload.sources],
        options=options,
        new_version=payload.new_version,
    )
    return Status(201, actions.start_run(actor, run))


@router.get("/curation/runs/{run_id}", auth=bearer("curation.view"), response=RunOut)
def get_run(request: HttpRequest, run_id: int) -> CurationRun:
    """One run."""
    return _run(run_id)


@router.post("/curation/runs/{run_id}/retry", auth=bearer("curation.run"), response=RunOut)
def retry_run(request: HttpRequest, run_id: int, required_share: float | None = None) -> CurationRun:
    """Try the missing files of a failed run again."""
    return actions.retry_run(request.auth, _run(run_id), required_share)  # type: ignore[attr-defined]


@router.post("/curation/runs/{run_id}/append", auth=bearer("curation.run"), response={201: RunOut})
def append_run(request: HttpRequest, run_id: int, payload: AppendIn) -> Status:
    """Start a child run that adds sources to a finished one."""
    sources = [check_source(source) for source in payload.sources]
    return Status(201, actions.append_run(request.auth, _run(run_id), sources))  # type: ignore[attr-defined]


def _run(run_id: int) -> CurationRun:
    run = CurationRun.objects.with_objects().filter(pk=run_id).first()
    if run is None:
        raise NotFound(f"There is no curation run {run_id}.")
    return run
