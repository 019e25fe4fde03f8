"""Streaming summaries of a column: how often each value occurs, how numbers and lengths spread.

Each takes NumPy or Arrow batches of any size and keeps a bounded state. Pure: no Django.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

CATEGORIES_KEPT = 100_000
TOP = 50
BINS = 20


@dataclass
class TopValues:
    """The most frequent values; past ``limit`` different ones the rarest are let go and it says so."""

    limit: int = CATEGORIES_KEPT
    counts: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    forgotten: int = 0

    def add(self, array: pa.Array | pa.ChunkedArray) -> None:
        """Count a batch of strings; nulls are counted as missing."""
        self.missing += array.null_count
        for item in pc.value_counts(array.drop_null()).to_pylist():
            self.counts[item["values"]] += item["counts"]
        if len(self.counts) > 2 * self.limit:
            kept = Counter(dict(self.counts.most_common(self.limit)))
            self.forgotten += len(self.counts) - len(kept)
            self.counts = kept

    def result(self) -> dict[str, Any]:
        """``{"distinct", "approximate", "missing", "top": [[value, rows], …]}``, ties by value."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return {
            "distinct": len(self.counts) + self.forgotten,
            "approximate": self.forgotten > 0,
            "missing": self.missing,
            "top": [[value, rows] for value, rows in ranked[:TOP]],
        }


@dataclass
class Lengths:
    """Lengths in bins that double: 0, 1, 2–3, 4–7, 8–15 …"""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(64, np.int64))
    total: int = 0
    rows: int = 0
    minimum: int | None = None
    maximum: int = 0

    def add(self, lengths: np.ndarray) -> None:
        """Count a batch of lengths (non-negative int64)."""
        if not lengths.size:
            return
        # frexp gives the exponent exactly where log2 would round a length just below a power of two up.
        bins = np.frexp(lengths.astype(np.float64))[1]
        self.counts += np.bincount(bins, minlength=64)[:64]
        self.total += int(lengths.sum())
        self.rows += lengths.size
        low = int(lengths.min())
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = max(self.maximum, int(lengths.max()))

    def result(self) -> dict[str, Any]:
        """Total, mean, minimum, maximum and a histogram ``{"edges": n + 1 numbers, "counts": n}``."""
        used = int(np.flatnonzero(self.counts)[-1]) + 1 if self.rows else 0
        edges = [0, *(2**power for power in range(used))] if used else []
        return {
            "total": self.total,
            "mean": round(self.total / self.rows, 3) if self.rows else None,
            "minimum": self.minimum,
            "maximum": self.maximum if self.rows else None,
            "histogram": {"edges": edges, "counts": self.counts[:used].tolist()},
        }


@dataclass
class Span:
    """First pass over a column of numbers: range, sum, and how many are missing or not finite."""

    minimum: float | None = None
    maximum: float | None = None
    total: float = 0.0
    rows: int = 0
    missing: int = 0

    def add(self, array: pa.Array | pa.ChunkedArray) -> None:
        """Take a batch of numbers; nulls, NaN and infinities count as missing."""
        values = finite(array)
        self.missing += len(array) - values.size
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.minimum = low if self.minimum is None else min(self.minimum, low)
        self.maximum = high if self.maximum is None else max(self.maximum, high)
        self.total += float(values.sum())
        self.rows += values.size

    def edges(self, whole: bool) -> np.ndarray:
        """Bin edges: one bin a value for few whole numbers, else equal bins over the range."""
        if self.minimum is None or self.maximum is None:
            return np.zeros(0)
        if whole and self.maximum - self.minimum < BINS:
            return np.arange(self.minimum, self.maximum + 2) - 0.5
        if self.minimum == self.maximum:
            return np.array([self.minimum - 0.5, self.maximum + 0.5])
        return np.linspace(self.minimum, self.maximum, BINS + 1)

    def result(self, edges: np.ndarray, counts: np.ndarray) -> dict[str, Any]:
        """Range, mean, missing and the histogram."""
        return {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "mean": round(self.total / self.rows, 6) if self.rows else None,
            "missing": self.missing,
            "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        }


def finite(array: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The numbers of a column as float64, without nulls, NaN and infinities."""
    values = array.drop_null().to_numpy().astype(np.float64)
    return values[np.isfinite(values)]
