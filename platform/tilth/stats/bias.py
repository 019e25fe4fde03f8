"""What pulls comparisons besides quality: length and position. Pure.

One comparison is (winner, lengths, position): which of two answers won (0 or 1), their lengths in
characters, and which of them stood first on the screen. Ties and "both bad" have no winner and are not given.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from tilth.stats.intervals import Share, share


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison that somebody won; ``group`` is whose it is (a labeler, a campaign, a cohort)."""

    group: Hashable
    winner: int
    lengths: tuple[int, int]
    first: int

    def __post_init__(self) -> None:
        if self.winner not in (0, 1) or self.first not in (0, 1):
            raise ValueError("winner and first must be 0 or 1")


@dataclass(frozen=True, slots=True)
class Bias:
    """``longer``: how often the longer answer won (equal lengths left out); ``first``: the one shown first."""

    longer: Share
    first: Share


def bias(comparisons: Iterable[Comparison]) -> Bias:
    """Both shares over all comparisons. Without bias ``first`` lies at one half; ``longer`` need not."""
    rows = list(comparisons)
    apart = [row for row in rows if row.lengths[0] != row.lengths[1]]
    longer = sum(row.lengths[row.winner] > row.lengths[1 - row.winner] for row in apart)
    first = sum(row.winner == row.first for row in rows)
    return Bias(share(longer, len(apart)), share(first, len(rows)))


def by_group(comparisons: Iterable[Comparison]) -> dict[Hashable, Bias]:
    """The same for each group."""
    grouped: dict[Hashable, list[Comparison]] = {}
    for row in comparisons:
        grouped.setdefault(row.group, []).append(row)
    return {group: bias(rows) for group, rows in grouped.items()}


def length_baseline(lengths: Iterable[tuple[int, int]], winners: Iterable[int]) -> Share:
    """How often "the longer one" would have guessed the winner: what a judge of length alone would score.

    ``winners`` are the majority's verdicts, one a task; tasks without a majority are not given, and those
    with equal lengths, on which that judge has nothing to say, are left out.
    """
    pairs = [(pair, won) for pair, won in zip(lengths, winners, strict=True) if pair[0] != pair[1]]
    return share(sum((pair[1] > pair[0]) == bool(won) for pair, won in pairs), len(pairs))


Value = TypeVar("Value")
SMALLEST_CELL = 5
"""Figures of groups of fewer people than this could be traced to a person."""


def suppress(
    cells: Mapping[Hashable, Value], people: Callable[[Hashable], int], smallest: int = SMALLEST_CELL
) -> dict[Hashable, Value | None]:
    """Figures by group with those of small groups taken out.

    What is taken out still follows, as a whole, from the total. So while it holds fewer people than a group
    must have (one small group always does), the next smallest goes too.
    """
    order = sorted(cells, key=lambda group: (people(group), str(group)))
    hidden = [group for group in order if people(group) < smallest]
    rest = order[len(hidden) :]
    while hidden and rest and sum(map(people, hidden)) < smallest:
        hidden.append(rest.pop(0))
    return {group: None if group in hidden else value for group, value in cells.items()}
