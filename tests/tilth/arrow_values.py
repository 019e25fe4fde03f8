"""Hypothesis strategies made from Arrow types: any value that a column of that type can hold."""

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


def values_of(kind: pa.DataType) -> st.SearchStrategy:
    """Values of a type, nulls inside nested ones included."""
    if pa.types.is_string(kind):
        return TEXT
    if pa.types.is_floating(kind):
        return st.floats(allow_nan=False, width=kind.bit_width)
    if pa.types.is_integer(kind):
        low = 0 if pa.types.is_unsigned_integer(kind) else -(2 ** (kind.bit_width - 1))
        return st.integers(low, low + 2**kind.bit_width - 1)
    if pa.types.is_timestamp(kind):
        return TIMES
    if pa.types.is_list(kind):
        return st.lists(values_of(kind.value_type), max_size=3)
    if pa.types.is_struct(kind):
        return st.fixed_dictionaries({f.name: st.none() | values_of(f.type) for f in kind})
    raise TypeError(f"no strategy for {kind}")


def rows_of(schema: pa.Schema) -> st.SearchStrategy:
    """Rows of a schema: required columns filled, the others sometimes null."""
    return st.fixed_dictionaries(
        {f.name: st.none() | values_of(f.type) if f.nullable else values_of(f.type) for f in schema}
    )
