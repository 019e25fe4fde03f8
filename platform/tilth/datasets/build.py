"""From finished shards to a manifest: what every producer of a version does last.

Run in the job's child program; the manifest travels to the supervisor as a file in storage (it may
be large), and ``actions.publish_version`` makes it count. Pure: no Django.
"""

from collections.abc import Iterable
from typing import Any

from tilth.datasets import contributions, origins, statistics
from tilth.datasets.manifest import Manifest, Shard, version_folder
from tilth.datasets.schemas import schema
from tilth.jobs.version import code_version
from tilth.storage import Storage


def build_manifest(
    storage: Storage,
    dataset: str,
    number: int,
    kind: str,
    shards: Iterable[Shard],
    *,
    producer: str,
    parents: Iterable[str] = (),
    recipe: dict[str, Any] | None = None,
    missing: Iterable[dict[str, Any]] = (),
    tokenizer: statistics.Tokenizer | None = None,
    sources: Iterable[dict[str, Any]] = (),
) -> Manifest:
    """Collect statistics, write ``contributions.parquet``, and return the manifest (not yet written).

    ``producer`` says what made it, such as ``import`` or ``curation``; ``missing`` what is left out;
    ``sources`` the files that went in, as :func:`tilth.datasets.origins.origin` describes them.
    """
    listed, folder = list(shards), version_folder(dataset, number)
    numbers = statistics.collect(storage, listed, kind, folder, tokenizer)
    if files := list(sources):
        numbers[origins.KEY] = origins.listed(files)
    few = contributions.count_contributions(storage, listed, kind, folder, f"{folder}/{contributions.NAME}")
    return Manifest(
        dataset=dataset,
        number=number,
        kind=kind,
        schema_version=schema(kind).version,
        shards=listed,
        statistics=numbers,
        parents=list(parents),
        producer=producer,
        recipe=recipe,
        missing=list(missing),
        code_version=code_version(),
        tokens=numbers["tokens"],
        contributions=few,
    )
