"""How much of a file is decoded at once. A small file can be made that grows a thousandfold when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vstore.errors import InvalidInput, LimitExceeded, Mismatch
from vstore.interchange import load
from vstore.memory.store import CAPABILITIES
from vstore.metadata import MAX_LIST

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "AT_ONCE",
    "FOOTER_BYTES",
    "MANIFEST_BYTES",
    "MAX_DIMENSION",
    "MAX_SPARSE",
    "MAX_TEXT",
    "check_dimension",
    "check_growth",
    "check_lists",
    "check_texts",
    "grows",
    "is_list",
    "rows_at_once",
    "widest",
]

MAX_TEXT: Final = CAPABILITIES.limits.max_document_bytes
"""Bytes of the longest text: the longest document that any store takes."""
MAX_DIMENSION: Final = CAPABILITIES.limits.max_dimension
MAX_SPARSE: Final = CAPABILITIES.limits.max_sparse_values
AT_ONCE: Final = 32 << 20
"""Bytes of rows that are decoded at once, where more than one row is."""
MANIFEST_BYTES: Final = 16 << 20
FOOTER_BYTES: Final = 64 << 20
"""Bytes of what a Parquet or Arrow file says of itself."""
_GROWN: Final = 256 << 20
_GROWTH: Final = 20


def grows(size: int, stored: int) -> bool:
    """Whether so many bytes are more than is decompressed at once of so many in a file."""
    return size > _GROWN and size > _GROWTH * stored


def check_growth(what: str, size: int, stored: int) -> None:
    """Raises ``Mismatch`` for something that is decompressed at once, is large and was very much smaller.

    Args:
        what: Names it.
        size: Bytes it will have.
        stored: Bytes it has in the file.
    """
    if grows(size, stored):
        raise Mismatch(
            f"{what} holds {size >> 20:,} MB in {stored:,} bytes: more than {_GROWN >> 20} MB are not decompressed at "
            f"once where they are more than {_GROWTH} times what the file holds",
            hint="Write it again with smaller pages, row groups or batches, or without compression.",
        )


def check_dimension(dimension: int) -> None:
    """Raises ``Mismatch`` for vectors longer than any store takes."""
    if dimension > MAX_DIMENSION:
        raise Mismatch(f"its vectors have {dimension:,} numbers; at most {MAX_DIMENSION:,} are read")


def rows_at_once(width: float) -> int:
    """How many rows are decoded at once, of which each may have so many bytes."""
    return max(1, int(AT_ONCE // max(width, 1.0)))


_SCALAR: Final = 16


def is_list(kind: pyarrow.DataType) -> bool:
    """Whether this is a list of any form."""
    types = load("pyarrow").types
    views = [check for name in ("is_list_view", "is_large_list_view") if (check := getattr(types, name, None))]
    return any(check(kind) for check in (types.is_list, types.is_large_list, types.is_fixed_size_list, *views))


def check_texts(what: str, texts: pyarrow.ChunkedArray) -> None:
    """Raises ``LimitExceeded`` for a text longer than any document."""
    compute = load("pyarrow.compute")
    lengths = compute.binary_length(texts)
    if (compute.max(lengths).as_py() or 0) > MAX_TEXT:
        row, length = next((row, n) for row, n in enumerate(lengths.to_pylist()) if n is not None and n > MAX_TEXT)
        raise LimitExceeded(f"{what}[{row}] has {length:,} bytes; at most {MAX_TEXT:,} are read")


def check_lists(name: str, column: pyarrow.ChunkedArray | pyarrow.Array) -> None:
    """Raises ``InvalidInput`` for a list, however deep inside, that metadata cannot hold."""
    pa = load("pyarrow")
    if isinstance(column, pa.ChunkedArray):
        for chunk in column.chunks:
            check_lists(name, chunk)
    elif pa.types.is_struct(column.type):
        for inner in column.flatten():
            check_lists(name, inner)
    elif is_list(column.type) and (longest := _longest(column)) > MAX_LIST:
        raise InvalidInput(f"the column {name!r} has a list of {longest:,} elements; at most {MAX_LIST:,} fit")


def widest(array: pyarrow.Array) -> int:
    """Bytes that the widest row may have when it is decoded: what is shared in the file is not shared any more."""
    types, kind = load("pyarrow").types, array.type
    if isinstance(array, load("pyarrow").ExtensionArray):
        return widest(array.storage)
    if types.is_dictionary(kind):
        return widest(array.dictionary)
    if getattr(types, "is_run_end_encoded", lambda _: False)(kind):
        return widest(array.values)
    if types.is_struct(kind):
        return sum(widest(array.field(place)) for place in range(kind.num_fields))
    if is_list(kind):
        return _longest(array) * widest(array.values)
    if str(kind) in ("string_view", "binary_view"):
        views = array.buffers()[1]
        whole = np.frombuffer(views, dtype="<i4")[::4] if views is not None else np.empty(0, dtype="<i4")
        return int(whole[array.offset : array.offset + len(array)].max(initial=0))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_binary(kind) or types.is_large_binary(kind):
        compute = load("pyarrow.compute")
        return int(compute.max(compute.binary_length(array)).as_py() or 0)
    return _SCALAR


def _longest(array: pyarrow.Array) -> int:
    compute = load("pyarrow.compute")
    return int(compute.max(compute.list_value_length(array)).as_py() or 0)
