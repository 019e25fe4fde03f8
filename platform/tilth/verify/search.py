"""A small full-text index in memory: the rows of a data set, found by words, for models that look things up.

Ranking is BM25 (Robertson and Zaragoza, 2009, "The Probabilistic Relevance Framework: BM25 and Beyond") with the
usual k1 = 1.2 and b = 0.75, and the variant of the inverse document frequency that is never negative.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log

K1, B = 1.2, 0.75
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Hit:
    """A row that was found: its id, its text and its score (higher is nearer)."""

    id: str
    text: str
    score: float


@dataclass
class Index:
    """Texts by id; built once from ``(id, text)`` pairs by :meth:`of`."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    _places: dict[str, list[tuple[int, int]]] = field(default_factory=dict, repr=False)
    _lengths: list[int] = field(default_factory=list, repr=False)

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> "Index":
        """An index of these rows."""
        index = cls()
        for id, text in rows:
            counts = Counter(_words(text))
            for word, count in counts.items():
                index._places.setdefault(word, []).append((len(index.rows), count))
            index._lengths.append(counts.total())
            index.rows.append((id, text))
        return index

    def search(self, query: str, limit: int = 5) -> list[Hit]:
        """The rows nearest to a query, best first; rows without any of its words are none."""
        average = sum(self._lengths) / max(1, len(self._lengths))
        scores: Counter[int] = Counter()
        for word in dict.fromkeys(_words(query)):
            places = self._places.get(word, [])
            rarity = log(1 + (len(self.rows) - len(places) + 0.5) / (len(places) + 0.5))
            for place, count in places:
                length = 1 - B + B * self._lengths[place] / average
                scores[place] += rarity * count * (K1 + 1) / (count + K1 * length)  # type: ignore[assignment]
        best = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:limit]
        return [Hit(*self.rows[place], score) for place, score in best]


def _words(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]
