"""Training over the API: stages, runs from launch to their end, curves."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status

from tilth.accounts.api_auth import bearer
from tilth.errors import InvalidInput
from tilth.jobs import waiting
from training.ablation_api import router as ablations
from training.actions import preflight
from training.actions import runs as actions
from training.alert_api import router as alerts
from training.checkpoint_api import router as checkpoints
from training.estimates import Estimate, estimate
from training.launch import HOLDS, Input, Wanted, check, offered
from training.llm.config import settings_of
from training.llm.presets import presets_of
from training.llm.stages import Stage
from training.models.runs import RUN_STATES, Run
from training.preflight import brief, whole
from training.retention_api import router as retention
from training.series import overlay
from training.views.common import find_run

router = Router(tags=["training"])
router.add_router("", ablations)
router.add_router("", alerts)
router.add_router("", retention)
router.add_router("", checkpoints)
MOST = 200


class SettingOut(Schema):
    """One setting of a stage; ``type`` is int, float, bool or str."""

    name: str
    type: str
    default: Any
    help: str
    optional: bool
    minimum: float | None
    maximum: float | None
    choices: list[str]

    @staticmethod
    def resolve_type(item: Any) -> str:
        """The type's name."""
        return str(item.type.__name__)


class PresetOut(Schema):
    """Named settings to begin with."""

    name: str
    title: str
    settings: dict[str, Any]
    gpus: int


class StageOut(Schema):
    """A stage that can be run: what it reads, what it starts from, its settings and presets."""

    name: str
    title: str
    description: str
    train: list[str]
    validation: list[str]
    evals: list[str]
    base: str
    needs_tokenizer: bool
    takes_reward_model: bool
    takes_reference: bool
    makes: str
    most_gpus: int
    settings: list[SettingOut]
    presets: list[PresetOut]

    @staticmethod
    def resolve_settings(stage: Stage) -> list[Any]:
        """Its settings in order."""
        return settings_of(stage.config_class)

    @staticmethod
    def resolve_presets(stage: Stage) -> list[Any]:
        """Its presets, the first being the one to begin with."""
        return list(presets_of(stage.name))


class InputIn(Schema):
    """A dataset version to read; ``role`` is train, validation, eval or search (what the tool ``search`` finds passages in)."""

    reference: str
    role: str = "train"
    weight: float = 1.0
    epochs: float | None = None


class LaunchIn(Schema):
    """What to run. ``settings`` replace the preset's, by name; ``gpus`` is the preset's where not given.

    ``measures`` (last, each, none) says which checkpoints are measured on the inputs of the role eval.
    """

    stage: str
    name: str = ""
    preset: str = ""
    inputs: list[InputIn] = []
    base: str = ""
    tokenizer: str = ""
    reference_model: str = ""
    reward_model: str = ""
    output: str = ""
    measures: str | None = None
    settings: dict[str, Any] = {}
    gpus: int | None = None
    priority: int = 0

    def wanted(self) -> Wanted:
        """The same as the actions take it."""
        plain = ("stage", "name", "preset", *HOLDS, "output", "measures", "settings", "gpus", "priority")
        inputs = tuple(Input(item.reference, item.role, item.weight, item.epochs) for item in self.inputs)
        return Wanted(inputs=inputs, **{name: getattr(self, name) for name in plain})


class CloneIn(Schema):
    """What to change of a run; what is not given stays, ``settings`` replace single ones."""

    name: str | None = None
    inputs: list[InputIn] | None = None
    base: str | None = None
    tokenizer: str | None = None
    reference_model: str | None = None
    reward_model: str | None = None
    output: str | None = None
    measures: str | None = None
    settings: dict[str, Any] = {}
    gpus: int | None = None
    priority: int | None = None

    def changes(self) -> dict[str, Any]:
        """The given ones as the action takes them."""
        names = ("name", *HOLDS, "output", "measures", "gpus", "priority")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.inputs is not None:
            given["inputs"] = tuple(Input(i.reference, i.role, i.weight, i.epochs) for i in self.inputs)
        return {**given, "settings": self.settings}


class EstimateOut(Schema):
    """What a run will take; null where it is not known. ``seconds`` go by ``measured`` earlier runs."""

    parameters: int | None
    tokens: float | None
    flops: float | None
    memory: int | None
    disk: int | None
    seconds: float | None
    cost: float | None
    measured: int


class RunOut(Schema):
    """A run as the API shows it."""

    id: int
    reference: str
    name: str
    stage: str
    preset: str
    state: str
    config: dict[str, Any]
    seed: int
    inputs: list[dict[str, Any]]
    parts: dict[str, str]
    measures: str
    measured: str | None
    parent: str | None
    version: str | None
    preflight: str | None
    checks: list[dict[str, str]]
    job: str | None
    progress: float
    waits_for: str
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    cost: float | None
    checkpoints: list[str]
    created_at: datetime

    @staticmethod
    def resolve_parts(run: Run) -> dict[str, str]:
        """The checkpoints that it starts from or uses, by role."""
        return {role: part.reference for role, part in run.parts.items()}

    @staticmethod
    def resolve_measured(run: Run) -> str | None:
        """The checkpoint that it was launched to measure because the run of that one asked for it."""
        return run.measured.reference if run.measured else None

    @staticmethod
    def resolve_parent(run: Run) -> str | None:
        """The run that it was cloned from."""
        return run.parent.reference if run.parent else None

    @staticmethod
    def resolve_version(run: Run) -> str | None:
        """The dataset version that it makes, where it makes one."""
        return run.version.reference if run.version else None

    @staticmethod
    def resolve_job(run: Run) -> str | None:
        """Its job's reference."""
        return run.job.reference if run.job else None

    @staticmethod
    def resolve_progress(run: Run) -> float:
        """Share done."""
        return run.current.progress if run.current else 0.0

    @staticmethod
    def resolve_waits_for(run: Run) -> str:
        """Why it does not run yet."""
        return waiting.explain(run.current) if run.current else ""

    @staticmethod
    def resolve_result(run: Run) -> dict[str, Any] | None:
        """What its program said at the end."""
        return run.job.result if run.job else None

    @staticmethod
    def resolve_error(run: Run) -> dict[str, Any] | None:
        """Why it, its preflight or its last attempt failed."""
        return run.current.error if run.current else None

    @staticmethod
    def resolve_preflight(run: Run) -> str | None:
        """The reference of its newest preflight."""
        return run.preflight.reference if run.preflight else None

    @staticmethod
    def resolve_checks(run: Run) -> list[dict[str, str]]:
        """The checks of that one, in brief."""
        return brief(run)

    @staticmethod
    def resolve_checkpoints(run: Run) -> list[str]:
        """References of its checkpoints, by step."""
        return [checkpoint.reference for checkpoint in run.checkpoints.all()]


class RunWindow(Schema):
    """Filters of the list of runs."""

    q: str = ""
    stage: str = ""
    state: str = ""
    before: int | None = None
    limit: int = 50


@router.get("/training/stages", auth=bearer("models.view"), response=list[StageOut])
def list_stages(request: HttpRequest) -> list[Stage]:
    """The stages that can be run."""
    return offered()


@router.get("/training/runs", auth=bearer("models.view"), response=list[RunOut])
def list_runs(request: HttpRequest, window: Query[RunWindow]) -> list[Run]:
    """Runs, newest first; go on with ``before`` set to the last one's id."""
    states = [name for name, _ in RUN_STATES]
    if window.state and window.state not in states:
        raise InvalidInput(f"state must be one of {', '.join(states)}.", field="state")
    found = Run.objects.with_objects().prefetch_related("checkpoints")
    if window.q:
        found = found.search(window.q)
    if window.state:
        found = found.in_state(window.state)
    exact = {"stage": window.stage, "pk__lt": window.before}
    found = found.filter(**{name: value for name, value in exact.items() if value})
    return list(found[: max(1, min(window.limit, MOST))])


@router.post("/training/runs", auth=bearer("training.run"), response={201: RunOut})
def launch_run(request: HttpRequest, payload: LaunchIn) -> Status:
    """Launch a run; poll it until its state is succeeded, failed, cancelled or stopped by preflight."""
    return Status(201, actions.launch(request.auth, payload.wanted()))  # type: ignore[attr-defined]


@router.post("/training/estimate", auth=bearer("training.run"), response=EstimateOut)
def estimate_run(request: HttpRequest, payload: LaunchIn) -> Estimate:
    """What a run would take, or the first thing that is wrong with it; nothing is written."""
    return estimate(check(payload.wanted()))


@router.get("/training/runs/{int:pk}", auth=bearer("models.view"), response=RunOut)
def get_run(request: HttpRequest, pk: int) -> Run:
    """One run."""
    return find_run(pk)


@router.get("/training/runs/{int:pk}/preflight", auth=bearer("models.view"))
def get_preflight(request: HttpRequest, pk: int) -> dict[str, Any]:
    """A run's newest preflight: every check with its figures and the rows at fault; ``passed`` is null until it is done."""
    return whole(find_run(pk))


@router.post("/training/runs/{int:pk}/check", auth=bearer("training.run"), response=RunOut)
def check_run(request: HttpRequest, pk: int) -> Run:
    """Check a run again that its preflight stopped."""
    return preflight.again(request.auth, find_run(pk))  # type: ignore[attr-defined]


@router.get("/training/runs/{int:pk}/series", auth=bearer("models.view"))
def get_series(request: HttpRequest, pk: int) -> dict[str, Any]:
    """A run's curves: by name ``{"x": {"step", "seconds", "tokens", "flops"}, "y"}``, long ones thinned."""
    (drawn,) = overlay([find_run(pk)])
    return dict(drawn["series"])


@router.post("/training/runs/{int:pk}/cancel", auth=bearer("training.run"), response=RunOut)
def cancel_run(request: HttpRequest, pk: int) -> Run:
    """End a run for good; it saves first, and its checkpoints stay."""
    return actions.cancel(request.auth, find_run(pk))  # type: ignore[attr-defined]


@router.post("/training/runs/{int:pk}/pause", auth=bearer("training.run"), response=RunOut)
def pause_run(request: HttpRequest, pk: int) -> Run:
    """Save, and give the devices back."""
    return actions.pause(request.auth, find_run(pk))  # type: ignore[attr-defined]


@router.post("/training/runs/{int:pk}/resume", auth=bearer("training.run"), response=RunOut)
def resume_run(request: HttpRequest, pk: int) -> Run:
    """Go on with a paused run."""
    return actions.resume(request.auth, find_run(pk))  # type: ignore[attr-defined]


@router.post("/training/runs/{int:pk}/retry", auth=bearer("training.run"), response=RunOut)
def retry_run(request: HttpRequest, pk: int) -> Run:
    """Go on with a failed or cancelled run from its last saved state."""
    return actions.retry(request.auth, find_run(pk))  # type: ignore[attr-defined]


@router.post("/training/runs/{int:pk}/clone", auth=bearer("training.run"), response={201: RunOut})
def clone_run(request: HttpRequest, pk: int, payload: CloneIn) -> Status:
    """Launch a run again with changes."""
    actor = request.auth  # type: ignore[attr-defined]
    return Status(201, actions.clone(actor, find_run(pk), **payload.changes()))
