"""What sparse vectors may be (SPV-1): every form that is taken, brought to the arrays of a ``SparseArray``.

The fast way touches all values of a column together; only when a check fails is the row found that broke it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import lt
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.errors import InvalidInput, brief, reading

__all__ = ["MAX_INDEX", "MAX_VALUE", "MIN_VALUE", "read_column", "read_row"]

MAX_INDEX: Final = (1 << 32) - 3
"""Milvus refuses 2**32 - 1; the one below is left to adapters, to mark that a vector is there."""
MIN_VALUE: Final = 1e-15
"""The product of two is above float32's smallest number, so that every shared index counts."""
MAX_VALUE: Final = 1e15
"""A sum of products stays below float32's largest number."""

_SHORT: Final = 100
_Rows: TypeAlias = tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]
_Pair: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
_ROW_HINT: Final = "A sparse vector is a dict from index to value, or a pair of indices and values."


def read_column(given: object, name: str) -> _Rows:
    """Return ``indptr``, ``indices`` and ``values`` of a column of sparse vectors.

    Args:
        given: A ``SparseArray``, a SciPy sparse matrix, or one row or None a record.
        name: What errors call it.

    Raises:
        InvalidInput: A form that is none of these, or a row that breaks SPV-1, which the error names.
    """
    with reading(name):
        compressed = _compressed(given, name)
        if compressed is not None:
            return _ordered(*compressed, lambda row: f"{name}[{row}]")
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            raise InvalidInput(f"{name} must be a list of sparse vectors, not {type(given).__name__}", hint=_ROW_HINT)
        rows = list(given)
        label: Callable[[int], str] = lambda row: f"{name}[{row}]"  # noqa: E731
        if rows and all(type(row) is dict for row in rows):
            pairs = _from_dicts(rows, label)
        else:
            each = [_pair(row, label(place)) for place, row in enumerate(rows)]
            lengths = np.array([len(indices) for indices, _ in each], dtype=np.int64)
            pairs = (lengths, *_joined(each))
        return _ordered(*pairs, label)


def read_row(given: object, name: str) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    """Return ``indices`` and ``values`` of one sparse vector; errors are those of ``read_column``."""
    with reading(name):
        if (ready := _ready(given)) is not None:
            return ready
        compressed = _compressed(given, name)
        if compressed is None:
            if given is None:
                raise InvalidInput(f"{name} is None", hint=_ROW_HINT)
            indices, values = _pair(given, name)
            compressed = (np.array([len(indices)], dtype=np.int64), indices, values)
        elif len(compressed[0]) != 1:
            raise InvalidInput(f"{name} must be one row, not {len(compressed[0]):,}")
        _, ordered, weights = _ordered(*compressed, lambda _: name)
        return ordered, weights


def _ready(given: object) -> tuple[NDArray[np.uint32], NDArray[np.float32]] | None:
    """Copies of the arrays of a short vector that has them in order, as a query mostly has; None of anything else.

    They are compared as Python's numbers: NumPy takes ten times as long for so few.
    """
    indices, values = getattr(given, "indices", None), getattr(given, "values", None)
    if type(indices) is not np.ndarray or type(values) is not np.ndarray or hasattr(given, "indptr"):
        return None
    is_short = indices.ndim == 1 and indices.shape == values.shape and len(indices) <= _SHORT
    if not is_short or indices.dtype != np.uint32 or values.dtype != np.float32:
        return None
    places: list[int] = indices.tolist()
    in_order = all(map(lt, places, places[1:])) and max(places, default=0) <= MAX_INDEX
    if not in_order or not all(MIN_VALUE <= one <= MAX_VALUE for one in values.tolist()):
        return None
    return indices.copy(), values.copy()


def _compressed(given: object, name: str) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]] | None:
    """The lengths of rows, the indices and the values of what is compressed already; None of anything else."""
    if callable(getattr(given, "tocsr", None)):
        matrix: Any = given.tocsr()  # type: ignore[attr-defined]
        indptr, indices, values = matrix.indptr, matrix.indices, matrix.data
    elif hasattr(given, "indptr") and hasattr(given, "indices") and hasattr(given, "values"):
        indptr, indices, values = given.indptr, given.indices, given.values
    else:
        return None
    starts, places, weights = _numbers(indptr, "iu", name), _numbers(indices, "iu", name), _numbers(values, "fiu", name)
    ends = starts.astype(np.int64)
    lengths = ends[1:] - ends[:-1]
    whole = len(starts) > 0 and starts[0] == 0 and starts[-1] == len(places) == len(weights)
    if not whole or (lengths < 0).any():
        raise InvalidInput(f"{name}: indptr does not fit its indices and values")
    return lengths, places, weights


def _from_dicts(
    rows: Sequence[Mapping[Any, Any]], label: Callable[[int], str]
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[Any]]:
    lengths = np.array([len(row) for row in rows], dtype=np.int64)
    keys = list(chain.from_iterable(rows))
    values = list(chain.from_iterable(row.values() for row in rows))
    if set(map(type, keys)) <= {int} and set(map(type, values)) <= {int, float}:
        try:
            return lengths, np.array(keys, dtype=np.int64), np.array(values, dtype=np.float64)
        except OverflowError:
            pass  # row by row the error knows its place
    return (lengths, *_joined([_pair(row, label(place)) for place, row in enumerate(rows)]))


def _joined(pairs: Sequence[_Pair]) -> _Pair:
    if not pairs:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
    return np.concatenate([indices for indices, _ in pairs]), np.concatenate([values for _, values in pairs])


def _pair(given: object, name: str) -> _Pair:
    """The indices, int64, and the values of one row."""
    match given:
        case None:
            indices, values = [], []
        case Mapping():
            indices, values = list(given), list(given.values())
        case tuple() | list() if len(given) == 2:
            indices, values = given
        case _ if hasattr(given, "indices") and hasattr(given, "values"):
            indices, values = given.indices, given.values
        case _:
            raise InvalidInput(f"{name} is no sparse vector: {brief(given)}", hint=_ROW_HINT)
    places, weights = (
        _numbers(indices, "iu", f"the indices of {name}"),
        _numbers(values, "fiu", f"the values of {name}"),
    )
    if len(places) != len(weights):
        raise InvalidInput(f"{name} has {len(places):,} indices and {len(weights):,} values")
    if len(places) and (int(places.min()) < 0 or int(places.max()) > MAX_INDEX):
        raise _outside(name)
    return places.astype(np.int64), weights


def _numbers(given: object, kinds: str, name: str) -> NDArray[Any]:
    try:
        array = np.asarray(given if isinstance(given, np.ndarray) else list(given))  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} are no list of numbers", hint=_ROW_HINT) from error
    if array.ndim == 1 and not len(array):
        return np.empty(0, dtype=np.int64)
    whole = "integers" if kinds == "iu" else "numbers"
    if array.ndim != 1 or array.dtype.kind not in kinds:
        raise InvalidInput(f"{name} are no list of {whole} (dtype {array.dtype})", hint=_ROW_HINT)
    if not isinstance(given, np.ndarray) and any(isinstance(one, bool) for one in given):  # type: ignore[attr-defined]
        raise InvalidInput(f"{name} hold a bool, which is no number")
    return array


def _outside(name: str) -> InvalidInput:
    return InvalidInput(f"{name} has an index outside 0 to 2**32 - 3", hint="Hash terms to 32 bits, less three.")


def _ordered(
    lengths: NDArray[np.int64], indices: NDArray[Any], given: NDArray[Any], label: Callable[[int], str]
) -> _Rows:
    """Check all rows, put their indices in order and drop zeros."""
    rows = np.repeat(np.arange(len(lengths)), lengths)
    with np.errstate(over="ignore"):  # what is beyond float32 becomes inf, which is refused below
        values = given.astype(np.float32)
    if (wrong := (indices < 0) | (indices > MAX_INDEX)).any():
        raise _outside(label(int(rows[np.argmax(wrong)])))
    fine = (values == 0) | ((values >= np.float32(MIN_VALUE)) & (values <= np.float32(MAX_VALUE)))  # NaN is not
    if not fine.all():
        place = int(np.argmin(fine))
        raise _bad_value(label(int(rows[place])), float(given[place]))
    ascending = (indices[1:] > indices[:-1]) | (rows[1:] != rows[:-1])
    if not ascending.all():
        order = np.lexsort((indices, rows))
        indices, values = indices[order], values[order]
        twice = (indices[1:] == indices[:-1]) & (rows[1:] == rows[:-1])
        if twice.any():
            place = int(np.argmax(twice))
            raise InvalidInput(f"{label(int(rows[place]))} has the index {int(indices[place])} twice")
    kept = values != 0
    if not kept.all():
        indices, values, rows = indices[kept], values[kept], rows[kept]
        lengths = np.bincount(rows, minlength=len(lengths))
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr, indices.astype(np.uint32), values


def _bad_value(name: str, value: float) -> InvalidInput:
    if value < 0:
        return InvalidInput(f"{name} has the value {value:g}", hint="Sparse values are above 0.")
    if not np.isfinite(value):
        return InvalidInput(f"{name} contains NaN or inf")
    return InvalidInput(f"{name} has the value {value:g}, outside {MIN_VALUE:g} to {MAX_VALUE:g}")
