"""Which documents a tokenizer learns from: an even draw over all of them, within a number of bytes.

Two passes: the first counts bytes by language, the second takes each document with the probability that
fills the quota. What is drawn depends on the seed and the document alone, so that it does not matter how
the rows are stored, and no shard's beginning is preferred.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow.compute as pc
import xxhash

from training.llm.inputs import Inputs
from training.llm.spec import Source

MEASURED_ONE_IN = 20
_WHOLE = 1 << 64


@dataclass(frozen=True)
class Texts:
    """The documents of some sources; ``seed`` says which are drawn."""

    inputs: Inputs
    sources: list[Source]
    seed: int = 0

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """``(language, text)`` of every document; the language is empty where none is known."""
        for source in self.sources:
            for table in self.inputs.batches(source, ["language", "text"]):
                languages = table["language"].to_pylist()
                for language, text in zip(languages, table["text"].to_pylist(), strict=True):
                    yield language or "", text

    def bytes_by_language(self) -> Counter[str]:
        """Bytes of UTF-8 of all documents by language."""
        found: Counter[str] = Counter()
        for source in self.sources:
            for table in self.inputs.batches(source, ["language", "text"]):
                sized = table.append_column("bytes", pc.binary_length(table["text"]))
                summed = sized.group_by("language").aggregate([("bytes", "sum")])
                for row in summed.to_pylist():
                    found[row["language"] or ""] += row["bytes_sum"]
        return found

    def place(self, text: str) -> float:
        """A document's place in [0, 1) by the seed and its text."""
        return xxhash.xxh3_64_intdigest(text.encode(), seed=self.seed) / _WHOLE

    def kept_out(self) -> Iterator[tuple[str, str]]:
        """The one document in twenty that is measured and not learned from."""
        return ((language, text) for language, text in self if self.place(text) * MEASURED_ONE_IN < 1)

    def draw(self, quotas: dict[str, float], *, all: bool = False) -> Iterator[str]:
        """Texts up to the share of each language in ``quotas``; with ``all`` also those that are kept out."""
        first = 0.0 if all else 1 / MEASURED_ONE_IN
        for language, text in self:
            place = self.place(text)
            if first <= place < first + quotas[language] * (1 - first):
                yield text


def shares(sizes: Counter[str], wanted: int, balance: bool) -> dict[str, float]:
    """The share of each language's bytes to draw, so that ``wanted`` bytes come together.

    With ``balance`` every language gives the same number of bytes; one that has fewer gives all it has,
    and the others fill up.
    """
    if not balance:
        share = min(1.0, wanted / max(1, sizes.total()))
        return dict.fromkeys(sizes, share)
    found, left, open_ = {}, wanted, len(sizes)
    for language, size in sorted(sizes.items(), key=lambda item: (item[1], item[0])):
        given = min(size, left // open_)
        found[language] = given / max(1, size)
        left, open_ = left - given, open_ - 1
    return found
