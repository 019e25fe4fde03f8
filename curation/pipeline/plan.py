"""The plan of a run: recipe and shards, fixed before the work begins and stored as ``plan.json``.

Shards stand in (crawl, source id) order, which is the order that decides between copies. A plan with a
``base`` takes over the base's shards and, where the recipe's document steps are the same, their
finished work: only new shards are read.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import xxhash

from curation.pipeline.access import Access
from curation.pipeline.recipe import load_recipe
from curation.pipeline.samples import PER_REASON
from curation.pipeline.shard import ShardTask, documents_folder, keys_folder, read_marker
from curation.pipeline.source_file import SourceFile
from curation.pipeline.step import Resources
from tilth.errors import Conflict, InvalidInput, NotFound
from tilth.storage import Storage

VERSION = 1
PLAN = "plan.json"
RUN = "run.json"


@dataclass(frozen=True)
class PlannedShard:
    """A source file and the folders its stages lie in; ``limit`` > 0 ends reading after so many documents."""

    source: SourceFile
    documents: str
    keys: str
    limit: int = 0


@dataclass(frozen=True)
class RunPlan:
    """What a run does.

    ``limit`` > 0 takes that many documents in all, from the first shards on. ``required_share`` of the
    shards must succeed for a result.
    """

    recipe: str
    shards: tuple[PlannedShard, ...]
    resources: Resources = field(default_factory=Resources)
    access: Access = field(default_factory=Access)
    limit: int = 0
    required_share: float = 1.0
    samples: int = PER_REASON

    def task(self, storage: Storage, shard: PlannedShard) -> ShardTask:
        """The worker's task for a shard."""
        return ShardTask(
            storage.url,
            shard.documents,
            shard.keys,
            shard.source,
            self.recipe,
            self.resources,
            self.access,
            shard.limit,
            self.samples,
        )

    def to_json(self) -> dict[str, Any]:
        """What must not change between attempts."""
        return {
            "version": VERSION,
            "recipe": self.recipe,
            "limit": self.limit,
            "shards": [shard_json(shard) for shard in self.shards],
        }


def shard_json(shard: PlannedShard) -> dict[str, Any]:
    """A planned shard as JSON."""
    return asdict(shard)


def read_shard(data: dict[str, Any]) -> PlannedShard:
    """The planned shard that :func:`shard_json` wrote."""
    return PlannedShard(SourceFile(**data["source"]), data["documents"], data["keys"], data["limit"])


def make_plan(
    storage: Storage,
    prefix: str,
    recipe: str,
    sources: Iterable[SourceFile],
    *,
    base: str = "",
    resources: Resources | None = None,
    access: Access | None = None,
    limit: int = 0,
    required_share: float = 1.0,
) -> RunPlan:
    """A checked plan for ``recipe`` (name, path or TOML text) over the sources, appended to ``base``."""
    if not 0 < required_share <= 1:
        raise InvalidInput("the required share must lie above 0 and at most 1", field="required_share")
    if limit < 0:
        raise InvalidInput("the limit must be a number of documents, or 0 for all", field="limit")
    toml = load_recipe(recipe).to_toml()
    shards = {shard.source.id: shard for shard in _base_shards(storage, prefix, base, toml)}
    for source in sources:
        shards.setdefault(source.id, _new_shard(prefix, source, toml))
    if not shards:
        raise InvalidInput("there is nothing to read: name at least one source", field="sources")
    ordered = sorted(shards.values(), key=lambda shard: (shard.source.crawl, shard.source.id))
    return RunPlan(toml, tuple(ordered), resources or Resources(), access or Access(), limit, required_share)


def fix_plan(storage: Storage, prefix: str, plan: RunPlan) -> RunPlan:
    """Store the plan, or take up the stored one; a different plan under the same prefix is a conflict."""
    key = f"{prefix}/{PLAN}"
    if not storage.exists(key):
        storage.write_json(key, plan.to_json())
        return plan
    stored = storage.read_json(key)
    if stored["recipe"] != plan.recipe or stored["limit"] != plan.limit:
        raise Conflict(
            f"{key} belongs to a run with another recipe or limit; choose another place", code="other_plan"
        )
    shards = tuple(read_shard(shard) for shard in stored["shards"])
    if {s.source.id for s in shards} != {s.source.id for s in plan.shards}:
        raise Conflict(f"{key} belongs to a run over other sources; choose another place", code="other_plan")
    return replace(plan, shards=shards)


def with_limit(shard: PlannedShard, prefix: str, recipe: str, limit: int) -> PlannedShard:
    """The shard read only up to ``limit`` documents."""
    return _new_shard(prefix, shard.source, recipe, limit)


def _new_shard(prefix: str, source: SourceFile, recipe: str, limit: int = 0) -> PlannedShard:
    folder = f"{prefix}/shards/{xxhash.xxh3_64_hexdigest(source.id.encode())}"
    return PlannedShard(
        source, f"{folder}/{documents_folder(recipe, limit)}", f"{folder}/{keys_folder(recipe, limit)}", limit
    )


def _base_shards(storage: Storage, prefix: str, base: str, recipe: str) -> list[PlannedShard]:
    """The base's shards, with the folders of whatever finished work the recipe can still use."""
    if not base:
        return []
    key = f"{base}/{RUN}"
    if not storage.exists(key):
        raise NotFound(f"{base} is no finished run to append to", code="no_base", field="base")
    found = []
    finished = storage.read_json(key)
    for data in [*finished["shards"], *finished["missing"]]:
        earlier = read_shard(data)
        mine = _new_shard(prefix, earlier.source, recipe, earlier.limit)
        documents = _reusable(storage, earlier.documents, mine.documents)
        keys = _reusable(storage, earlier.keys, mine.keys)
        found.append(replace(mine, documents=documents, keys=keys))
    return found


def _reusable(storage: Storage, earlier: str, mine: str) -> str:
    """The earlier stage's folder when it is finished and depended on the same things, else the new one."""
    same = Path(earlier).name == Path(mine).name
    return earlier if same and read_marker(storage, earlier) is not None else mine
