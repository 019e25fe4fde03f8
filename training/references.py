"""References of the training app: ``run:ID`` and ``checkpoint:RUN/STEP``."""

from django.urls import reverse

from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register
from training.models import Checkpoint, Run


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


def register_all() -> None:
    """Make the prefixes known."""
    register("run", resolve_run)
    register("checkpoint", resolve_checkpoint)
