"""Ablations over the API: launch one, read what it has found."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema, Status

from tilth.accounts.api_auth import bearer
from tilth.errors import NotFound
from training.ablating import Arm, WantedAblation
from training.ablations import in_json, report
from training.actions import ablations as actions
from training.launch import Input, Wanted
from training.models.ablations import Ablation

router = Router(tags=["training"])
MOST = 200


class ArmInputIn(Schema):
    """A dataset version of an arm, drawn by weight or seen ``epochs`` times."""

    reference: str
    weight: float = 1.0
    epochs: float | None = None


class ArmIn(Schema):
    """One side of the comparison."""

    name: str
    inputs: list[ArmInputIn]


class AblationIn(Schema):
    """What to compare; ``sizes`` are settings as text ("depth=4"), ``settings`` those of all runs."""

    name: str
    question: str = ""
    stage: str = "pretrain"
    preset: str = ""
    arms: list[ArmIn]
    sizes: list[str] = []
    seeds: int = 3
    metric: str = "bits_per_byte"
    lower_is_better: bool = True
    validation: str = ""
    evals: list[str] = []
    eval_settings: dict[str, Any] = {}
    base: str = ""
    tokenizer: str = ""
    reference_model: str = ""
    reward_model: str = ""
    settings: dict[str, Any] = {}
    gpus: int | None = None
    priority: int = 0

    def wanted(self) -> WantedAblation:
        """The same as the action takes it."""
        common = ("stage", "preset", "base", "tokenizer", "reference_model", "reward_model", "settings")
        own = ("name", "question", "seeds", "metric", "lower_is_better", "validation", "eval_settings")
        return WantedAblation(
            common=Wanted(
                gpus=self.gpus, priority=self.priority, **{name: getattr(self, name) for name in common}
            ),
            arms=tuple(
                Arm(arm.name, tuple(Input(i.reference, "train", i.weight, i.epochs) for i in arm.inputs))
                for arm in self.arms
            ),
            sizes=tuple(self.sizes),
            evals=tuple(self.evals),
            **{name: getattr(self, name) for name in own},
        )


class AblationOut(Schema):
    """An ablation as the API shows it; ``report`` holds values, differences and verdicts by size."""

    id: int
    reference: str
    name: str
    question: str
    stage: str
    preset: str
    arms: list[dict[str, Any]]
    sizes: list[dict[str, Any]]
    seeds: list[int]
    metric: str
    lower_is_better: bool
    validation: str
    evals: list[str]
    created_at: datetime


class ReportOut(AblationOut):
    """The same with what was found by now."""

    report: dict[str, Any]

    @staticmethod
    def resolve_report(ablation: Ablation) -> dict[str, Any]:
        """Values, differences, verdicts."""
        return in_json(ablation, report(ablation))


@router.get("/training/ablations", auth=bearer("models.view"), response=list[AblationOut])
def list_ablations(request: HttpRequest, before: int | None = None, limit: int = 50) -> list[Ablation]:
    """Ablations, newest first; go on with ``before`` set to the last one's id."""
    found = Ablation.objects.all()
    if before is not None:
        found = found.filter(pk__lt=before)
    return list(found[: max(1, min(limit, MOST))])


@router.post("/training/ablations", auth=bearer("training.run"), response={201: ReportOut})
def launch_ablation(request: HttpRequest, payload: AblationIn) -> Status:
    """Launch all runs of an ablation at once; what was asked cannot be changed afterwards."""
    return Status(201, actions.launch(request.auth, payload.wanted()))  # type: ignore[attr-defined]


@router.get("/training/ablations/{int:pk}", auth=bearer("models.view"), response=ReportOut)
def get_ablation(request: HttpRequest, pk: int) -> Ablation:
    """One ablation with what it has found by now."""
    found = Ablation.objects.filter(pk=pk).first()
    if found is None:
        raise NotFound(f"There is no ablation {pk}.")
    return found
