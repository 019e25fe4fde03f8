"""Which checkpoints of a run stay, over the API: the rules, what they would take away now, and taking it away."""

from django.http import HttpRequest
from ninja import Router, Schema

from tilth.accounts.api_auth import bearer
from training.actions import retention as actions
from training.models.checkpoints import Checkpoint
from training.models.retention import Retention
from training.retention import Policy
from training.views.common import find_run

router = Router(tags=["training"])
MOST = 200


class RetentionBody(Schema):
    """The rules of a run: every Nth checkpoint, the last K, the best by a metric; where all are empty, all stay.

    With ``automatic`` the others go by themselves as new ones are stored.
    """

    every: int | None = None
    last: int | None = None
    metric: str = ""
    lowest: bool = True
    automatic: bool = False


class LineOut(Schema):
    """A checkpoint that is there, and why it stays; without a reason it may go."""

    reference: str
    step: int
    bytes: int
    stays: list[str]

    @staticmethod
    def of(line: actions.Line) -> "LineOut":
        """The same as the action names it."""
        one = line.checkpoint
        return LineOut(reference=one.reference, step=one.step, bytes=one.bytes, stays=line.reasons)


class PruneIn(Schema):
    """The steps of the checkpoints to prune, as the preview named them."""

    steps: list[int]


class PrunedOut(Schema):
    """What is left of a pruned checkpoint, beside its metrics, record and lineage."""

    reference: str
    step: int
    bytes: int
    manifest_sha256: str


@router.get("/training/runs/{int:pk}/retention", auth=bearer("models.view"), response=RetentionBody)
def get_retention(request: HttpRequest, pk: int) -> Retention:
    """A run's rules."""
    run = find_run(pk)
    return Retention.objects.filter(run=run).first() or Retention(run=run)


@router.post("/training/runs/{int:pk}/retention", auth=bearer("training.run"), response=RetentionBody)
def set_retention(request: HttpRequest, pk: int, payload: RetentionBody) -> Retention:
    """Replace a run's rules; nothing is pruned by that, unless the run is to do so by itself."""
    rules = Policy(every=payload.every, last=payload.last, metric=payload.metric, lowest=payload.lowest)
    actor = request.auth  # type: ignore[attr-defined]
    return actions.set_policy(actor, find_run(pk), rules, payload.automatic)


@router.get("/training/runs/{int:pk}/prune", auth=bearer("models.view"), response=list[LineOut])
def preview_prune(request: HttpRequest, pk: int, before: int | None = None, limit: int = 50) -> list[LineOut]:
    """A run's checkpoints, newest first, with why each stays; go on with ``before`` set to the last one's step."""
    lines = [
        line for line in actions.preview(find_run(pk)) if before is None or line.checkpoint.step < before
    ]
    return [LineOut.of(line) for line in lines[: max(1, min(limit, MOST))]]


@router.post("/training/runs/{int:pk}/prune", auth=bearer("training.run"), response=list[PrunedOut])
def prune_run(request: HttpRequest, pk: int, payload: PruneIn) -> list[Checkpoint]:
    """Prune these checkpoints, or none where one of them stays; a job removes the files."""
    return actions.prune(request.auth, find_run(pk), payload.steps)  # type: ignore[attr-defined]
