"""What pretraining reads: a mixture of sources as windows of tokens in a fixed order, and held-out documents.

Documents follow one another without gaps, each ended by the end-of-text token, and are cut into windows of
``context + 1`` tokens that overlap by one: every token but the very first is predicted once an epoch. A
window may hold the end of one document and the beginning of the next, as GPT-2's did.

Validation documents are held apart whole. Where no validation version is given a document is held out when
the hash of its text falls into the share asked for: the same text is held out of every run, whatever the
mixture, and copies of it go with it. A validation version's documents are left out of training as well.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from tilth.errors import InvalidInput
from training.llm.configs.pretrain import PretrainConfig
from training.llm.order import Order, Portion, mix
from training.llm.program import Workspace
from training.llm.shards import DOCUMENT, TokenShard, tokenised
from training.llm.spec import Source
from training.llm.vocabulary import Vocabulary

IGNORED = -100
_WHOLE = float(1 << 64)


@dataclass(frozen=True)
class Stream:
    """Documents of some shards as one sequence of tokens.

    It is a list of spans: ``shard`` numbers, ``first`` tokens in them, and ``ends`` in the sequence. Kept
    documents that lie side by side are one span, so that a billion documents need little memory.
    """

    tokens: list[np.ndarray]
    shard: np.ndarray
    first: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, shards: Sequence[TokenShard], kept: Sequence[np.ndarray]) -> "Stream":
        """The documents that ``kept`` (one mask a shard) marks."""
        spans = [_spans(shard.documents, mask) for shard, mask in zip(shards, kept, strict=True)]
        numbers = [np.full(len(first), number) for number, (first, _) in enumerate(spans)]
        lengths = _joined([lengths for _, lengths in spans])
        firsts = _joined([first for first, _ in spans])
        return cls([shard.tokens for shard in shards], _joined(numbers), firsts, np.cumsum(lengths))

    def __len__(self) -> int:
        return int(self.ends[-1]) if len(self.ends) else 0

    def windows(self, context: int) -> int:
        """How many windows of ``context`` inputs, each with its target, there are."""
        return max(0, len(self) - 1) // context

    def read(self, start: int, count: int) -> np.ndarray:
        """``count`` tokens from ``start`` on, as int64."""
        found = np.empty(count, np.int64)
        span, done = int(np.searchsorted(self.ends, start, "right")), 0
        while done < count:
            left = int(self.ends[span]) - start - done
            size = min(left, count - done)
            last = self._last(span) - left
            found[done : done + size] = self.tokens[self.shard[span]][last : last + size]
            done, span = done + size, span + 1
        return found

    def _last(self, span: int) -> int:
        """The place in its shard after a span's last token."""
        before = int(self.ends[span - 1]) if span else 0
        return int(self.first[span]) + int(self.ends[span]) - before


@dataclass(frozen=True)
class Held:
    """Held-out documents of one source: ``documents`` are their ids, ``bytes`` the size of their texts."""

    reference: str
    documents: list[np.ndarray]
    bytes: int

    def windows(self, context: int, end: int) -> tuple[np.ndarray, np.ndarray]:
        """Inputs and targets, (windows, context) each, in which every token of a text is predicted once.

        Each document is preceded by an end of text, as in training; the ends themselves and the fill of the
        last window are no targets, so that the summed loss is that of the texts' bytes.
        """
        tokens = np.concatenate([np.array([end]), *self.documents]).astype(np.int64)
        inputs, targets = tokens[:-1], np.where(tokens[1:] == end, IGNORED, tokens[1:])
        rows = -(-len(inputs) // context)
        fill = rows * context - len(inputs)
        inputs = np.pad(inputs, (0, fill), constant_values=end).reshape(rows, context)
        return inputs, np.pad(targets, (0, fill), constant_values=IGNORED).reshape(rows, context)


@dataclass(frozen=True)
class Corpus:
    """A run's data: ``windows`` to draw from ``streams`` in ``order``, and what is ``held`` out."""

    streams: list[Stream]
    order: Order
    windows: int
    context: int
    held: list[Held] = field(default_factory=list)
    left_out: int = 0

    def batch(self, first: int, count: int) -> np.ndarray:
        """Windows number ``first`` to ``first + count - 1`` of the run: int64 of (count, context + 1)."""
        sources, windows = self.order.at(first, count)
        return np.stack(
            [
                self.streams[source].read(int(window) * self.context, self.context + 1)
                for source, window in zip(sources, windows, strict=True)
            ]
        )


def corpus(work: Workspace, config: PretrainConfig, vocabulary: Vocabulary) -> Corpus:
    """The data of a run; tokenises what this machine has not tokenised yet.

    Raises :class:`InvalidInput` where the sources give less than one window, or hold other tokens.
    """
    train = work.spec.with_role("train")
    validation = work.spec.with_role("validation")
    if not train:
        raise InvalidInput("Choose documents or tokens to train on.", field="dataset")
    opened = _open(work, [*train, *validation], vocabulary)
    learned, aside = opened[: len(train)], opened[len(train) :]
    held_places = _all_places(aside or learned)
    if not aside:
        held_places = _held_out(held_places, config.validation_share)
    kept = [[~np.isin(shard.documents["place"], held_places) for shard in shards] for shards in learned]
    streams = [Stream.of(shards, masks) for shards, masks in zip(learned, kept, strict=True)]
    counts = [stream.windows(config.context) for stream in streams]
    shares, windows = mix(
        counts, [source.weight for source in train], [source.epochs for source in train], _total(config)
    )
    portions = tuple(Portion(count, share) for count, share in zip(counts, shares, strict=True))
    return Corpus(
        streams,
        Order(portions, config.seed),
        windows,
        config.context,
        _held(validation or train, aside or learned, held_places, config.validation_tokens),
        sum(int((~mask).sum()) for masks in kept for mask in masks),
    )


def _total(config: PretrainConfig) -> int | None:
    if config.steps is not None:
        return config.steps * config.batch
    if config.tokens is not None:
        return -(-config.tokens // config.context)
    return None


def _open(work: Workspace, sources: Iterable[Source], vocabulary: Vocabulary) -> list[list[TokenShard]]:
    listed = [(source, work.inputs.manifest(source).shards) for source in sources]
    total, done = sum(shard.bytes for _, shards in listed for shard in shards), 0
    opened: list[list[TokenShard]] = []
    for source, shards in listed:
        opened.append([])
        for shard in shards:
            work.report.progress(done, total, "tokenise", source.reference)
            opened[-1].append(tokenised(work, source, shard, vocabulary))
            done += shard.bytes
    return opened


def _all_places(opened: list[list[TokenShard]]) -> np.ndarray:
    """The hashes of all documents, in order, each once."""
    places = [shard.documents["place"] for shards in opened for shard in shards]
    return np.unique(np.concatenate([np.empty(0, np.uint64), *places]))


def _held_out(places: np.ndarray, share: float) -> np.ndarray:
    """Of all documents' hashes those below the share; at least one of two, where any are wanted."""
    if not share or len(places) < 2:
        return places[:0]
    count = int(np.searchsorted(places, np.uint64(share * _WHOLE)))
    return places[: max(1, count)]


_FOUND = np.dtype(
    [("place", "<u8"), ("source", "<i4"), ("shard", "<i4"), ("start", "<i8"), *DOCUMENT.descr[:2]]
)


def _held(
    sources: Sequence[Source], opened: list[list[TokenShard]], places: np.ndarray, limit: int
) -> list[Held]:
    """The held-out documents that are measured: those of the lowest hashes, each text once.

    Whole documents are taken until ``limit`` tokens are full, and always one.
    """
    found = [np.empty(0, _FOUND)]
    for source, shards in enumerate(opened):
        found += [_located(shards[n].documents, places, source, n) for n in range(len(shards))]
    _, first = np.unique((every := np.concatenate(found))["place"], return_index=True)
    chosen = every[first]
    fitting = int(np.searchsorted(np.cumsum(chosen["length"]), limit, "right"))
    chosen = chosen[: max(1, fitting)]
    return [
        Held(
            sources[number].reference,
            [opened[number][n].tokens[start : start + length] for _, _, n, start, length, _ in own.tolist()],
            int(own["bytes"].sum()),
        )
        for number in np.unique(chosen["source"])
        for own in [chosen[chosen["source"] == number]]
    ]


def _located(documents: np.ndarray, places: np.ndarray, source: int, shard: int) -> np.ndarray:
    """Where a shard's held-out documents lie."""
    chosen = np.flatnonzero(np.isin(documents["place"], places))
    found = np.empty(len(chosen), _FOUND)
    for name in ("place", "length", "bytes"):
        found[name] = documents[name][chosen]
    found["source"], found["shard"] = source, shard
    found["start"] = (np.cumsum(documents["length"]) - documents["length"])[chosen]
    return found


def _spans(documents: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First token and length of each run of kept documents."""
    ends = np.cumsum(documents["length"])
    edges = np.diff(np.concatenate([[0], kept.astype(np.int8), [0]]))
    first, last = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1) - 1
    starts = ends[first] - documents["length"][first]
    return starts, ends[last] - starts


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.empty(0, np.int64), *arrays])
