"""References of the curation app: ``curation:ID`` and ``recipe:NAME@NUMBER``."""

from django.urls import reverse

from curation.models import CurationRun, Recipe
from tilth.text.reference import Reference
from tilth.ui.references import Resolved, register


def resolve_run(reference: Reference) -> Resolved | None:
    """A curation run."""
    run = (
        CurationRun.objects.with_objects().filter(pk=reference.key).first()
        if reference.key.isdecimal()
        else None
    )
    if run is None:
        return None
    return Resolved(str(run), reverse("curation:run", args=[run.pk]), "curation.view", run.state)


def resolve_recipe(reference: Reference) -> Resolved | None:
    """A version of a recipe."""
    rows = Recipe.objects.filter(name=reference.key, number=reference.version or 0)
    row = rows.first()
    if row is None:
        return None
    return Resolved(
        row.title or str(row),
        reverse("curation:recipe_version", args=[row.name, row.number]),
        "curation.view",
        "",
    )


def register_all() -> None:
    """Make the prefixes known."""
    register("curation", resolve_run)
    register("recipe", resolve_recipe)
