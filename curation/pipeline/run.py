"""A whole run: shards → barrier → clusters of copies → published files. Every stage resumes from markers.

Nothing but maps with barriers between them, so any engine will do. Everything lies under the run's
prefix of a storage: ``plan.json``, ``shards/``, ``dedup-<hash>/``, ``publish-<hash>/``, ``live.json``, and at
the end ``funnel.json``, ``drops.jsonl`` and ``run.json``. Only the published files go to the target.
Whatever kills the run, starting it again with the same plan gives the same published bytes.
"""

import errno
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from curation.pipeline import samples
from curation.pipeline.dedup import corpus
from curation.pipeline.dedup.cluster import save_kept
from curation.pipeline.dedup.repeats import find_lines, line_tasks
from curation.pipeline.engines.base import Control, Engine, Failure
from curation.pipeline.engines.choose import choose_engine
from curation.pipeline.engines.local import CPU_LIMIT
from curation.pipeline.funnel import Funnel, merge
from curation.pipeline.live import Live
from curation.pipeline.plan import RUN, PlannedShard, RunPlan, fix_plan, shard_json, with_limit
from curation.pipeline.publish import (
    PartRecord,
    PartTask,
    Slice,
    cut,
    name_survivors,
    publish_part,
    read_part,
)
from curation.pipeline.recipe import Recipe, parse_recipe
from curation.pipeline.relined import Lines
from curation.pipeline.shard import process_shard, read_marker
from curation.pipeline.step import signals
from tilth.datasets.manifest import Shard
from tilth.datasets.origins import origin
from tilth.errors import TilthError
from tilth.jobs.reporting import Reporter
from tilth.storage import Storage

FUNNEL = "funnel.json"
DROPS = "drops.jsonl"


@dataclass(frozen=True)
class Target:
    """Where published files go: a version's folder, and the attempt's folder inside it."""

    folder: str
    attempt: str = ""


@dataclass
class RunResult:
    """What a run gave.

    ``table`` has a line per shard; ``missing`` the shards left out, with the reason; ``dataset_shards``
    paths are relative to the target's folder. ``seconds`` is the time of this attempt.
    """

    funnel: Funnel
    table: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    dataset_shards: list[Shard]
    seconds: float

    @property
    def failed(self) -> list[str]:
        """Sources of the shards left out."""
        return [entry["source"] for entry in self.missing]

    @property
    def sources(self) -> list[dict[str, Any]]:
        """The files that went in, with documents read and kept before copies were dropped."""
        done = (row for row in self.table if row["state"] == "done")
        return [origin(row["source"], row["documents"], row["kept"]) for row in done]


@dataclass
class _Work:
    """One attempt at a run."""

    plan: RunPlan
    storage: Storage
    prefix: str
    target: Target
    engine: Engine
    live: Live
    recipe: Recipe

    def spread(self, function: Callable[[Any, Any], Any], items: Sequence[Any]) -> None:
        """A map in which no item may fail."""
        outcome = self.engine.map(function, items)
        for failure in outcome.failed.values():
            raise TilthError(
                f"{self.live.stage} failed: {failure.reason}", code=failure.code, retryable=failure.retryable
            )


def run(
    plan: RunPlan,
    storage: Storage,
    prefix: str,
    reporter: Reporter,
    *,
    target: Target,
    workers: int = 1,
    cpu_limit: float = CPU_LIMIT,
) -> RunResult:
    """Run a plan under ``prefix`` and publish into ``target``.

    Raises :class:`curation.pipeline.engines.base.Stopped` when the reporter is asked to stop, and
    :class:`TilthError` when too few shards succeed or the disk is full; both can be started again.
    """
    started = time.monotonic()
    plan = fix_plan(storage, prefix, plan)

    def wanted() -> int:
        return int(reporter.control().get("workers", workers))

    engine = choose_engine(Control(wanted, lambda: reporter.stopping), cpu_limit)
    live = Live(storage, prefix, reporter, plan.shards, wanted, plan.limit)
    work = _Work(plan, storage, prefix, target, engine, live, parse_recipe(plan.recipe))
    try:
        done, missing = _process(work)
        _require_share(plan, missing)
        funnel, dataset_shards = _finish(work, done)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise TilthError(
                f"the disk is full ({error.filename or storage.url}); free some space and start again",
                code="disk_full",
                status=507,
                retryable=True,
            ) from error
        raise
    finally:
        engine.close()
    result = RunResult(funnel, live.table(), missing, dataset_shards, time.monotonic() - started)
    _record(work, done, result)
    return result


def _process(work: _Work) -> tuple[list[PlannedShard], list[dict[str, Any]]]:
    """Take every shard through the document steps: the shards done, in order, and those that are missing."""
    if work.plan.limit:
        return _process_limited(work)
    failures = _map_shards(work, work.plan.shards, 0)
    done = [shard for position, shard in enumerate(work.plan.shards) if position not in failures]
    return done, [_missing(work.plan.shards[position], failures[position]) for position in sorted(failures)]


def _process_limited(work: _Work) -> tuple[list[PlannedShard], list[dict[str, Any]]]:
    """One shard after the other, until the limit is reached; the rest are not part of the run."""
    left, done, missing = work.plan.limit, [], []
    for position, planned in enumerate(work.plan.shards):
        shard = with_limit(planned, work.prefix, work.plan.recipe, left)
        failures = _map_shards(work, (shard,), position)
        if failures:
            missing.append(_missing(shard, failures[0]))
            continue
        done.append(shard)
        marker = _marker(work.storage, shard.documents)
        left -= marker["funnel"]["steps"][0]["out"]["documents"]
        if left <= 0:
            break
    return done, missing


def _map_shards(work: _Work, shards: tuple[PlannedShard, ...], first: int) -> dict[int, Failure]:
    """Process shards whose work is not there yet; the failures by position in ``shards``."""
    open_positions = []
    for position, shard in enumerate(shards):
        marker = read_marker(work.storage, shard.documents)
        if marker is not None:
            work.live.done(first + position, marker, reused=True)
        if marker is None or read_marker(work.storage, shard.keys) is None:
            open_positions.append((position, marker is not None))

    def on_done(item: int, marker: dict[str, Any]) -> None:
        position, counted = open_positions[item]
        if not counted:
            work.live.done(first + position, marker)

    def on_news(item: int, value: Any) -> None:
        work.live.news(first + open_positions[item][0], value)

    tasks = [work.plan.task(work.storage, shards[position]) for position, _ in open_positions]
    outcome = work.engine.map(process_shard, tasks, on_done=on_done, on_news=on_news)
    failures = {open_positions[item][0]: failure for item, failure in outcome.failed.items()}
    for position, failure in failures.items():
        work.live.failed(first + position, failure.reason)
    work.live.show(now=bool(failures))
    return failures


def _missing(shard: PlannedShard, failure: Failure) -> dict[str, Any]:
    return {"source": shard.source.id, **asdict(failure)}


def _require_share(plan: RunPlan, missing: list[dict[str, Any]]) -> None:
    total = len(plan.shards)
    if total - len(missing) >= plan.required_share * total and len(missing) < total:
        return
    named = "; ".join(f"{entry['source']}: {entry['reason']}" for entry in missing[:5])
    more = f"; and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise TilthError(
        f"{len(missing)} of {total} shards failed and {plan.required_share:.0%} are required: {named}{more}. "
        "Starting again tries these alone.",
        code="shards_failed",
        retryable=any(entry["retryable"] for entry in missing),
    )


def _finish(work: _Work, done: list[PlannedShard]) -> tuple[Funnel, list[Shard]]:
    """Deduplicate and publish what the shards kept."""
    rows = [int(_marker(work.storage, shard.documents)["rows"]) for shard in done]
    counted = list(zip(done, rows, strict=True))
    folder = f"{work.prefix}/dedup-{_digest([(shard.keys, count) for shard, count in counted])}"
    work.live.enter("deduplication")
    keys = [(f"{shard.keys}/keys.bin", count) for shard, count in counted]
    decided = corpus.deduplicate(work.storage, folder, keys, work.recipe, work.spread)
    work.live.funnel.steps.extend(decided.funnel_steps(work.live.funnel.kept))
    lines = _find_lines(work, folder, counted, decided)
    work.live.enter("publishing")
    kept = [(f"{shard.documents}/kept.rows", count) for shard, count in counted]
    slices = cut(kept, decided.sizes, decided.records["reason"] == 0)
    parts = [_part(work, folder, number, piece, decided, lines) for number, piece in enumerate(slices)]
    work.spread(publish_part, [part for part in parts if not _published(work, part)])
    records = [read_part(work.storage, part.out) for part in parts]
    work.live.funnel.steps.extend(merge(record.funnel for record in records).steps)
    _save_samples(work, done, kept, records)
    return work.live.funnel, [shard for record in records for shard in record.shards]


def _find_lines(
    work: _Work, folder: str, counted: list[tuple[PlannedShard, int]], decided: corpus.Decided
) -> Lines | None:
    """Which lines go, where the recipe removes repeated ones."""
    step = work.recipe.line_step
    if step is None:
        return None
    files = [(f"{shard.keys}/lines.bin", count) for shard, count in counted]
    total = sum(int(_marker(work.storage, shard.keys)["lines"]) for shard, _ in counted)
    kept = save_kept(work.storage, f"{folder}/lines", decided.records["reason"], 0)
    tasks = line_tasks(work.storage, folder, files, total, kept, step.settings.documents)
    work.spread(find_lines, [task for task in tasks if not work.storage.exists(task.where.out)])
    return Lines(step.settings, tuple(task.where.out for task in tasks), len(files))


def _part(
    work: _Work,
    folder: str,
    number: int,
    slices: tuple[Slice, ...],
    decided: corpus.Decided,
    lines: Lines | None,
) -> PartTask:
    """The task that writes one published file."""
    return PartTask(
        url=work.storage.url,
        target=work.target.folder,
        attempt=work.target.attempt,
        number=number,
        slices=slices,
        decisions=decided.key,
        passes=decided.passes,
        signals=tuple(signals(step.module for step in work.recipe.document_steps)),
        samples=work.plan.samples,
        out=f"{work.prefix}/publish-{_digest([work.target.folder, folder])}/part-{number:05d}.json",
        lines=lines,
    )


def _save_samples(
    work: _Work, done: list[PlannedShard], kept: list[tuple[str, int]], records: list[PartRecord]
) -> None:
    """Write the run's sample of drops: the shards' and those of deduplication."""
    lists = (samples.read_rows(work.storage, f"{shard.documents}/{DROPS}") for shard in done)
    dropped = samples.merge(lists, work.plan.samples)
    late = samples.merge((record.samples for record in records), work.plan.samples)
    named = name_survivors(work.storage, kept, late)
    samples.write_rows(work.storage, f"{work.prefix}/{DROPS}", [*dropped, *named])


def _published(work: _Work, part: PartTask) -> bool:
    """Whether an earlier attempt wrote this part, and its files are still there."""
    if not work.storage.exists(part.out):
        return False
    shards = read_part(work.storage, part.out).shards
    return all(work.storage.exists(f"{part.target}/{shard.path}") for shard in shards)


def _record(work: _Work, done: list[PlannedShard], result: RunResult) -> None:
    """Leave funnel and run record; the record comes last and makes the run one to append to."""
    work.storage.write_json(f"{work.prefix}/{FUNNEL}", result.funnel.to_json())
    work.live.enter("done")
    work.storage.write_json(
        f"{work.prefix}/{RUN}",
        {
            "version": 1,
            "recipe": work.recipe.to_json(),
            "shards": [shard_json(shard) for shard in done],
            "missing": [shard_json(shard) for shard in work.plan.shards if shard.source.id in result.failed],
        },
    )


def _marker(storage: Storage, folder: str) -> dict[str, Any]:
    marker = read_marker(storage, folder)
    if marker is None:
        raise TilthError(f"the marker of {folder} is gone; start again", retryable=True)
    return marker


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
