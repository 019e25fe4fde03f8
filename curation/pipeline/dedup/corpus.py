"""Deduplication of a whole corpus after a recipe, and what it does to the funnel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.pipeline.dedup.cluster import DECISION, decide
from curation.pipeline.dedup.keyfile import KeyFile
from curation.pipeline.funnel import Amount, FunnelStep
from curation.pipeline.recipe import Recipe
from tilth.storage import Storage
from tilth.text.tokens import BYTES_PER_TOKEN

DECISIONS = "decisions.bin"


@dataclass
class Decided:
    """What became of every document, in corpus order.

    ``key`` names the stored decision records, empty where the recipe does not deduplicate; ``passes``
    are (step, reason) in the order of the records' reason numbers, which count from 1; ``sizes`` are
    UTF-8 bytes of text.
    """

    key: str
    records: NDArray[Any]
    sizes: NDArray[np.uint32]
    passes: tuple[tuple[str, str], ...]
    titles: tuple[tuple[str, str], ...]

    def funnel_steps(self, entered: Amount) -> list[FunnelStep]:
        """The corpus steps' part of the funnel, given what the document steps let through."""
        found = []
        for name, title in self.titles:
            step = FunnelStep(name, title, entered=entered, left=Amount())
            left = entered
            for number, (owner, reason) in enumerate(self.passes, 1):
                dropped = self.records["reason"] == number
                if owner == name and dropped.any():
                    step.reasons[reason] = amount = _amount(self.sizes[dropped])
                    left = _less(left, amount)
            step.left = left
            found.append(step)
            entered = left
        return found


def deduplicate(
    storage: Storage,
    folder: str,
    shards: Sequence[tuple[str, int]],
    recipe: Recipe,
    spread: Callable[..., None],
) -> Decided:
    """Decide over the shards' documents, given as (key file, documents) in corpus order.

    ``spread`` runs a task over items. The decisions are kept in ``folder`` and taken from there when
    they are there already.
    """
    steps = recipe.corpus_steps
    passes = [(step.name, part) for step in steps for part in step.module.passes(step.settings)]
    sizes = [KeyFile.open(storage, key).sizes() for key, rows in shards if rows]
    key = f"{folder}/{DECISIONS}" if passes else ""
    if not passes:
        records = np.zeros(sum(rows for _, rows in shards), dtype=DECISION)
    elif storage.exists(key):
        records = np.frombuffer(storage.read_bytes(key), dtype=DECISION)
    else:
        records = decide(storage, folder, shards, [part for _, part in passes], spread)
        storage.write_bytes(key, records.tobytes())
    return Decided(
        key,
        records,
        np.concatenate([np.empty(0, np.uint32), *sizes]),
        tuple((name, part.reason) for name, part in passes),
        tuple((step.name, step.module.TITLE) for step in steps if step is not recipe.line_step),
    )


def _amount(sizes: NDArray[np.uint32]) -> Amount:
    tokens = np.rint(sizes.astype(np.int64) / BYTES_PER_TOKEN)
    return Amount(len(sizes), int(sizes.sum(dtype=np.int64)), int(tokens.sum()))


def _less(left: Amount, taken: Amount) -> Amount:
    return Amount(left.documents - taken.documents, left.bytes - taken.bytes, left.tokens - taken.tokens)
