"""Manifests and rows of published versions, read from storage once per process."""

from functools import lru_cache

from django.conf import settings

from tilth.datasets.browse.shards import ShardRows
from tilth.datasets.card import About
from tilth.datasets.manifest import Manifest
from tilth.datasets.models import DatasetVersion
from tilth.errors import Conflict
from tilth.storage import Storage


def load_manifest(version: DatasetVersion) -> Manifest:
    """The manifest of a published or withdrawn version; others raise :class:`Conflict`."""
    if not version.manifest_key:
        raise Conflict(f"{version.reference} is {version.state}: it has no files yet.", code="not_published")
    return _load(settings.STORAGE, version.manifest_key, version.manifest_sha256)


@lru_cache(maxsize=64)
def _load(storage: str, key: str, sha256: str) -> Manifest:
    """Kept in memory: what a hash names cannot change."""
    return Manifest.from_json(Storage(storage).read_bytes(key))


def rows_of(version: DatasetVersion) -> ShardRows:
    """The rows of a published version, for browsing; raises :class:`Conflict` where there are none to read."""
    if version.state != DatasetVersion.State.PUBLISHED:
        raise Conflict(
            f"{version.reference} is {version.state}: there are no rows to read.", code="not_published"
        )
    if version.dataset.kind == "tokens":
        raise Conflict(
            "Token files are for trainers; browse the version that they were made from.", code="no_rows"
        )
    manifest = load_manifest(version)
    return ShardRows(
        Storage(settings.STORAGE),
        manifest.folder,
        tuple(manifest.shards),
        manifest.kind,
        manifest.schema_version,
    )


def about(version: DatasetVersion) -> About:
    """What people wrote about the dataset of a version."""
    dataset = version.dataset
    published = version.published_at.date().isoformat() if version.published_at else ""
    return About(dataset.title, dataset.description, dataset.licence, published)
