"""Every change to recipes and runs: permission, validation, write, audit, one transaction."""

import hashlib
from dataclasses import replace
from typing import Any

from django.db import IntegrityError, transaction

from curation import params
from curation.models import CurationRun, Recipe
from curation.pipeline.recipe import Recipe as PureRecipe
from curation.pipeline.recipe import builtin, load_recipe
from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets import actions as datasets
from tilth.datasets.models import DatasetVersion
from tilth.errors import Conflict, InvalidInput, NotFound
from tilth.jobs import actions as jobs
from tilth.jobs.models import Job
from tilth.text.reference import check_name


@transaction.atomic
def save_recipe(actor: Actor, toml: str) -> Recipe:
    """Store a recipe as the next version of its name; the same text again gives the version there is."""
    require(actor, "recipes.edit")
    return _store(actor, load_recipe(toml))


@transaction.atomic
def pin_recipe(actor: Actor, name: str) -> Recipe:
    """The newest version of a recipe as a row: stored by somebody, or built in and stored now.

    ``name`` may carry a number (``fineweb@2``). An unknown name raises :class:`NotFound`.
    """
    require(actor, "curation.run")
    plain, _, number = name.partition("@")
    rows = Recipe.objects.filter(name=plain, archived=False)
    if number:
        row = rows.filter(number=int(number)).first() if number.isdecimal() else None
    else:
        row = rows.order_by("-number").first()
    if row is not None:
        return row
    if plain not in builtin() or number:
        known = sorted({*builtin(), *Recipe.objects.newest().values_list("name", flat=True)})
        raise NotFound(f"There is no recipe {name!r}; there are: {', '.join(known)}", field="recipe")
    return _store(actor, load_recipe(plain))


def _store(actor: Actor, recipe: PureRecipe) -> Recipe:
    check_name(recipe.name)
    digest = hashlib.sha256(replace(recipe, version=1).to_toml().encode()).hexdigest()
    newest = Recipe.objects.filter(name=recipe.name).order_by("-number").first()
    if newest is not None and newest.digest == digest and not newest.archived:
        return newest
    number = newest.number + 1 if newest else 1
    try:
        with transaction.atomic():
            row = Recipe.objects.create(
                name=recipe.name,
                number=number,
                title=recipe.title,
                description=recipe.description,
                toml=replace(recipe, version=number).to_toml(),
                digest=digest,
                created_by=actor.user,
            )
    except IntegrityError:
        raise Conflict(
            f"Somebody else saved {recipe.name}@{number} just now; look at it and save again"
        ) from None
    audit.record(actor, "recipe.save", row.reference)
    return row


@transaction.atomic
def archive_recipe(actor: Actor, name: str, archived: bool = True) -> None:
    """Take all versions of a recipe out of the lists, or put them back."""
    require(actor, "recipes.edit")
    if not Recipe.objects.filter(name=name, archived=not archived).update(archived=archived):
        raise Conflict(f"{name} is {'archived' if archived else 'in use'} already")
    audit.record(actor, "recipe.archive" if archived else "recipe.restore", f"recipe:{name}")


@transaction.atomic
def draft_run(
    actor: Actor,
    *,
    dataset_name: str,
    recipe: Recipe,
    sources: list[str],
    options: dict[str, Any] | None = None,
    append_to: CurationRun | None = None,
    new_version: bool = False,
    estimate: bool = False,
) -> CurationRun:
    """Write down what shall be run; nothing is reserved yet. With ``estimate`` a probe of one shard starts.

    The dataset's name must be free (nothing was ever published under it), unless the run appends to one that made it or ``new_version`` says
    that another version of a dataset of documents is wanted.
    """
    require(actor, "curation.run")
    if not sources:
        raise InvalidInput("Name at least one source", field="sources")
    check_name(dataset_name)
    _check_target(dataset_name, append_to, new_version)
    cleaned = params.check_options(options or {})
    run = CurationRun.objects.create(
        recipe=recipe,
        sources=sources,
        options={**cleaned, "new_version": new_version},
        base=append_to,
        dataset_name=dataset_name,
        created_by=actor.user,
    )
    if estimate:
        title = f"Estimate for {dataset_name}"
        run.probe = jobs.submit(actor, "curation_probe", params.probe_params(run), title=title)
        run.save(update_fields=["probe"])
    audit.record(actor, "curation.draft", run.reference, sources=sources, recipe=recipe.reference)
    return run


def _check_target(name: str, append_to: CurationRun | None, new_version: bool) -> None:
    if append_to is not None:
        version = append_to.version
        if version is None or version.state != DatasetVersion.State.PUBLISHED:
            raise Conflict(
                "Only a run whose version is published can be appended to; finish or retry it first"
            )
        if version.dataset.name != name:
            raise InvalidInput(f"The run appended to made {version.dataset.name}", field="name")
        return
    used = DatasetVersion.objects.filter(dataset__name=name).exclude(state=DatasetVersion.State.FAILED)
    kinds = set(used.values_list("dataset__kind", flat=True))
    if kinds and (kinds != {"documents"} or not new_version):
        raise Conflict(
            f"A dataset called {name!r} is there already; choose another name"
            + (", or ask for a new version of it" if kinds == {"documents"} else ""),
            code="name_taken",
            field="name",
        )


@transaction.atomic
def start_run(actor: Actor, run: CurationRun) -> CurationRun:
    """Reserve the version and hand the run to a worker. Starting twice is refused."""
    require(actor, "curation.run")
    if not CurationRun.objects.filter(pk=run.pk, version=None, discarded=False).update(discarded=False):
        raise Conflict("This run has started already, or was discarded")
    again = run.options.get("new_version", False)
    _check_target(run.dataset_name, run.base, again)
    dataset = datasets.claim_dataset(
        actor,
        run.dataset_name,
        "documents",
        append=again or run.base is not None,
        licence=params.COMMON_CRAWL_LICENCE,
    )
    run.version = datasets.reserve_version(actor, dataset)
    run.job = jobs.submit(
        actor,
        "curate",
        params.run_params(run),
        title=f"Curate {run.version.reference}",
        idempotency_key=f"curation:{run.pk}",
    )
    if not CurationRun.objects.filter(pk=run.pk, version=None).update(version=run.version, job=run.job):
        raise Conflict("Somebody else started this run just now")
    DatasetVersion.objects.filter(pk=run.version.pk).update(job=run.job)
    run.version.refresh_from_db()
    audit.record(actor, "curation.start", run.reference, version=run.version.reference)
    return run


@transaction.atomic
def append_run(actor: Actor, base: CurationRun, sources: list[str]) -> CurationRun:
    """Start a child run: the base's recipe over its files and more; only the new ones are processed."""
    child = draft_run(
        actor,
        dataset_name=base.dataset_name,
        recipe=base.recipe,
        sources=sources,
        options={name: base.options[name] for name in ("limit", "workers") if name in base.options},
        append_to=base,
    )
    return start_run(actor, child)


@transaction.atomic
def discard_run(actor: Actor, run: CurationRun) -> CurationRun:
    """Give up a draft, or a run that has ended without publishing; its dataset name is free again."""
    require(actor, "curation.run")
    if run.job is None:
        if not CurationRun.objects.filter(pk=run.pk, version=None, discarded=False).update(discarded=True):
            raise Conflict("This run has started already, or was discarded")
    elif not run.job.is_ended or run.job.state == "succeeded":
        raise Conflict("Only a run that has failed or was cancelled can be discarded; cancel it first")
    else:
        if not CurationRun.objects.kept().filter(pk=run.pk).update(discarded=True):
            raise Conflict("This run is discarded already")
        if run.version is not None:
            datasets.fail_version(actor, run.version, "the run was discarded")
    audit.record(actor, "curation.discard", run.reference)
    run.refresh_from_db()
    return run


@transaction.atomic
def throttle_run(actor: Actor, run: CurationRun, workers: int) -> CurationRun:
    """Change how many processes a run may use, while it runs."""
    require(actor, "curation.run")
    if run.job is None or run.job.is_ended:
        raise Conflict("Only a run that is under way can be throttled")
    params.check_options({"workers": workers})
    jobs.set_control(actor, run.job, workers=workers)
    audit.record(actor, "curation.throttle", run.reference, workers=workers)
    return run


@transaction.atomic
def retry_run(actor: Actor, run: CurationRun, required_share: float | None = None) -> CurationRun:
    """Try a failed or cancelled run again: finished shards are kept, only the missing ones are processed.

    A discarded run comes back by this. ``required_share`` (0 to 1) lets the run publish without all shards; the manifest names the missing.
    """
    require(actor, "curation.run")
    if run.job is None or run.version is None:
        raise Conflict("This run has not started yet")
    if run.state == "discarded":  # another run may have taken the name since then
        _check_target(run.dataset_name, run.base, run.options.get("new_version", False))
    if required_share is not None:
        run.options = {**run.options, **params.check_options({"required_share": required_share})}
        CurationRun.objects.filter(pk=run.pk).update(options=run.options)
        Job.objects.filter(pk=run.job.pk).update(params=params.run_params(run))
    jobs.retry(actor, run.job)
    CurationRun.objects.filter(pk=run.pk).update(discarded=False)
    datasets.reopen_version(actor, run.version)
    audit.record(actor, "curation.retry", run.reference, required_share=required_share)
    run.refresh_from_db()
    return run
