"""What a run will take: parameters, tokens, FLOPs, memory, disk, time and cost, as far as each can be known.

Sizes are computed (``training.llm.sizes``). Time is measured: the rate at which earlier runs of the stage got
through their work on as many devices. What cannot be known is ``None`` and shown as such.
"""

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db.models import Q

from tilth.datasets.models import DatasetVersion
from tilth.errors import TilthError
from tilth.jobs.models import JobState
from tilth.text.reference import parse_reference
from training.launch import Plan
from training.llm import sizes
from training.llm.config import Config
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.configs.pretrain import PretrainConfig
from training.llm.configs.tokenizer import TokenizerConfig
from training.llm.sizes import Shape
from training.models.checkpoints import Checkpoint
from training.models.runs import Run

KEPT_STATES = 2
LOOKED_AT = 20
DEFAULT_VOCABULARY = TokenizerConfig().vocabulary


@dataclass(frozen=True, slots=True)
class Facts:
    """What an estimate goes by. ``tokens`` are those of all rows, each as often as it is seen."""

    stage: str
    config: Config
    tokens: float
    vocabulary: int | None
    base_parameters: int | None
    gpus: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes, seconds and counts; ``work`` is in ``unit`` and is what time goes by.

    ``rate`` is units a second, the median of ``measured`` earlier runs.
    """

    parameters: int | None = None
    tokens: float | None = None
    flops: float | None = None
    memory: int | None = None
    disk: int | None = None
    work: float | None = None
    unit: str = ""
    assumed: str = ""
    rate: float | None = None
    measured: int = 0
    seconds: float | None = None
    cost: float | None = None


def estimate(plan: Plan) -> Estimate:
    """The estimate of a run that may be launched."""
    facts = _facts_of_plan(plan)
    found = _of(facts)
    rates = measured_rates(facts.stage, facts.gpus)
    if not (rates and found.work):
        return found
    rate = statistics.median(rates)
    seconds = found.work / rate
    cost = seconds / 3600 * facts.gpus * settings.GPU_HOUR_PRICE
    return replace(found, rate=rate, measured=len(rates), seconds=seconds, cost=cost)


def measured_rates(stage: str, gpus: int) -> list[float]:
    """Work a second of the newest runs of a stage that ended well on as many devices."""
    runs = Run.objects.filter(stage=stage, job__state=JobState.SUCCEEDED, job__gpus=gpus)
    chosen = list(runs.with_objects().prefetch_related("job__attempts")[:LOOKED_AT])
    versions = _versions(item["reference"] for run in chosen for item in run.inputs)
    rates = []
    for run in chosen:
        work = _found(run, versions).work
        seconds = sum(attempt.seconds for attempt in run.job.attempts.all()) if run.job else 0
        if work and seconds:
            rates.append(work / seconds)
    return rates


def flops_per_token(run: Run) -> float | None:
    """FLOPs that a run spends on a token, where its stage and tokenizer tell."""
    found = _found(run, {})
    return found.flops / found.tokens if found.flops and found.tokens else None


def tokens_per_step(run: Run) -> float | None:
    """Tokens that an optimizer step of a run sees, where its settings tell."""
    if run.stage != "pretrain":
        return None  # rows of other stages are as long as they are
    batch, context = run.config.get("batch"), run.config.get("context")
    return float(batch * context) if batch and context else None


def _found(run: Run, versions: dict[str, DatasetVersion]) -> Estimate:
    """What an earlier run took; nothing is known of one whose settings this code no longer reads."""
    try:
        return _of(_facts_of_run(run, versions))
    except TilthError:
        return Estimate()


def _of(facts: Facts) -> Estimate:
    estimators: dict[str, Callable[[Facts], Estimate]] = {"tokenizer": _tokenizer, "pretrain": _pretrain}
    return estimators.get(facts.stage, _other)(facts)


def _tokenizer(facts: Facts) -> Estimate:
    config = facts.config
    assert isinstance(config, TokenizerConfig)
    # Shards are compressed; a version's tokens, about four bytes each, tell how much text there is.
    text = facts.tokens * 4
    return Estimate(
        tokens=facts.tokens, disk=config.vocabulary * 64, work=min(text, config.sample_bytes), unit="bytes"
    )


def _pretrain(facts: Facts) -> Estimate:
    config = facts.config
    assert isinstance(config, PretrainConfig)
    vocabulary = facts.vocabulary or DEFAULT_VOCABULARY
    shape = config.shape(vocabulary)
    tokens = _tokens(config, facts)
    flops = tokens * sizes.flops_per_token(shape) if tokens else None
    return Estimate(
        parameters=shape.parameters,
        tokens=tokens,
        flops=flops,
        memory=_memory(config, shape, facts.gpus),
        disk=_disk(config, shape, tokens) + int(facts.tokens) * (2 if vocabulary <= 1 << 16 else 4),
        work=flops,
        unit="FLOPs",
        assumed="" if facts.vocabulary else f"a vocabulary of {vocabulary:,} is assumed",
    )


def _tokens(config: PretrainConfig, facts: Facts) -> float | None:
    if config.steps is not None:
        return float(config.steps * config.batch * config.context)
    return float(config.tokens) if config.tokens is not None else facts.tokens or None


def _memory(config: PretrainConfig, shape: Shape, gpus: int) -> int:
    element = 4 if config.precision == "fp32" or (config.precision == "auto" and not gpus) else 2
    whole = config.cross_entropy != "chunked"
    rows = config.micro_batch
    return sizes.training_memory(shape, rows, config.context, element=element, whole_logits=whole).total


def _disk(config: PretrainConfig, shape: Shape, tokens: float | None) -> int:
    """Trainer states and the exported checkpoints that stay."""
    steps = config.steps or (tokens or 0) / (config.batch * config.context)
    exported = int(steps // config.checkpoint_every) if config.checkpoint_every else 0
    kept = exported if config.keep is None else min(exported, config.keep)
    return KEPT_STATES * sizes.state_bytes(shape) + (kept + 1) * sizes.checkpoint_bytes(shape)


def _other(facts: Facts) -> Estimate:
    """A stage that goes on with a model: 6 FLOPs a weight and token, 16 bytes a weight in memory, 4 on disk.

    With LoRA the model itself is only held, not moved. Activations depend on the rows and are not counted.
    """
    config, weights = facts.config, facts.base_parameters
    if not (isinstance(config, PosttrainingConfig) and weights):
        return Estimate(parameters=weights)
    tokens = facts.tokens * config.epochs or None
    flops = 6.0 * weights * tokens if tokens else None
    moved = 4 if config.lora else 16
    return Estimate(
        parameters=weights,
        tokens=tokens,
        flops=flops,
        memory=weights * moved,
        disk=weights * 4 + KEPT_STATES * weights * (0 if config.lora else 12),
        work=flops,
        unit="FLOPs",
    )


def _facts_of_plan(plan: Plan) -> Facts:
    return Facts(
        plan.stage.name,
        plan.config,
        sum(
            version.tokens * (source.epochs or 1)
            for source, version in zip(plan.sources, plan.versions, strict=True)
            if source.role == "train"
        ),
        _vocabulary(plan.base or plan.tokenizer),
        plan.base.parameters if plan.base else None,
        plan.gpus,
    )


def _facts_of_run(run: Run, versions: dict[str, DatasetVersion]) -> Facts:
    read = [(item, versions.get(item["reference"])) for item in run.inputs if item["role"] == "train"]
    return Facts(
        run.stage,
        run.stage_info.config_class.from_json(run.config),
        sum(version.tokens * (item["epochs"] or 1) for item, version in read if version),
        _vocabulary(run.base or run.tokenizer),
        run.base.parameters if run.base else None,
        run.gpus,
    )


def _vocabulary(checkpoint: Checkpoint | None) -> int | None:
    """The vocabulary of a tokenizer that was trained here; of others the files would have to be read."""
    while checkpoint is not None and checkpoint.run.stage != "tokenizer":
        checkpoint = checkpoint.run.tokenizer or checkpoint.run.base
    return int(checkpoint.run.config["vocabulary"]) if checkpoint is not None else None


def _versions(references: Iterable[str]) -> dict[str, DatasetVersion]:
    match, empty = Q(), True
    for text in set(references):
        parsed = parse_reference(text)
        match |= Q(dataset__name=parsed.key, number=parsed.version)
        empty = False
    found: Any = [] if empty else DatasetVersion.objects.filter(match).select_related("dataset")
    return {version.reference: version for version in found}
