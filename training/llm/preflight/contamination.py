"""Check that evaluations are not in the training data, by the rule of GPT-3 (Brown et al., 2020, appendix C).

Texts are compared by runs of N words in lower case without marks. N is the 5th percentile of the lengths of an
evaluation's items, at least 8 and at most 13; an item that shares a run with the training data is contaminated.
Runs that stand in more than ten training rows are boilerplate there; here they are told as a warning, because a
question that was copied often is one too. Items of fewer than N words cannot be judged, and are counted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import xxhash

from training.llm.preflight.reading import Seen, contents, every, every_text, step_for_bytes
from training.llm.preflight.result import Check, Offender, Piece, failed, passed, rows, warned
from training.llm.preflight.words import words
from training.llm.program import Workspace
from training.llm.vocabulary import Vocabulary

SHORTEST, LONGEST, PERCENTILE = 8, 13, 5
COMMON = 10
MOST_BYTES = 1 << 30
AROUND = 8
"""Words shown before and after a shared run."""

_FACTOR = 0x9E3779B97F4A7C15
_WHOLE = (1 << 64) - 1


@dataclass
class Eval:
    """An evaluation's runs of ``size`` words: ``hashes``, sorted; ``items`` and ``short`` (not judged) count.

    ``met`` counts training rows by run, ``owners`` names the item of each run.
    """

    name: str
    size: int
    hashes: np.ndarray
    owners: dict[int, int]
    items: int
    short: int
    met: dict[int, int] = field(default_factory=dict)
    hits: list[tuple[Offender, set[int]]] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, texts: Iterable[str]) -> "Eval":
        """The runs of an evaluation's items."""
        items = [words(text) for text in texts]
        lengths = [len(item) for item in items]
        size = int(np.clip(np.percentile(lengths, PERCENTILE), SHORTEST, LONGEST)) if lengths else LONGEST
        owners: dict[int, int] = {}
        for number, item in enumerate(items):
            for gram in grams(item, size).tolist():
                owners.setdefault(gram, number)
        short = sum(1 for length in lengths if length < size)
        return cls(name, size, np.array(sorted(owners), np.uint64), owners, len(items), short)

    def look(self, seen: Seen, said: Sequence[str]) -> None:
        """Note what a training row of these words shares with the evaluation."""
        found = np.flatnonzero(np.isin(runs := grams(said, self.size), self.hashes))
        if not len(found):
            return
        shared = set(runs[found].tolist())
        for gram in shared:
            self.met[gram] = self.met.get(gram, 0) + 1
        if len(self.hits) <= 1000:
            why = f"shares {self.size} words in a row with item {self.owners[int(runs[found[0]])] + 1} of {self.name}"
            self.hits.append((seen.offender(why, marked(said, found.tolist(), self.size)), shared))

    def contaminated(self) -> set[int]:
        """The items that share a run which is not common."""
        return {self.owners[gram] for gram, count in self.met.items() if count <= COMMON}


def contamination(work: Workspace, vocabulary: Vocabulary | None = None) -> Check:
    """Look for every chosen evaluation in all training rows; of very much text in every n-th row.

    Documents that are stored as tokens are decoded by ``vocabulary``.
    """
    spec = work.spec
    chosen = [
        Eval.of(source.reference, (contents(seen.row) for seen in every(work.inputs, source)))
        for source in spec.with_role("eval")
    ]
    if not chosen:
        return passed("contamination", "No evaluation is chosen to look for.")
    train = spec.with_role("train")
    step = step_for_bytes(work.inputs, train, MOST_BYTES)

    def read() -> Iterator[Seen]:
        for source in train:
            yield from every_text(work, source, vocabulary, step)
            work.stop_if_asked()

    return compare(read(), chosen, "" if step == 1 else f" Of {step} rows one was looked at.")


def compare(train: Iterable[Seen], chosen: Sequence[Eval], more: str = "") -> Check:
    """What training rows share with evaluations."""
    for seen in train:
        said = words(contents(seen.row))
        for one in chosen:
            one.look(seen, said)
    figures: dict[str, float | int | str] = {}
    for one in chosen:
        judged = one.items - one.short
        figures[one.name] = f"{len(one.contaminated()):,} of {judged:,} items, by {one.size} words"
        if one.short:
            figures[f"{one.name}, too short to judge"] = one.short
    serious = [
        hit for one in chosen for hit, shared in one.hits if any(one.met[gram] <= COMMON for gram in shared)
    ]
    common = [hit for one in chosen for hit, _ in one.hits]
    if serious:
        words_ = f"{rows(len(serious))} of the training data hold parts of evaluations: remove them.{more}"
        return failed("contamination", words_, figures=figures).with_rows(serious)
    if common:
        words_ = (
            f"Evaluations and training data share runs of words that stand in more than {COMMON} rows: boilerplate, or "
            f"copies.{more}"
        )
        return warned("contamination", words_, figures=figures).with_rows(common)
    names = ", ".join(one.name for one in chosen)
    return passed("contamination", f"Nothing of {names} is in the training data.{more}", figures=figures)


def grams(said: Sequence[str], size: int) -> np.ndarray:
    """Hashes (uint64) of every run of ``size`` words; none where there are fewer."""
    if len(said) < size:
        return np.empty(0, np.uint64)
    single = np.array([xxhash.xxh3_64_intdigest(word.encode()) for word in said], np.uint64)
    count, found = len(said) - size + 1, np.zeros(len(said) - size + 1, np.uint64)
    for place in range(size):
        found = found * np.uint64(_FACTOR) + single[place : place + count]
    return found ^ found >> np.uint64(29)


def marked(said: Sequence[str], starts: Sequence[int], size: int) -> tuple[Piece, ...]:
    """The words around the first shared run, what is shared marked; runs that overlap are one."""
    first = end = starts[0]
    for start in starts:
        if start > end:
            break
        end = start + size
    before, after = said[max(0, first - AROUND) : first], said[end : end + AROUND]
    return (
        (" ".join([*before, ""]), ""),
        (" ".join(said[first:end]), "mark"),
        (" ".join(["", *after]), ""),
    )
