"""Token shards: flat little-endian ``uint16`` or ``uint32`` files with the documents' places beside them.

``shard-00000.bin`` holds token ids and nothing else, so that a trainer maps it into memory;
``shard-00000.documents.parquet`` holds one row a document (``id, start, length``, counted in tokens)
and names the tokenizer and the width. Pure: no Django.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tilth.datasets.manifest import File, Shard
from tilth.datasets.writer import StoredFile, relative_path
from tilth.errors import InvalidInput
from tilth.storage import Storage

_DOCUMENTS = [
    pa.field("id", pa.string(), nullable=False),
    pa.field("start", pa.int64(), nullable=False),
    pa.field("length", pa.int64(), nullable=False),
]


class TokenWriter:
    """Writes documents' token ids; ``tokenizer`` is the reference or name of what made them.

    Ids are stored in two bytes where ``vocabulary`` allows it, else in four.
    """

    def __init__(
        self,
        storage: Storage,
        prefix: str,
        tokenizer: str,
        vocabulary: int,
        target_bytes: int = 256 << 20,
        *,
        stem: str = "shard",
    ) -> None:
        if not tokenizer:
            raise InvalidInput("token shards must name their tokenizer", field="tokenizer")
        self._storage, self._prefix, self._stem = storage, prefix, stem
        self._base = prefix.rpartition("/")[0]
        self._tokenizer, self._vocabulary, self._target = tokenizer, vocabulary, target_bytes
        self._dtype = np.dtype("<u2") if vocabulary <= 1 << 16 else np.dtype("<u4")
        self._shards: list[Shard] = []
        self._stored: StoredFile | None = None
        self._ids: list[str] = []
        self._lengths: list[int] = []
        self.tokens = 0

    def write(self, document_id: str, tokens: Any) -> None:
        """Add one document: its row id and its token ids (any integer sequence)."""
        array = np.asarray(tokens, dtype=np.int64)
        if array.ndim != 1 or (array.size and (array.min() < 0 or array.max() >= self._vocabulary)):
            raise InvalidInput(
                f"document {document_id} has token ids outside 0…{self._vocabulary - 1}", field="tokens"
            )
        if self._stored is None:
            self._stored = StoredFile(self._storage, f"{self._prefix}/{self._name}.bin")
        self._stored.file.write(array.astype(self._dtype).tobytes())
        self._ids.append(document_id)
        self._lengths.append(array.size)
        self.tokens += array.size
        if self._stored.file.bytes >= self._target:
            self._close_shard()

    @property
    def _name(self) -> str:
        return f"{self._stem}-{len(self._shards):05d}"

    def _close_shard(self) -> None:
        assert self._stored is not None
        boundaries = self._write_documents()
        self._stored.finish()
        file = self._stored.file
        path = relative_path(self._stored.key, self._base)
        self._shards.append(Shard(path, len(self._ids), file.bytes, file.hexdigest(), boundaries))
        self._stored, self._ids, self._lengths = None, [], []

    def _write_documents(self) -> File:
        metadata = {"tilth.tokenizer": self._tokenizer, "tilth.dtype": self._dtype.str}
        lengths = np.array(self._lengths, np.int64)
        table = pa.Table.from_arrays(
            [pa.array(self._ids, pa.string()), pa.array(np.cumsum(lengths) - lengths), pa.array(lengths)],
            schema=pa.schema(_DOCUMENTS, metadata=metadata),
        )
        stored = StoredFile(self._storage, f"{self._prefix}/{self._name}.documents.parquet")
        pq.write_table(table, pa.PythonFile(stored.file, mode="w"), compression="zstd", version="2.6")
        stored.finish()
        path = relative_path(stored.key, self._base)
        return File(path, stored.file.bytes, stored.file.hexdigest())

    def abandon(self) -> None:
        """Drop the shard that is being written; finished ones stay."""
        if self._stored is not None:
            self._stored.abandon()
        self._stored = None

    def close(self) -> list[Shard]:
        """Finish the last shard and return all."""
        if self._stored is not None:
            self._close_shard()
        return list(self._shards)


def read_tokens(
    storage: Storage, folder: str, shards: Iterable[Shard]
) -> Iterator[tuple[str, np.ndarray, str]]:
    """Each document's row id, token ids (uint32) and tokenizer, in the order written."""
    for shard in shards:
        if shard.boundaries is None:
            raise InvalidInput(f"{shard.path} has no file of document boundaries", code="bad_manifest")
        with storage.open(f"{folder}/{shard.boundaries.path}") as handle:
            documents = pq.read_table(handle)
        metadata = documents.schema.metadata
        dtype = np.dtype(metadata[b"tilth.dtype"].decode())
        tokenizer = metadata[b"tilth.tokenizer"].decode()
        with storage.open(f"{folder}/{shard.path}") as flat:
            for name, length in zip(
                documents["id"].to_pylist(), documents["length"].to_pylist(), strict=True
            ):
                block = flat.read(length * dtype.itemsize)
                yield name, np.frombuffer(block, dtype).astype(np.uint32), tokenizer
