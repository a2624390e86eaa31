"""The columns of named fields in an Arrow table: one a field, under its name, null where a vector is absent.

A dense field is a fixed-size list of float32, a sparse one ``struct<indices: list<uint32>, values: list<float32>>``:
the form in which Qdrant's API and Milvus's bulk import write sparse vectors. Parquet holds a dense field as a list:
neither pyarrow before 22 nor most other readers take a fixed-size list with nulls from there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore import optional
from vstore.columns import Column, VectorArray, absent, dense, present
from vstore.errors import InvalidInput
from vstore.sparse import SparseArray
from vstore.sparse_input import read_column

if TYPE_CHECKING:
    import pyarrow

__all__ = [
    "DIMENSION",
    "as_lists",
    "check_begins",
    "dense_rows",
    "from_column",
    "holds",
    "is_list",
    "is_sparse",
    "to_column",
]

DIMENSION: Final = b"dimension"
"""The key in the metadata of an Arrow field that holds the dimension, where the type does not."""
_PARTS: Final = ["indices", "values"]


def load(module: str) -> Any:
    """A module of the extra ``arrow``; raises ``Unsupported`` with what to install where it is missing."""
    return optional.load(module, "arrow")


def to_column(column: Column) -> pyarrow.Array:
    """An Arrow array of the vectors of a field, shared with them."""
    pa = load("pyarrow")
    missing = ~present(column) if len(column) else np.empty(0, dtype=np.bool_)
    mask = pa.array(missing) if missing.any() else None
    if not isinstance(column, SparseArray):
        flat = pa.array(np.ascontiguousarray(column).reshape(-1), pa.float32())
        return pa.FixedSizeListArray.from_arrays(flat, column.shape[1], mask=mask)
    starts = pa.array(column.indptr, pa.int32())
    parts = [pa.ListArray.from_arrays(starts, pa.array(part)) for part in (column.indices, column.values)]
    return pa.StructArray.from_arrays(parts, names=_PARTS, mask=mask)


def as_lists(table: pyarrow.Table) -> pyarrow.Table:
    """The table with the dense fields as lists, which is how Parquet holds them."""
    pa = load("pyarrow")
    for place, field in enumerate(table.schema):
        if field.name == "vector" or not pa.types.is_fixed_size_list(field.type):
            continue
        size = field.type.list_size
        told = pa.field(field.name, pa.large_list(pa.float32()), metadata={DIMENSION: str(size)})
        chunks = [_listed(chunk, size) for chunk in table.column(place).chunks]
        table = table.set_column(place, told, pa.chunked_array(chunks, told.type))
    return table


def _listed(array: Any, size: int) -> Any:
    pa = load("pyarrow")
    there = array.is_valid().to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], np.cumsum(there * size, dtype=np.int64)])
    return pa.LargeListArray.from_arrays(
        pa.array(starts), array.flatten(), mask=None if there.all() else pa.array(~there)
    )


def is_list(kind: pyarrow.DataType) -> bool:
    """Whether this is a list of one of the forms that hold vectors."""
    types = load("pyarrow").types
    return bool(types.is_fixed_size_list(kind) or types.is_list(kind) or types.is_large_list(kind))


def is_sparse(kind: pyarrow.DataType) -> bool:
    """Whether this is a struct of the lists ``indices`` and ``values``."""
    if not load("pyarrow").types.is_struct(kind):
        return False
    inner = {kind.field(place).name: kind.field(place).type for place in range(kind.num_fields)}
    return sorted(inner) == _PARTS and all(map(is_list, inner.values()))


def holds(kind: pyarrow.DataType, dimension: int | None) -> bool:
    """Whether this is the type of a field as vstore writes it; a dimension of None is that of a sparse field."""
    pa = load("pyarrow")
    if dimension is None:
        return is_sparse(kind) and [kind.field(part).type.value_type for part in _PARTS] == [pa.uint32(), pa.float32()]
    fixed = pa.types.is_fixed_size_list(kind)
    return is_list(kind) and kind.value_type == pa.float32() and not (fixed and kind.list_size != dimension)


def from_column(field: pyarrow.Field, column: pyarrow.ChunkedArray) -> Column:
    """The vectors of a field; the inverse of ``to_column``.

    Raises:
        InvalidInput: Lists of other numbers than float32 or of several lengths, a vector that begins with NaN, indices
            and values that are no sparse vector, or not equally many. It names the row.
    """
    if is_sparse(field.type):
        return _sparse(field, column)
    found = dense_rows(field, column)
    check_begins(field.name, found, column.is_null().to_numpy())
    return found


def check_begins(name: str, column: VectorArray, missing: NDArray[np.bool_]) -> None:
    """Raises ``InvalidInput`` for a vector that its first number would make an absent one."""
    if not len(column):
        return
    if not column.shape[1]:
        raise InvalidInput(f"the column {name!r} has vectors of no numbers", hint=f"Drop {name}.")
    if (wrong := np.isnan(column[:, 0]) & ~missing).any():
        raise InvalidInput(
            f"{name}[{int(np.argmax(wrong))}] begins with NaN", hint="Write null where a vector is absent."
        )


def dense_rows(field: pyarrow.Field, column: pyarrow.ChunkedArray) -> VectorArray:
    """Lists of float32 as rows, of NaN where one is null; shared where they are of fixed size and none is.

    Raises:
        InvalidInput: Another type, a null inside of a list, lists of several lengths, or none that tells the length.
    """
    name, kind = field.name, field.type
    if not is_list(kind) or kind.value_type != load("pyarrow").float32():
        raise InvalidInput(f"the column {name!r} is {kind}, not a fixed-size list of float32")
    array = _whole(column)
    there = array.is_valid().to_numpy(zero_copy_only=False)
    dimension = _dimension(field)
    if not load("pyarrow").types.is_fixed_size_list(kind):
        lengths = set(array.value_lengths().drop_null().unique().to_pylist())
        if len(lengths | ({dimension} - {None})) > 1:
            raise InvalidInput(f"the column {name!r} holds lists of {min(lengths)} to {max(lengths)} numbers")
        if dimension is None and not lengths and len(array):
            raise InvalidInput(f"the column {name!r} has no vector that tells how long one is", hint=f"Drop {name}.")
        dimension = lengths.pop() if lengths else dimension or 0
    assert dimension is not None
    flat = array.flatten()  # without the numbers of rows that are null
    if flat.null_count:
        raise InvalidInput(f"the column {name!r} has a null inside of a vector")
    rows: VectorArray = flat.to_numpy(zero_copy_only=False).reshape(int(there.sum()), dimension)
    if len(rows) == len(array):
        return rows
    found = dense(absent(len(array), dimension))
    found[there] = rows
    return found


def _whole(column: pyarrow.ChunkedArray) -> Any:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies a single one as well


def _dimension(field: pyarrow.Field) -> int | None:
    """What the type says, or the metadata of the field."""
    if load("pyarrow").types.is_fixed_size_list(field.type):
        return int(field.type.list_size)
    told = (field.metadata or {}).get(DIMENSION, b"")
    return int(told) if told.isdigit() and len(told) <= 5 else None


def _sparse(field: pyarrow.Field, column: pyarrow.ChunkedArray) -> SparseArray:
    pa, pc = load("pyarrow"), load("pyarrow.compute")
    name, whole = field.name, _whole(column)
    parts = dict(zip((part.name for part in whole.type), whole.flatten(), strict=True))  # null where the struct is
    indices, values = parts["indices"], parts["values"]
    if not pa.types.is_integer(indices.type.value_type) or values.type.value_type != pa.float32():
        raise InvalidInput(f"the column {name!r} is {whole.type}, not indices of uint32 and values of float32")
    lengths, others = (
        pc.list_value_length(part).fill_null(0).to_numpy(zero_copy_only=False) for part in (indices, values)
    )
    if (wrong := lengths != others).any():
        row = int(np.argmax(wrong))
        raise InvalidInput(f"{name}[{row}] has {lengths[row]} indices and {others[row]} values")
    flat, weights = indices.flatten(), values.flatten()
    if flat.null_count or weights.null_count:
        raise InvalidInput(f"the column {name!r} has a null inside of a vector")
    starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    found = SparseArray(starts, flat.to_numpy(zero_copy_only=False), weights.to_numpy(zero_copy_only=False))
    return SparseArray(*read_column(found, name))
