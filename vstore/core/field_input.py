"""The vectors of named fields, checked before any I/O (FLD-2, SPV-1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Limits
from vstore.columns import Column, VectorArray, absent, dense
from vstore.core.validate import check_vectors
from vstore.errors import InvalidInput, LimitExceeded, brief, reading
from vstore.fields import Dense, Field, field_key, only_sparse
from vstore.info import CollectionInfo
from vstore.metadata import check_length
from vstore.sparse import SparseArray
from vstore.sparse_input import read_column
from vstore.wording import did_you_mean

__all__ = ["check_column", "check_dense", "check_fields", "unknown_field"]


def check_fields(fields: object, sparse: object, info: CollectionInfo, n: int, limits: Limits) -> dict[str, Column]:
    """Return the columns of named fields that were given, by name.

    Args:
        fields: A dict from name to column, or None.
        sparse: The column of the only sparse field, or None.
        info: The collection.
        n: Number of records.
        limits: ``max_sparse_values`` is the most of one sparse vector.

    Raises:
        InvalidInput: A field that the collection has not, or a column that breaks the contract; it names the record.
        LimitExceeded: A sparse vector of too many values.
    """
    given: dict[str, Any] = {}
    if fields is not None:
        if not isinstance(fields, Mapping):
            raise InvalidInput(f"fields must be a dict from name to column, not {brief(fields)}")
        with reading("fields"):
            given = {_known(name, info.fields): column for name, column in fields.items()}
    if sparse is not None:
        name = only_sparse(info.fields)
        if name in given:
            raise InvalidInput(f"sparse= and fields= both give {name!r}")
        given[name] = sparse
    return {
        name: check_column(given[name], field, n, limits, name=name)
        for name, field in info.fields.items()
        if given.get(name) is not None
    }


def _known(name: object, known: Mapping[str, Field]) -> str:
    text = field_key(name)
    if text not in known:
        raise unknown_field(name, known)
    return text


def unknown_field(name: object, known: Mapping[str, Field]) -> InvalidInput:
    """Return the error for a name that is no field of the collection."""
    names = ", ".join(map(repr, known)) or "no named field"
    return InvalidInput(f"the collection has no field {brief(name)}; it has {names}", hint=did_you_mean(name, known))


def check_column(given: object, field: Field, n: int, limits: Limits, *, name: str) -> Column:
    """Return one column of n vectors, of which any may be absent.

    Args:
        given: Of a dense field an array of shape (n, d), where a row of NaN is absent, or a list of vectors and None.
            Of a sparse one what ``SparseArray.of`` takes.
        field: What the field is.
        n: Number of records.
        limits: ``max_sparse_values`` is the most of one sparse vector.
        name: What errors call it.
    """
    if isinstance(field, Dense):
        return check_dense(given, field, n, name)
    column = SparseArray(*read_column(given, name))
    check_length(name, column, n)
    check_sizes(column, limits, name)
    return column


def check_sizes(column: SparseArray, limits: Limits, name: str) -> None:
    """Raises ``LimitExceeded`` where a sparse vector has more values than the database takes."""
    lengths = column.lengths
    if len(lengths) and lengths.max() > limits.max_sparse_values:
        row = int(np.argmax(lengths > limits.max_sparse_values))
        raise LimitExceeded(
            f"{name}[{row}] has {lengths[row]:,} values; at most {limits.max_sparse_values:,} are possible here",
            hint="Keep the largest.",
        )


def check_dense(given: object, field: Dense, n: int, name: str) -> VectorArray:
    """Return what ``check_column`` returns, of a dense field."""
    rows: Any
    if isinstance(given, np.ndarray):
        rows = given
        empty: NDArray[np.bool_] = (
            np.isnan(rows).all(axis=1) if rows.ndim == 2 and rows.dtype.kind == "f" else np.zeros(len(rows), np.bool_)
        )
    else:
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            raise InvalidInput(f"{name} must be a list of vectors, not {type(given).__name__}")
        with reading(name):
            rows = list(given)
        empty = np.array([row is None for row in rows], dtype=np.bool_)
    check_length(name, rows, n)
    there = np.flatnonzero(~empty)
    if len(there) == n:
        return check_vectors(rows, field.dimension, field.metric, name=name) if n else dense(absent(0, field.dimension))
    column = dense(absent(n, field.dimension))
    if len(there):
        chosen = rows[there] if isinstance(rows, np.ndarray) else [rows[place] for place in there]
        column[there] = check_vectors(chosen, field.dimension, field.metric, name=name, places=there.tolist())
    return column
