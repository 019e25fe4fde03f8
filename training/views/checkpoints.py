"""The page of a checkpoint, and the checkpoint as a folder to take away."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from tilth.accounts.actors import Actor
from tilth.accounts.permissions import can, requires
from tilth.datasets.lineage import ancestors, descendants
from tilth.datasets.views.versions import tree
from tilth.errors import NotFound
from tilth.jobs.models import JobState
from tilth.storage import Storage
from training.actions.checkpoints import record_download
from training.card import model_card
from training.folder import names, zipped
from training.launch import offered
from training.llm.checkpoints import Checkpoint as Stored
from training.llm.checkpoints import read
from training.models.checkpoints import Checkpoint
from training.models.runs import Run
from training.present import Figure, figure_rows, record_rows, shown
from training.views.common import find_checkpoint, find_run

DEPTH = 6
SAMPLES = "samples.json"
MOST_SAMPLES = 64
SHOWN = 5


@requires("models.view")
@require_GET
def checkpoint(request: HttpRequest, run: int, step: int) -> HttpResponse:
    """What it is, what it was made from and into, its files and its record."""
    found = find_checkpoint(run, step)
    start = found.reference
    context = {
        "checkpoint": found,
        "stored": _stored(found) if found.is_kept else None,
        "samples": _samples(found),
        "evaluations": _evaluations(found),
        "metrics": [(name, shown(value)) for name, value in found.figures.items()],
        "record": record_rows(found.record),
        "up": tree(start, [(edge.child, edge.parent, edge) for edge in ancestors(start, DEPTH)]),
        "down": tree(start, [(edge.parent, edge.child, edge) for edge in descendants(start, DEPTH)]),
        "next": _next_runs(found) if can(request.user, "training.run") else [],
    }
    return render(request, "training/checkpoint.html", context)


@requires("models.view")
@require_GET
def download(request: HttpRequest, run: int, step: int) -> StreamingHttpResponse:
    """A Hugging Face folder with its card, as one zip."""
    return folder_response(Actor.of(request), find_checkpoint(run, step))


def folder_response(actor: Actor, found: Checkpoint) -> StreamingHttpResponse:
    """The checkpoint as a zip that is made while it is sent; who takes it is written down."""
    stored = _stored(found)
    record_download(actor, found)
    name = f"{found.holds}-{found.run_id}-{found.step}"
    pieces = zipped(Storage(settings.STORAGE), stored, model_card(found, stored), name)
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{name}.zip"'
    response["Cache-Control"] = "private, no-transform"
    return response


def _stored(found: Checkpoint) -> Stored:
    if not found.is_kept:
        raise NotFound(f"The files of {found.reference} were pruned; what is known of it stays.")
    return read(Storage(settings.STORAGE), found.path)


@requires("models.view")
@require_GET
def run_samples(request: HttpRequest, pk: int) -> HttpResponse:
    """What the newest checkpoints of a run wrote, the newest first."""
    run = find_run(pk)
    newest = run.checkpoints.filter(state=Checkpoint.State.KEPT).select_related("run").order_by("-step")
    shown = [(found, listed) for found in newest[:SHOWN] if (listed := _samples(found))]
    return render(request, "training/_samples.html", {"run": run, "shown": shown, "job": run.current})


def _evaluations(found: Checkpoint) -> list[tuple[Run, list[Figure]]]:
    """The evaluations of a checkpoint that have ended well, the newest first, with their figures."""
    done = found.started_runs.filter(stage="evaluate", job__state=JobState.SUCCEEDED).select_related("job")
    newest = done.order_by("-pk")[:SHOWN]
    return [(run, figure_rows(run.job.result)) for run in newest if run.job and run.job.result]


def _samples(found: Checkpoint) -> list[dict[str, Any]]:
    """What the model wrote when it was stored: ``prompt``, ``text`` and whether it ``ended`` by itself."""
    if not found.is_kept:
        return []
    stored, storage = _stored(found), Storage(settings.STORAGE)
    path = names(stored).get(SAMPLES)
    listed = storage.read_json(f"{stored.folder}/{path}") if path else []
    return [sample for sample in listed if isinstance(sample, dict)][:MOST_SAMPLES]


def _next_runs(found: Checkpoint) -> list[tuple[str, str, str]]:
    """Stages that can use it: name, title, and the role that it would have."""
    if not found.is_kept:
        return []
    uses = []
    for stage in offered():
        if found.holds == "model" and stage.base != "none" and (stage.takes_scorer or not found.scores):
            uses.append((stage.name, stage.title, "base"))
        elif found.holds == "tokenizer" and stage.needs_tokenizer:
            uses.append((stage.name, stage.title, "tokenizer"))
    return uses
