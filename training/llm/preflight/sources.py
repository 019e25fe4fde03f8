"""Check that every source is drawn: a small one beside a large one may never be seen in a short run."""

from collections.abc import Sequence

import numpy as np

from tilth.errors import InvalidInput
from training.llm.configs.grpo import GrpoConfig
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.pretrain import PretrainConfig
from training.llm.order import mix
from training.llm.preflight.result import Check, failed, passed, warned
from training.llm.preflight.survey import Survey
from training.llm.program import Workspace
from training.llm.rows import drawn
from training.llm.shards import documents_of
from training.llm.spec import Source
from training.llm.vocabulary import Vocabulary

FEW = 10
_SHARDS = 4


def drawn_rows(work: Workspace, config: PosttrainingConfig, survey: Survey) -> Check:
    """For stages after pretraining: by the order that the run will take."""
    train = work.spec.with_role("train")
    counts = [len(survey.usable(source.reference)) * survey.steps[source.reference] for source in train]
    empty = [source.reference for source, count in zip(train, counts, strict=True) if not count]
    if empty:
        return failed("sources", f"{', '.join(empty)}: no row is left to learn from.")
    in_step = config.batch // config.group if isinstance(config, GrpoConfig) else config.batch
    total = config.steps * in_step if config.steps else None
    try:
        order = np.asarray(drawn(counts, train, config.epochs, total, config.seed))
    except InvalidInput as error:
        return failed("sources", error.message)
    of = np.searchsorted(np.cumsum(counts), order, "right")
    return verdict(train, np.bincount(of, minlength=len(train)).tolist(), "rows")


def drawn_windows(work: Workspace, config: PretrainConfig, vocabulary: Vocabulary) -> Check:
    """For pretraining: by shares, from how many tokens some documents of each source have."""
    train = work.spec.with_role("train")
    windows = [int(tokens_of(work, source, vocabulary)) // config.context for source in train]
    total = None
    if config.steps is not None or config.tokens is not None:
        total = config.steps * config.batch if config.steps else -(-(config.tokens or 0) // config.context)
    try:
        shares, whole = mix(
            windows, [source.weight for source in train], [source.epochs for source in train], total
        )
    except InvalidInput as error:
        return failed("sources", error.message)
    return verdict(train, [int(share * whole) for share in shares], "windows")


def verdict(sources: Sequence[Source], times: Sequence[int], unit: str) -> Check:
    """What it means that the sources are drawn so often."""
    figures = {source.reference: f"{count:,} {unit}" for source, count in zip(sources, times, strict=True)}
    named = list(zip([source.reference for source in sources], times, strict=True))
    never = [reference for reference, count in named if not count]
    if never:
        words = f"{', '.join(never)} would never be drawn: raise its weight, train longer, or leave it out."
        return failed("sources", words, figures=figures)
    few = [reference for reference, count in named if count < FEW]
    if few and len(sources) > 1:
        return warned("sources", f"{', '.join(few)} will be drawn fewer than {FEW} times.", figures=figures)
    return passed("sources", "Every source is drawn.", figures=figures)


def tokens_of(work: Workspace, source: Source, vocabulary: Vocabulary) -> float:
    """About how many tokens a source has, ends included: the mean of some documents times their number."""
    shards = [shard for shard in work.inputs.manifest(source).shards if shard.rows]
    looked, tokens = 0, 0
    for shard in shards[:: max(1, len(shards) // _SHARDS)]:
        _, batch = next(documents_of(work, source, shard, vocabulary), ([], []))
        looked += len(batch)
        tokens += sum(len(ids) + 1 for ids in batch)
    return tokens / max(1, looked) * sum(shard.rows for shard in shards)
