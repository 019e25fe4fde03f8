"""Every change to datasets and their versions: permission, validation, write, audit, one transaction.

Publishing has two halves: the manifest goes to storage, outside any transaction, and then one
transaction turns the row ``published`` and records lineage and contributions. Repeating it after a
crash between the two is harmless.
"""

import hashlib

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from tilth.accounts import audit
from tilth.accounts.actors import Actor
from tilth.accounts.permissions import require
from tilth.datasets.manifest import Manifest, manifest_key
from tilth.datasets.models import Contribution, Dataset, DatasetVersion, Export, Lineage
from tilth.datasets.schemas import schema
from tilth.errors import Conflict, InvalidInput
from tilth.jobs.models import Job
from tilth.storage import Storage
from tilth.text.reference import check_name, parse_reference

State = DatasetVersion.State
UNPUBLISHED = (State.BUILDING, State.FAILED)
"""States that can become published: a failed version does when its job is retried and succeeds."""

RESERVED = frozenset({"import"})
"""Words that follow ``/datasets/`` in the address of a page."""


@transaction.atomic
def create_dataset(
    actor: Actor, name: str, kind: str, *, title: str = "", description: str = "", licence: str = ""
) -> Dataset:
    """Make an empty dataset; a taken name raises :class:`Conflict`."""
    require(actor, "data.publish")
    check_name(name)
    if name in RESERVED:
        raise InvalidInput(
            f"{name!r} is the address of a page and no name for a dataset; choose another",
            code="bad_name",
            field="name",
        )
    schema(kind)
    try:
        with transaction.atomic():
            dataset = Dataset.objects.create(
                name=name,
                kind=kind,
                title=title or name,
                description=description,
                licence=licence,
                created_by=actor.user,
            )
    except IntegrityError:
        raise Conflict(
            f"a dataset called {name!r} is there already; choose another name", "name_taken", field="name"
        ) from None
    audit.record(actor, "dataset.create", f"dataset:{name}", kind=kind, licence=licence)
    return dataset


@transaction.atomic
def claim_dataset(
    actor: Actor, name: str, kind: str, *, append: bool = False, title: str = "", licence: str = ""
) -> Dataset:
    """The dataset that a new version goes into: a new one, or with ``append`` the one of that name.

    A name under which nothing was ever published is free to take again, whatever its kind was.
    Raises :class:`Conflict` when the name is in use.
    """
    dataset = Dataset.objects.filter(name=name).first()
    if dataset is None:
        return create_dataset(actor, name, kind, title=title, licence=licence)
    require(actor, "data.publish")
    schema(kind)
    used = dataset.versions.exclude(state=State.FAILED)
    if used.exists() and dataset.kind != kind:
        raise Conflict(
            f"{name} is in use for {dataset.kind}; choose another name for {kind}", "name_taken", field="name"
        )
    if used.exists() and not append:
        raise Conflict(
            f"{name} is in use; choose another name, or append to it as a new version",
            "name_taken",
            field="name",
        )
    if not used.exists():
        Dataset.objects.filter(pk=dataset.pk).update(kind=kind, licence=licence, title=title or name)
        dataset.refresh_from_db()
    return dataset


@transaction.atomic
def edit_dataset(
    actor: Actor,
    dataset: Dataset,
    *,
    title: str | None = None,
    description: str | None = None,
    licence: str | None = None,
) -> Dataset:
    """Change what people read about a dataset; what is ``None`` stays."""
    require(actor, "data.publish")
    given = {"title": title, "description": description, "licence": licence}
    changes = {name: value for name, value in given.items() if value is not None}
    Dataset.objects.filter(pk=dataset.pk).update(**changes)
    audit.record(actor, "dataset.edit", f"dataset:{dataset.name}", changed=sorted(changes))
    dataset.refresh_from_db()
    return dataset


@transaction.atomic
def archive_dataset(actor: Actor, dataset: Dataset, archived: bool = True) -> Dataset:
    """Take a dataset out of the lists (or put it back); nothing is deleted."""
    require(actor, "data.archive")
    if not Dataset.objects.filter(pk=dataset.pk, archived=not archived).update(archived=archived):
        raise Conflict(f"{dataset.name} is {'archived' if archived else 'not archived'} already")
    audit.record(actor, "dataset.archive" if archived else "dataset.restore", f"dataset:{dataset.name}")
    dataset.refresh_from_db()
    return dataset


@transaction.atomic
def assign_job(actor: Actor, version: DatasetVersion, job: Job) -> DatasetVersion:
    """Say which job builds a reserved version, where the job's parameters needed the number first."""
    require(actor, "data.publish")
    if not DatasetVersion.objects.filter(pk=version.pk, state=State.BUILDING, job=None).update(job=job):
        raise Conflict(f"{version.reference} is built by another job already")
    version.refresh_from_db()
    return version


@transaction.atomic
def reserve_version(actor: Actor, dataset: Dataset, job: Job | None = None, note: str = "") -> DatasetVersion:
    """Take the next number of a dataset; asked again for the same job, give the same version.

    The counter on the dataset's row only ever grows, under that row's lock: no number comes twice.
    """
    require(actor, "data.publish")
    if not Dataset.objects.filter(pk=dataset.pk, archived=False).update(last_number=F("last_number")):
        raise Conflict(f"{dataset.name} is archived; restore it to add versions", "archived")
    live = DatasetVersion.objects.filter(dataset=dataset, job=job).exclude(state=State.FAILED)
    existing = live.first() if job else None
    if existing:
        return existing
    Dataset.objects.filter(pk=dataset.pk).update(last_number=F("last_number") + 1)
    dataset.refresh_from_db()
    version = DatasetVersion.objects.create(
        dataset=dataset, number=dataset.last_number, job=job, note=note, created_by=actor.user
    )
    audit.record(actor, "version.reserve", version.reference, job=job.reference if job else "")
    return version


def publish_version(actor: Actor, version: DatasetVersion, manifest: Manifest) -> DatasetVersion:
    """Write the manifest, then make the version published with its lineage and contributions.

    Every file the manifest names must be in storage at its size. Publishing the same manifest again
    changes nothing; another manifest for a published version raises :class:`Conflict`.
    """
    require(actor, "data.publish")
    _check_manifest(version, manifest)
    storage = Storage(settings.STORAGE)
    text = manifest.to_json().encode()
    digest = hashlib.sha256(text).hexdigest()
    version.refresh_from_db()
    if version.state == State.PUBLISHED and version.manifest_sha256 == digest:
        return version
    if version.state not in UNPUBLISHED:
        raise Conflict(
            f"{version.reference} is {version.state} and cannot change; make a new version", "immutable"
        )
    _check_files(storage, manifest)
    storage.write_bytes(manifest_key(manifest.dataset, manifest.number), text)
    return _mark_published(actor, version, manifest, digest)


def _check_manifest(version: DatasetVersion, manifest: Manifest) -> None:
    dataset = version.dataset
    if (manifest.dataset, manifest.number, manifest.kind) != (dataset.name, version.number, dataset.kind):
        raise InvalidInput(
            f"the manifest is of {manifest.reference} ({manifest.kind}), "
            f"not of {version.reference} ({dataset.kind})",
            code="wrong_manifest",
        )
    if manifest.schema_version != schema(dataset.kind).version:
        raise InvalidInput(
            f"the manifest has {dataset.kind} version {manifest.schema_version}; write the newest"
        )
    for parent in manifest.parents:
        parse_reference(parent)


def _check_files(storage: Storage, manifest: Manifest) -> None:
    for file in manifest.files:
        key = f"{manifest.folder}/{file.path}"
        if not storage.exists(key) or storage.size(key) != file.bytes:
            raise Conflict(
                f"{key} is missing or not {file.bytes} bytes long; run the job again", "missing_file"
            )


@transaction.atomic
def _mark_published(actor: Actor, version: DatasetVersion, manifest: Manifest, digest: str) -> DatasetVersion:
    updated = DatasetVersion.objects.filter(pk=version.pk, state__in=UNPUBLISHED).update(
        state=State.PUBLISHED,
        manifest_key=manifest_key(manifest.dataset, manifest.number),
        manifest_sha256=digest,
        rows=manifest.rows,
        bytes=manifest.total_bytes,
        tokens=manifest.tokens.get("count", 0),
        tokenizer=manifest.tokens.get("tokenizer", ""),
        published_at=timezone.now(),
        **({"note": ""} if version.state == State.FAILED else {}),
    )
    version.refresh_from_db()
    if not updated:
        if version.state == State.PUBLISHED and version.manifest_sha256 == digest:
            return version
        raise Conflict(f"{version.reference} is {version.state}; make a new version", "immutable")
    _record_lineage(version, manifest)
    audit.record(actor, "version.publish", version.reference, rows=manifest.rows, bytes=manifest.total_bytes)
    return version


def _record_lineage(version: DatasetVersion, manifest: Manifest) -> None:
    reference = version.reference
    edges = [(parent, "derived") for parent in manifest.parents]
    if version.job:
        edges.append((version.job.reference, "made_by"))
    for parent, relation in edges:
        Lineage.objects.get_or_create(child=reference, parent=parent, relation=relation)
    counts = [(c["kind"], c["value"], c["rows"]) for c in manifest.contributions]
    counts += [("parent", parent, manifest.rows) for parent in manifest.parents]
    Contribution.objects.bulk_create(
        Contribution(version=version, kind=kind, value=value, rows=rows) for kind, value, rows in counts
    )


@transaction.atomic
def fail_version(actor: Actor, version: DatasetVersion, reason: str) -> DatasetVersion:
    """Give up a version that is being built; its number stays used. Failing it twice is no error."""
    require(actor, "data.publish")
    updated = DatasetVersion.objects.filter(pk=version.pk, state=State.BUILDING).update(
        state=State.FAILED, note=reason
    )
    version.refresh_from_db()
    if updated:
        audit.record(actor, "version.fail", version.reference, reason=reason)
    elif version.state != State.FAILED:
        raise Conflict(f"{version.reference} is {version.state} and cannot fail any more", "immutable")
    return version


@transaction.atomic
def reopen_version(actor: Actor, version: DatasetVersion) -> DatasetVersion:
    """Go on with a version that had failed, because the job that makes it is tried again."""
    require(actor, "data.publish")
    if DatasetVersion.objects.filter(pk=version.pk, state=State.FAILED).update(state=State.BUILDING, note=""):
        audit.record(actor, "version.reopen", version.reference)
    version.refresh_from_db()
    return version


@transaction.atomic
def withdraw_version(actor: Actor, version: DatasetVersion, reason: str) -> DatasetVersion:
    """Take a published version's bytes away for good; its manifest stays as the tombstone.

    The manifest keeps what hashes and counts there were; shards and exports go when the transaction holds.
    """
    require(actor, "data.archive")
    updated = DatasetVersion.objects.filter(pk=version.pk, state=State.PUBLISHED).update(
        state=State.WITHDRAWN, note=reason
    )
    version.refresh_from_db()
    if not updated:
        raise Conflict(f"{version.reference} is {version.state}; only a published version can be withdrawn")
    Export.objects.filter(version=version).update(state=Export.State.DELETED)
    audit.record(actor, "version.withdraw", version.reference, reason=reason)
    transaction.on_commit(lambda: _delete_bytes(version))
    return version


def _delete_bytes(version: DatasetVersion) -> None:
    storage = Storage(settings.STORAGE)
    for key in storage.list(version.folder):
        if key != version.manifest_key:
            storage.delete(key)
    storage.delete(f"exports/{version.dataset.name}/{version.number}")
