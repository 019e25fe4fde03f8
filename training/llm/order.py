"""Which window is trained on when: a pure function of the seed and the place in the run.

Nothing is stored and nothing is skipped over, so that a run resumes at any step at once, and the same step
has the same windows however many devices share it.

A source's windows come in a shuffled order that is another in each epoch, each window once an epoch. The
shuffle is a Feistel network over the numbers of the windows: it needs no memory, so that a trillion tokens
are as easy as ten. Sources are mixed in blocks: over the blocks so far each has had its share to within one
window, and inside a block they are shuffled.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tilth.errors import InvalidInput

BLOCK = 4096
ROUNDS = 6
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


@dataclass(frozen=True, slots=True)
class Portion:
    """A source as the order sees it: its windows, and its share of what is drawn."""

    windows: int
    share: Fraction


@dataclass(frozen=True, slots=True)
class Order:
    """The order of a run's windows; the heaviest portion takes what rounding leaves."""

    portions: tuple[Portion, ...]
    seed: int

    def at(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Source numbers and window numbers at the places ``first`` … ``first + count - 1`` of the run."""
        blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
        drawn = [self._block(block) for block in blocks]
        cut = slice(first - blocks.start * BLOCK, first - blocks.start * BLOCK + count)
        sources = np.concatenate([sources for sources, _ in drawn])[cut]
        visits = np.concatenate([visits for _, visits in drawn])[cut]
        return sources, self._windows(sources, visits)

    def visits(self, places: int) -> list[int]:
        """How often each portion has been drawn in the first ``places`` (a whole number of blocks)."""
        heaviest = max(range(len(self.portions)), key=lambda n: self.portions[n].share)
        found = [int(places * portion.share) for portion in self.portions]
        found[heaviest] = places - sum(found) + found[heaviest]
        return found

    def _block(self, block: int) -> tuple[np.ndarray, np.ndarray]:
        """The block's sources, and for each place how often its source was drawn before."""
        before, after = self.visits(block * BLOCK), self.visits((block + 1) * BLOCK)
        counts = [last - first for first, last in zip(before, after, strict=True)]
        sources = np.repeat(np.arange(len(counts)), counts)
        sources = sources[permuted(np.arange(BLOCK), BLOCK, (self.seed, 1, block))]
        visits = np.empty(BLOCK, np.int64)
        for number, first in enumerate(before):
            own = sources == number
            visits[own] = first + np.arange(counts[number])
        return sources, visits

    def _windows(self, sources: np.ndarray, visits: np.ndarray) -> np.ndarray:
        windows = np.empty(len(sources), np.int64)
        for number, portion in enumerate(self.portions):
            own = np.flatnonzero(sources == number)
            epochs, places = np.divmod(visits[own], portion.windows)
            for epoch in np.unique(epochs):
                same = epochs == epoch
                key = (self.seed, 2, number, int(epoch))
                windows[own[same]] = permuted(places[same], portion.windows, key)
        return windows


def mix(
    windows: Sequence[int], weights: Sequence[float], epochs: Sequence[float | None], total: int | None
) -> tuple[list[Fraction], int]:
    """Shares of the sources and the number of windows to draw.

    A source with ``epochs`` is drawn so often; the others share what is left of ``total`` by weight. Where
    no ``total`` is given every source is seen once, or ``epochs`` times. Raises :class:`InvalidInput`
    where a source has no window, or the epochs asked for exceed the total.
    """
    if not windows or not all(windows):
        raise InvalidInput("A source holds less than one window of tokens: add text or shorten the context.")
    fixed = [
        None if times is None else Fraction(times).limit_denominator(10**6) * count
        for count, times in zip(windows, epochs, strict=True)
    ]
    if total is None:
        drawn = [
            Fraction(count) if times is None else times for count, times in zip(windows, fixed, strict=True)
        ]
        whole = max(1, int(sum(drawn)))
        return [part / sum(drawn) for part in drawn], whole
    taken = sum((part for part in fixed if part is not None), Fraction(0))
    free = [Fraction(weight) for weight, part in zip(weights, fixed, strict=True) if part is None]
    if not free:
        return [part / taken for part in fixed if part is not None], total
    if taken >= total:
        raise InvalidInput(
            f"The epochs asked for are {int(taken):,} windows, but the run draws only {total:,}: "
            "train longer or ask for fewer epochs.",
            field="epochs",
        )
    rest = 1 - taken / total
    return [
        rest * Fraction(weight) / sum(free) if part is None else part / total
        for weight, part in zip(weights, fixed, strict=True)
    ], total


def permuted(numbers: np.ndarray, size: int, key: tuple[int, ...]) -> np.ndarray:
    """Where a shuffle of ``0 … size - 1`` under ``key`` puts each of ``numbers``.

    A balanced Feistel network over the next even number of bits; what lands outside walks on until it is
    inside, which keeps it a permutation.
    """
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    keys = np.random.SeedSequence(list(key)).generate_state(ROUNDS, np.uint64)
    found = _feistel(numbers.astype(np.uint64), half, keys)
    outside = np.flatnonzero(found >= size)
    while outside.size:
        found[outside] = _feistel(found[outside], half, keys)
        outside = outside[found[outside] >= size]
    return found.astype(np.int64)


def _feistel(numbers: np.ndarray, half: int, keys: np.ndarray) -> np.ndarray:
    mask, shift = np.uint64((1 << half) - 1), np.uint64(half)
    left, right = numbers >> shift, numbers & mask
    for key in keys:
        left, right = right, left ^ (_scrambled(right ^ key) & mask)
    return left << shift | right


def _scrambled(numbers: np.ndarray) -> np.ndarray:
    """The finishing steps of MurmurHash3; products wrap around."""
    for factor in _MIX:
        numbers = (numbers ^ numbers >> np.uint64(33)) * factor
    return numbers ^ numbers >> np.uint64(33)
