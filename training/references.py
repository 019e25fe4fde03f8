"""References of the training app: ``run:ID``, ``checkpoint:RUN/STEP`` and ``ablation:ID``."""

from django.urls import reverse

from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register
from training.models.ablations import Ablation
from training.models.checkpoints import Checkpoint
from training.models.runs import Run


def resolve_run(reference: Reference) -> Resolved | None:
    """A run by its number."""
    if not reference.key.isdecimal() or len(reference.key) > 18:
        return None
    run = Run.objects.select_related("job").filter(pk=int(reference.key)).first()
    if run is None:
        return None
    return Resolved(run.name, reverse("training:run", args=[run.pk]), "models.view", run.state)


def resolve_checkpoint(reference: Reference) -> Resolved | None:
    """A checkpoint by its run and step."""
    found = Checkpoint.objects.by_reference(str(reference))
    if found is None:
        return None
    url = reverse("training:checkpoint", args=[found.run_id, found.step])
    return Resolved(f"{found.run.name}, step {found.step}", url, "models.view", found.state)


def resolve_ablation(reference: Reference) -> Resolved | None:
    """An ablation by its number."""
    if not reference.key.isdecimal() or len(reference.key) > 18:
        return None
    found = Ablation.objects.filter(pk=int(reference.key)).first()
    if found is None:
        return None
    return Resolved(found.name, reverse("training:ablation", args=[found.pk]), "models.view")


def register_all() -> None:
    """Make the prefixes known."""
    register("run", resolve_run)
    register("checkpoint", resolve_checkpoint)
    register("ablation", resolve_ablation)
