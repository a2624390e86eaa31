"""How large the values of Arrow columns are, told before Python objects are made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from vstore.errors import InvalidInput, LimitExceeded
from vstore.interchange import load
from vstore.metadata import MAX_LIST
from vstore.transfer.files.bounds import MAX_TEXT

if TYPE_CHECKING:
    import pyarrow

__all__ = ["check_lists", "check_texts", "is_list", "widest"]

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
