"""A dataset's shard as token ids in one memory-mapped file: made once on each machine, kept by content.

The file is named by the hash of the published shard and of the tokenizer, so that every run that reads
the same text in the same way shares it, and nothing else does. It holds the ids of all documents one
after another, each ended by the end-of-text token (two bytes an id where the vocabulary allows it), then
one record a document, then a footer. Which documents are trained on is not decided here.
"""

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import xxhash

from tilth.datasets.manifest import File, Shard
from tilth.errors import InvalidInput
from training.llm.inputs import tables
from training.llm.program import Workspace
from training.llm.spec import Source
from training.llm.vocabulary import Vocabulary

DOCUMENT = np.dtype([("length", "<i8"), ("bytes", "<i8"), ("place", "<u8")])
"""A document: its tokens with the end, the bytes of its text, and the xxh3-64 of its text."""

_FOOTER = struct.Struct("<8sQQQ")
_MAGIC = b"tilthtk1"
_DECODED = 256


@dataclass(frozen=True)
class TokenShard:
    """One shard, mapped: ``tokens`` (uint16 or uint32) and ``documents`` (:data:`DOCUMENT`)."""

    tokens: np.ndarray
    documents: np.ndarray


def tokenised(work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary) -> TokenShard:
    """A source's shard as tokens, made now where this machine does not have it yet."""
    beside = shard.boundaries.sha256 if shard.boundaries else ""
    content = f"{_MAGIC!r} {source.kind} {shard.sha256} {beside} {vocabulary.hash} {vocabulary.end}"

    def make(path: Path) -> None:
        _write(path, vocabulary, documents_of(work, source, shard, vocabulary), work)

    return mapped(work.cache.made(hashlib.sha256(content.encode()).hexdigest(), make))


def mapped(path: Path) -> TokenShard:
    """A file of this format, mapped into memory."""
    with path.open("rb") as handle:
        handle.seek(-_FOOTER.size, 2)
        magic, count, documents, width = _FOOTER.unpack(handle.read(_FOOTER.size))
    if magic != _MAGIC:
        raise InvalidInput(f"{path} is no token shard: remove it and retry.", code="damaged")
    tokens = _map(path, np.dtype(f"<u{width}"), count, 0)
    return TokenShard(tokens, _map(path, DOCUMENT, documents, count * width))


def _map(path: Path, dtype: np.dtype, count: int, offset: int) -> np.ndarray:
    if not count:
        return np.empty(0, dtype)  # nothing cannot be mapped
    return np.memmap(path, dtype, "r", offset, (count,))


Batch = tuple[list[str], Sequence[Sequence[int] | np.ndarray]]
"""Texts and the token ids of each."""


def documents_of(work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary) -> Iterator[Batch]:
    """A shard's documents in their order, a batch at a time, with the ids of each."""
    read = _from_tokens if source.kind == "tokens" else _from_documents
    return read(work, source, shard, vocabulary)


def _write(path: Path, vocabulary: Vocabulary, batches: Iterator[Batch], work: Workspace) -> None:
    dtype = np.dtype("<u2" if vocabulary.size <= 1 << 16 else "<u4")
    records, count = [], 0
    with path.open("wb") as out:
        for texts, batch in batches:
            work.stop_if_asked()
            for text, ids in zip(texts, batch, strict=True):
                if not len(ids):
                    continue
                ended = _ended(ids, vocabulary.end, dtype)
                out.write(ended.tobytes())
                encoded = text.encode()
                records.append((len(ended), len(encoded), xxhash.xxh3_64_intdigest(encoded)))
                count += len(ended)
        out.write(np.array(records, DOCUMENT).tobytes())
        out.write(_FOOTER.pack(_MAGIC, count, len(records), dtype.itemsize))


def _ended(ids: Sequence[int] | np.ndarray, end: int, dtype: np.dtype) -> np.ndarray:
    """The ids with one end after them; documents that were stored as tokens may have it already."""
    whole = np.asarray(ids, np.int64)
    return (whole if whole[-1] == end else np.append(whole, end)).astype(dtype)


def _from_documents(work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary) -> Iterator[Batch]:
    file = File(shard.path, shard.bytes, shard.sha256)
    path = work.cache.fetch(work.report.storage, source.folder, file)
    for table in tables(path, source.kind, ["text"]):
        texts = table["text"].to_pylist()
        encodings = vocabulary.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        yield texts, [encoding.ids for encoding in encodings]


def _from_tokens(work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary) -> Iterator[Batch]:
    """Documents stored as tokens; their texts are decoded, so that a document is known whatever its form."""
    return _decoded(_stored(work, source, shard, vocabulary), vocabulary)


def texts_of(
    work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary, first: int, step: int
) -> Iterator[str]:
    """The texts of every ``step``-th document of a shard of tokens, from number ``first`` on."""
    for texts, _ in _decoded(_stored(work, source, shard, vocabulary)[first::step], vocabulary):
        yield from texts


def _stored(work: Workspace, source: Source, shard: Shard, vocabulary: Vocabulary) -> list[np.ndarray]:
    """The ids of each document of a shard of tokens, mapped."""
    if shard.boundaries is None:
        raise InvalidInput(f"{source.reference}: {shard.path} does not say where documents end.")
    files = [File(shard.path, shard.bytes, shard.sha256), shard.boundaries]
    flat_path, documents_path = work.cache.fetch_all(work.report.storage, source.folder, files)
    documents = pq.read_table(documents_path)
    metadata = documents.schema.metadata
    named = metadata[b"tilth.tokenizer"].decode()
    vocabulary.require_same(work.report.storage, named, source.reference)
    flat = _map(
        flat_path, np.dtype(metadata[b"tilth.dtype"].decode()), int(documents["length"].to_numpy().sum()), 0
    )
    if flat.size and int(flat.max()) >= vocabulary.size:
        raise InvalidInput(f"{source.reference} holds token ids that the tokenizer does not have.")
    starts, lengths = documents["start"].to_numpy(), documents["length"].to_numpy()
    return [flat[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def _decoded(documents: Sequence[np.ndarray], vocabulary: Vocabulary) -> Iterator[Batch]:
    for first in range(0, len(documents), _DECODED):
        batch = documents[first : first + _DECODED]
        texts = vocabulary.tokenizer.decode_batch([ids.tolist() for ids in batch], skip_special_tokens=True)
        yield texts, batch
