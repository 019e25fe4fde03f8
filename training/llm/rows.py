"""What stages after pretraining learn from: rows of their sources as examples, in a fixed order, some held out.

A row is held out by its prompt, never by itself: two answers to one prompt are both trained on or both measured.
The order is a pure function of sources and seed. Sources are spread evenly over the run, each by its epochs or
its weight, exactly.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xxhash

from tilth.errors import InvalidInput
from training.llm.configs.posttraining import PosttrainingConfig
from training.llm.order import mix, permuted
from training.llm.program import Workspace
from training.llm.spec import Source

Row = Mapping[str, Any]
Example = dict[str, Any]
Encode = Callable[[Row], "Example | str"]
"""A row as an example, or in one word why it is left out."""

_WHOLE = 1 << 64


@dataclass(frozen=True)
class Examples:
    """A run's examples. ``train`` names rows of ``rows`` in the order of the run; ``left_out`` counts by reason."""

    rows: list[Example]
    train: list[int]
    validation: list[Example]
    left_out: Counter[str] = field(default_factory=Counter)

    def of_batches(self, batch: int) -> int:
        """How many batches the run has; the last one may be smaller."""
        return -(-len(self.train) // batch)


def examples(
    work: Workspace, config: PosttrainingConfig, encode: Encode, in_step: int | None = None
) -> Examples:
    """Read, encode, hold out and order a run's rows; ``in_step`` of them (by default the batch) make a step.

    Raises :class:`InvalidInput` where no row of a source is left to train on.
    """
    train, validation = work.spec.with_role("train"), work.spec.with_role("validation")
    if not train:
        raise InvalidInput("Choose a dataset version to train on.", field="dataset")
    left_out: Counter[str] = Counter()
    read = [_encoded(work, source, encode, left_out) for source in train]
    if validation:
        measured = [row for source in validation for row in _encoded(work, source, encode, left_out)]
        held = {place for place, _ in measured}
    else:
        held = _held_out({place for rows in read for place, _ in rows}, config.validation_share)
        measured = [row for rows in read for row in rows if row[0] in held]
    kept = [[example for place, example in rows if place not in held] for rows in read]
    for source, rows in zip(train, kept, strict=True):
        if not rows:
            raise InvalidInput(f"{source.reference}: {_why_empty(left_out, validation)}", field="dataset")
    total = config.steps * (in_step or config.batch) if config.steps else None
    order = drawn([len(rows) for rows in kept], train, config.epochs, total, config.seed)
    measured.sort(key=lambda row: row[0])
    return Examples(
        [example for rows in kept for example in rows],
        order,
        [example for _, example in measured[: config.validation_rows]],
        left_out,
    )


def drawn(
    counts: Sequence[int], sources: Sequence[Source], epochs: float, total: int | None, seed: int
) -> list[int]:
    """Which rows are trained on, in order; rows of all sources are numbered through.

    Without ``total`` each source is seen ``epochs`` times or as often as it says itself; where weights differ
    they share out the same number of rows.
    """
    weights = [source.weight for source in sources]
    times = [source.epochs for source in sources]
    if total is None:
        free = [count for count, own in zip(counts, times, strict=True) if own is None]
        if len({w for w, own in zip(weights, times, strict=True) if own is None}) > 1:
            fixed = sum(count * own for count, own in zip(counts, times, strict=True) if own is not None)
            total = round(sum(free) * epochs + fixed)
        else:
            times = [epochs if own is None else own for own in times]
    shares, total = mix(counts, weights, times, total)
    return _spread(counts, _whole([float(share * total) for share in shares], total), seed)


def _whole(parts: Sequence[float], total: int) -> list[int]:
    """Whole numbers with the sum ``total``, each within one of its part; the largest rests are rounded up."""
    floors = [int(part) for part in parts]
    rests = sorted(range(len(parts)), key=lambda n: floors[n] - parts[n])
    for number in rests[: total - sum(floors)]:
        floors[number] += 1
    return floors


def _spread(counts: Sequence[int], visits: Sequence[int], seed: int) -> list[int]:
    """Each source's rows, epoch after epoch in another order, at places spread evenly over the run."""
    rows, places, first = [np.empty(0, np.int64)], [np.empty(0)], 0
    for number, (count, wanted) in enumerate(zip(counts, visits, strict=True)):
        order = [
            permuted(np.arange(count), count, (seed, 2, number, epoch))
            for epoch in range(-(-wanted // count))
        ]
        rows.append(first + np.concatenate([np.empty(0, np.int64), *order])[:wanted])
        within = np.random.default_rng((seed, 3, number)).random(wanted)
        places.append((np.arange(wanted) + within) / max(1, wanted))
        first += count
    return np.concatenate(rows)[np.argsort(np.concatenate(places), kind="stable")].tolist()


def _encoded(
    work: Workspace, source: Source, encode: Encode, left_out: Counter[str]
) -> list[tuple[int, Example]]:
    """A source's examples, each with the place of its prompt among all hashes."""
    manifest = work.inputs.manifest(source)
    total, found = sum(shard.rows for shard in manifest.shards), []
    for number, row in enumerate(work.inputs.rows(source)):
        if number % 256 == 0:
            work.report.progress(number, total, "encode", source.reference)
            work.stop_if_asked()
        try:
            example = encode(row)
        except InvalidInput as error:
            raise InvalidInput(f"{source.reference}, row {row['id']}: {error.message}", error.code) from None
        if isinstance(example, str):
            left_out[example] += 1
        else:
            found.append((place(row), example))
    return found


def place(row: Row) -> int:
    """The hash of a row's prompt: what comes before the first answer."""
    messages = row["prompt"] if "prompt" in row else row["messages"]
    asked = []
    for message in messages:
        if message["role"] == "assistant":
            break
        asked.append([message["role"], message.get("content")])
    return xxhash.xxh3_64_intdigest(json.dumps(asked).encode())


def _held_out(places: Iterable[int], share: float) -> set[int]:
    """The prompts below the share; at least one of two, where any are wanted."""
    ordered = sorted(places)
    if not share or len(ordered) < 2:
        return set()
    below = sum(1 for number in ordered if number < share * _WHOLE)
    return set(ordered[: max(1, below)])


def _why_empty(left_out: Counter[str], validation: Sequence[Source]) -> str:
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.most_common())
    said = f"no row is left to train on ({reasons})" if reasons else "it holds no row to train on"
    return f"{said}: its prompts may all be in the validation version" if validation else f"{said}."
