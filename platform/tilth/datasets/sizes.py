"""How big each row of an Arrow column is, counted over its leaves, whatever the nesting.

The count depends on the values alone, not on how the array lies in memory, so that the writer cuts
row groups at the same rows every time and statistics agree with it. Pure: no Django.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Leaf = Callable[[pa.Array], np.ndarray]


def byte_length(array: pa.Array) -> np.ndarray:
    """Bytes of each leaf: UTF-8 bytes of strings, the width of the rest, 0 for nulls."""
    if _is_text(array.type):
        return pc.fill_null(pc.binary_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    width = max(1, array.type.bit_width // 8)
    return np.where(array.is_valid().to_numpy(zero_copy_only=False), width, 0)


def text_bytes(array: pa.Array) -> np.ndarray:
    """UTF-8 bytes of each text leaf, 0 for everything else."""
    return byte_length(array) if _is_text(array.type) else np.zeros(len(array), np.int64)


def characters(array: pa.Array) -> np.ndarray:
    """Unicode characters of each text leaf, 0 for everything else."""
    if not _is_text(array.type):
        return np.zeros(len(array), np.int64)
    return pc.fill_null(pc.utf8_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def row_sums(array: pa.Array | pa.ChunkedArray, leaf: Leaf) -> np.ndarray:
    """The leaves' numbers added up for each row, as int64."""
    if isinstance(array, pa.ChunkedArray):
        parts = [row_sums(chunk, leaf) for chunk in array.chunks]
        return np.concatenate(parts) if parts else np.zeros(0, np.int64)
    if pa.types.is_struct(array.type):
        return sum((row_sums(child, leaf) for child in array.flatten()), np.zeros(len(array), np.int64))
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _list_sums(array, leaf)
    return leaf(array)


def list_lengths(array: pa.Array) -> np.ndarray:
    """Items of each list, 0 for nulls."""
    return pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)


def table_row_bytes(table: pa.Table) -> np.ndarray:
    """Bytes of each row of a table: int64, shape (rows,)."""
    total = np.zeros(table.num_rows, np.int64)
    for column in table.columns:
        total += row_sums(column, byte_length)
    return total


def _list_sums(array: pa.Array, leaf: Leaf) -> np.ndarray:
    lengths = list_lengths(array)
    running = np.concatenate([[0], np.cumsum(row_sums(array.flatten(), leaf))])
    ends = np.cumsum(lengths)
    return running[ends] - running[ends - lengths]


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)
