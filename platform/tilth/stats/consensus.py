"""One answer out of many: majority votes, and Dawid and Skene's model of who errs how (1979). Pure."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def majority(values: Sequence[Any]) -> Any | None:
    """The value that more coders chose than any other; ``None`` where the first place is shared."""
    ranked = Counter(value for value in values if value is not None).most_common(2)
    if not ranked or (len(ranked) == 2 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What Dawid and Skene's model finds.

    ``posterior[unit, category]``, ``confusion[coder, true, given]``, ``prior[category]``; names in order.
    """

    units: list[Any]
    coders: list[Any]
    categories: list[Any]
    posterior: NDArray[np.float64]
    confusion: NDArray[np.float64]
    prior: NDArray[np.float64]
    steps: int

    def answers(self) -> dict[Any, Any]:
        """The likeliest category of each unit."""
        best = self.posterior.argmax(axis=1)
        return {unit: self.categories[n] for unit, n in zip(self.units, best, strict=True)}

    def accuracy(self) -> dict[Any, float]:
        """How often each coder is right, by the model."""
        right = np.einsum("cjj,j->c", self.confusion, self.prior)
        return {coder: float(value) for coder, value in zip(self.coders, right, strict=True)}


def dawid_skene(
    units: Sequence[Hashable],
    coders: Sequence[Hashable],
    values: Sequence[Any],
    *,
    most_steps: int = 200,
    tolerance: float = 1e-6,
) -> Estimate:
    """Estimate true categories and coders' error rates from (unit, coder, value) triples by EM.

    Begins from the shares of votes, as the paper does.
    """
    names_u, u = _numbered(units)
    names_c, c = _numbered(coders)
    names_v, v = _numbered(values)
    posterior = np.zeros((len(names_u), len(names_v)))
    np.add.at(posterior, (u, v), 1.0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    prior, confusion = _maximise(posterior, u, c, v, len(names_c))
    steps, moved = 0, tolerance
    while steps < most_steps and moved >= tolerance:
        updated = _expect(prior, confusion, u, c, v, len(names_u))
        moved = float(np.abs(updated - posterior).max())
        posterior = updated
        prior, confusion = _maximise(posterior, u, c, v, len(names_c))
        steps += 1
    return Estimate(names_u, names_c, names_v, posterior, confusion, prior, steps)


def _numbered(names: Sequence[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    order = {name: n for n, name in enumerate(sorted(set(names)))}
    return list(order), np.array([order[name] for name in names], dtype=np.int64)


def _maximise(
    posterior: NDArray[np.float64],
    u: NDArray[np.int64],
    c: NDArray[np.int64],
    v: NDArray[np.int64],
    coders: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    categories = posterior.shape[1]
    tally = np.zeros((coders, categories, categories))
    np.add.at(tally.transpose(0, 2, 1), (c, v), posterior[u])
    totals = tally.sum(axis=2, keepdims=True)
    confusion = np.divide(tally, totals, out=np.full_like(tally, 1 / categories), where=totals > 0)
    return posterior.mean(axis=0), confusion


def _expect(
    prior: NDArray[np.float64],
    confusion: NDArray[np.float64],
    u: NDArray[np.int64],
    c: NDArray[np.int64],
    v: NDArray[np.int64],
    units: int,
) -> NDArray[np.float64]:
    logs = np.tile(np.log(prior + 1e-300), (units, 1))
    np.add.at(logs, u, np.log(confusion[c, :, v] + 1e-300))
    shifted = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))
