"""The file of one shard's deduplication keys: sorted per bucket, readable by range of key.

It is what spills to storage, so that finding copies never needs all keys in memory. Little-endian::

    magic, rows u64, buckets u64
    index   u64[buckets, 257]   where each bucket's keys with first byte 0…255 begin and end
    sizes   u32[rows]           UTF-8 bytes of each document's text
    then per bucket: keys u64[n] ascending, rows u32[n] (ascending among equal keys)

Rows without a key (0) do not appear in that bucket.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

from tilth.errors import TilthError
from tilth.storage import Storage

_MAGIC = b"TILTHK01"
_SLICES = 256


def write_keys(
    storage: Storage, key: str, rows: Iterable[tuple[NDArray[np.uint64], int]], buckets: int
) -> int:
    """Write each document's keys (``u64[buckets]``) and text bytes; returns the number of documents.

    Rows go through a temporary file, so that memory holds one bucket's keys at a time.
    """
    with tempfile.TemporaryFile() as spill:
        sizes = _spill(spill, rows)
        count = len(sizes)
        table = np.memmap(spill, dtype="<u8", mode="r", shape=(count, buckets)) if count and buckets else None
        with storage.create(key) as out:
            _write_file(out, table, sizes, buckets)
    return count


def write_many(storage: Storage, key: str, rows: Iterable[NDArray[np.uint64]]) -> int:
    """Write any number of keys per document, in one bucket; returns the number of keys. 0 means none."""
    with tempfile.TemporaryFile() as spilled_keys, tempfile.TemporaryFile() as spilled_rows:
        count = total = 0
        for number, keys in enumerate(rows):
            wanted = np.unique(keys[keys != 0]).astype("<u8")
            spilled_keys.write(wanted.tobytes())
            spilled_rows.write(np.full(len(wanted), number, dtype="<u4").tobytes())
            count, total = number + 1, total + len(wanted)
        spilled_keys.seek(0)
        spilled_rows.seek(0)
        column = np.frombuffer(spilled_keys.read(), dtype="<u8")
        owners = np.frombuffer(spilled_rows.read(), dtype="<u4")
        order = np.argsort(column, kind="stable")
        with storage.create(key) as out:
            out.write(_MAGIC + np.array([count, 1], dtype="<u8").tobytes())
            out.write(_index(column.reshape(-1, 1), 1).tobytes())
            out.write(np.zeros(count, dtype="<u4").tobytes())
            out.write(column[order].tobytes())
            out.write(owners[order].tobytes())
    return total


def _spill(spill: IO[bytes], rows: Iterable[tuple[NDArray[np.uint64], int]]) -> NDArray[np.uint32]:
    sizes: list[int] = []
    for keys, size in rows:
        spill.write(keys.astype("<u8", copy=False).tobytes())
        sizes.append(size)
    spill.flush()
    return np.array(sizes, dtype="<u4")


def _write_file(
    out: IO[bytes], table: NDArray[np.uint64] | None, sizes: NDArray[np.uint32], buckets: int
) -> None:
    out.write(_MAGIC + np.array([len(sizes), buckets], dtype="<u8").tobytes())
    out.write(_index(table, buckets).tobytes())
    out.write(sizes.tobytes())
    for bucket in range(buckets):
        keys, rows = _order(table, bucket)
        out.write(keys.tobytes())
        out.write(rows.tobytes())


def _index(table: NDArray[np.uint64] | None, buckets: int) -> NDArray[np.uint64]:
    index = np.zeros((buckets, _SLICES + 1), dtype="<u8")
    for bucket in range(buckets if table is not None else 0):
        column = np.asarray(table)[:, bucket]
        slices = (column[column != 0] >> np.uint64(56)).astype(np.int64)
        index[bucket, 1:] = np.cumsum(np.bincount(slices, minlength=_SLICES))
    return index


def _order(table: NDArray[np.uint64] | None, bucket: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    if table is None:
        return np.empty(0, dtype="<u8"), np.empty(0, dtype="<u4")
    column = np.ascontiguousarray(table[:, bucket])
    order = np.argsort(column, kind="stable")
    order = order[np.searchsorted(column[order], 1) :]
    return column[order], order.astype("<u4")


@dataclass(frozen=True)
class KeyFile:
    """An opened key file."""

    storage: Storage
    key: str
    rows: int
    buckets: int
    index: NDArray[np.uint64]

    @classmethod
    def open(cls, storage: Storage, key: str) -> "KeyFile":
        """Read the head of a key file."""
        with storage.open(key) as handle:
            if handle.read(8) != _MAGIC:
                raise TilthError(
                    f"{key} is not a file of deduplication keys; delete the run and start it again"
                )
            rows, buckets = (int(n) for n in np.frombuffer(handle.read(16), dtype="<u8"))
            index = np.frombuffer(handle.read(8 * buckets * (_SLICES + 1)), dtype="<u8")
        return cls(storage, key, rows, buckets, index.reshape(buckets, _SLICES + 1))

    @property
    def _sizes_at(self) -> int:
        return 24 + self.index.size * 8

    def sizes(self) -> NDArray[np.uint32]:
        """UTF-8 bytes of each document's text."""
        with self.storage.open(self.key) as handle:
            handle.seek(self._sizes_at)
            return np.frombuffer(handle.read(4 * self.rows), dtype="<u4")

    def read(self, bucket: int, low: int, high: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        """Keys and row numbers of a bucket whose first byte lies in ``low:high`` (0…256)."""
        before = sum(int(n) for n in self.index[:bucket, -1])
        total = int(self.index[bucket, -1])
        start, stop = int(self.index[bucket, low]), int(self.index[bucket, high])
        at = self._sizes_at + 4 * self.rows + 12 * before
        with self.storage.open(self.key) as handle:
            handle.seek(at + 8 * start)
            keys = np.frombuffer(handle.read(8 * (stop - start)), dtype="<u8")
            handle.seek(at + 8 * total + 4 * start)
            return keys, np.frombuffer(handle.read(4 * (stop - start)), dtype="<u4")
