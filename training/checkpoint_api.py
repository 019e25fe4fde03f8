"""Checkpoints over the API: the list, one, and its files."""

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from ninja import Router, Schema

from tilth.accounts.api_auth import bearer
from training.models.checkpoints import Checkpoint
from training.views.checkpoints import folder_response
from training.views.common import find_checkpoint

router = Router(tags=["training"])
MOST = 200


class CheckpointOut(Schema):
    """A checkpoint as the API shows it."""

    reference: str
    run: str
    step: int
    state: str
    holds: str
    bytes: int
    tokens: int
    parameters: int
    architecture: str
    context: int
    licence: str
    tokenizer_hash: str
    template_hash: str
    manifest_sha256: str
    metrics: dict[str, Any]
    record: dict[str, Any]
    created_at: datetime

    @staticmethod
    def resolve_run(checkpoint: Checkpoint) -> str:
        """The run that made it."""
        return checkpoint.run.reference


@router.get("/training/checkpoints", auth=bearer("models.view"), response=list[CheckpointOut])
def list_checkpoints(
    request: HttpRequest, holds: str = "", offset: int = 0, limit: int = 50
) -> list[Checkpoint]:
    """Checkpoints whose files are there, of the newest run first; ``holds`` is model, tokenizer or adapter."""
    found = Checkpoint.objects.kept()
    if holds:
        found = found.filter(holds=holds)
    start = max(0, offset)
    return list(found[start : start + max(1, min(limit, MOST))])


@router.get("/training/checkpoints/{int:run}/{int:step}", auth=bearer("models.view"), response=CheckpointOut)
def get_checkpoint(request: HttpRequest, run: int, step: int) -> Checkpoint:
    """One checkpoint, whether its files are still there or not."""
    return find_checkpoint(run, step)


@router.get("/training/checkpoints/{int:run}/{int:step}/download", auth=bearer("models.view"))
def download_checkpoint(request: HttpRequest, run: int, step: int) -> HttpResponseBase:
    """A zip with the checkpoint in Hugging Face's layout and its model card."""
    return folder_response(request.auth, find_checkpoint(run, step))  # type: ignore[attr-defined]
