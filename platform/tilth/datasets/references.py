"""What ``fineweb-mini@3`` and ``upload:<sha256>`` point at."""

from django.urls import reverse

from tilth.datasets.models import DatasetVersion, Upload
from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register


def resolve_version(reference: Reference) -> Resolved | None:
    """A dataset version, whatever its state."""
    if reference.version is None:
        return None
    version = DatasetVersion.objects.by_reference(reference.key, reference.version).first()
    if version is None:
        return None
    url = reverse("datasets:version", args=[version.dataset.name, version.number])
    title = version.dataset.title or version.dataset.name
    return Resolved(f"{title} @{version.number}", url, "data.view", version.state)


def resolve_upload(reference: Reference) -> Resolved | None:
    """An uploaded file; its address is the import form with the file chosen."""
    upload = Upload.objects.filter(sha256=reference.key).first()
    if upload is None:
        return None
    return Resolved(upload.name, f"{reverse('datasets:import')}?upload={upload.sha256}", "data.import")


def register_all() -> None:
    """Teach the registry; called when Django starts."""
    register("dataset", resolve_version)
    register("upload", resolve_upload)
