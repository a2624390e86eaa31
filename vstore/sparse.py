"""``SparseArray``: a column of sparse vectors, and ``SparseVector``: one of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from vstore import optional
from vstore.sparse_input import read_column, read_row

if TYPE_CHECKING:
    import scipy.sparse

__all__ = ["SparseArray", "SparseInput", "SparseRowInput", "SparseVector"]

SparseRowInput: TypeAlias = Any
"""One sparse vector: a dict from index to value, a pair of indices and values, an object with ``indices`` and
``values``, or a ``SparseArray`` or SciPy matrix of one row."""
SparseInput: TypeAlias = Any
"""A column of them: a ``SparseArray``, a SciPy sparse matrix, or one ``SparseRowInput`` or None a record."""

_SHOWN = 3


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SparseVector:
    """One sparse vector. An empty one stands for absence.

    Attributes:
        indices: uint32 array of shape (v,), ascending, none twice.
        values: float32 array of shape (v,), all above 0.
    """

    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    @staticmethod
    def of(given: SparseRowInput) -> SparseVector:
        """Check one vector and bring it into order.

        Args:
            given: A dict from index to value, a pair of indices and values, an object with ``indices`` and ``values``,
                or a ``SparseArray`` or SciPy matrix of one row. Zeros are dropped.

        Raises:
            InvalidInput: An index outside 0 to 2**32 - 3 or twice, a value below 0 or outside 1e-15 to 1e15.
        """
        return SparseVector(*read_row(given, "the sparse vector"))

    def to_dict(self) -> dict[int, float]:
        """Return a dict from index to value."""
        return dict(zip(self.indices.tolist(), self.values.tolist(), strict=True))

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self.indices)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseVector):
            return NotImplemented
        return np.array_equal(self.indices, other.indices) and np.array_equal(self.values, other.values)

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def __repr__(self) -> str:
        first = zip(self.indices[:_SHOWN].tolist(), self.values[:_SHOWN].tolist(), strict=True)
        shown = ", ".join(f"{index}: {value:.6g}" for index, value in first)
        more = f", … {len(self):,} values" if len(self) > _SHOWN else ""
        return f"SparseVector({{{shown}{more}}})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class SparseArray:
    """A column of sparse vectors, one a record, in compressed rows (CSR). An empty row stands for absence.

    The constructor takes the three arrays as they are; ``SparseArray.of`` builds and checks one. It has a length,
    iterates over ``SparseVector``, and takes an index or a slice.

    Attributes:
        indptr: int64 array of shape (n + 1,): row r is ``indices[indptr[r]:indptr[r + 1]]``. ``indptr[0]`` is 0.
        indices: uint32 array of shape (v,), ascending in each row.
        values: float32 array of shape (v,), all above 0.
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.uint32]
    values: NDArray[np.float32]

    @staticmethod
    def of(given: SparseInput) -> SparseArray:
        """Check a column of vectors and bring it into order.

        Args:
            given: A ``SparseArray``, a SciPy sparse matrix, or a list with one vector a record: a dict from index to
                value, a pair of indices and values, an object with ``indices`` and ``values``, or None. Zeros are
                dropped.

        Raises:
            InvalidInput: An index outside 0 to 2**32 - 3 or twice in one row, a value below 0 or outside 1e-15 to
                1e15; the error names the row.
        """
        return SparseArray(*read_column(given, "rows"))

    @staticmethod
    def empty(rows: int = 0) -> SparseArray:
        """Return a column of absent vectors."""
        return SparseArray(
            np.zeros(rows + 1, dtype=np.int64), np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.float32)
        )

    @staticmethod
    def stack(vectors: Iterable[SparseVector | None]) -> SparseArray:
        """Return a column of vectors that are in order already, copies of them; None makes an empty row."""
        rows = list(vectors)
        if len(rows) == 1 and (row := rows[0]) is not None:
            return SparseArray(np.array([0, len(row)], dtype=np.int64), row.indices.copy(), row.values.copy())
        given = [row for row in rows if row is not None]
        if not given:
            return SparseArray.empty(len(rows))
        return SparseArray(
            _starts([0 if row is None else len(row) for row in rows]),
            np.concatenate([row.indices for row in given]),
            np.concatenate([row.values for row in given]),
        )

    @staticmethod
    def concat(parts: Sequence[SparseArray]) -> SparseArray:
        """Return one column with the rows of all ``parts``, one after the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return SparseArray.empty()
        return SparseArray(
            _starts(np.concatenate([part.lengths for part in parts])),
            np.concatenate([part.indices for part in parts]),
            np.concatenate([part.values for part in parts]),
        )

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of values of each row, int64 of shape (n,)."""
        return self.indptr[1:] - self.indptr[:-1]

    def take(self, positions: Sequence[int] | NDArray[np.intp]) -> SparseArray:
        """Return the rows at ``positions``, in that order."""
        chosen = np.asarray(positions, dtype=np.intp)
        starts, lengths = self.indptr[:-1][chosen], self.lengths[chosen]
        indptr = _starts(lengths)
        places = np.arange(indptr[-1]) + np.repeat(starts - indptr[:-1], lengths)
        return SparseArray(indptr, self.indices[places], self.values[places])

    def to_scipy(self, columns: int | None = None) -> scipy.sparse.csr_array:
        """Return a SciPy CSR array; needs SciPy.

        Args:
            columns: Number of its columns; by default the largest index plus one.
        """
        sparse = optional.load("scipy.sparse", "lexical")
        width = columns or (int(self.indices.max()) + 1 if len(self.indices) else 1)
        return sparse.csr_array((self.values, self.indices.astype(np.int64), self.indptr), shape=(len(self), width))

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.indptr) - 1

    def __iter__(self) -> Iterator[SparseVector]:
        for row in range(len(self)):
            yield self[row]

    @overload
    def __getitem__(self, key: int) -> SparseVector: ...
    @overload
    def __getitem__(self, key: slice) -> SparseArray: ...
    def __getitem__(self, key: int | slice) -> SparseVector | SparseArray:
        if not isinstance(key, slice):
            row = range(len(self))[key]
            part = slice(self.indptr[row], self.indptr[row + 1])
            return SparseVector(self.indices[part], self.values[part])
        start, stop, step = key.indices(len(self))
        if step != 1:
            return self.take(range(start, stop, step))
        stop = max(start, stop)
        first, last = self.indptr[start], self.indptr[stop]
        return SparseArray(self.indptr[start : stop + 1] - first, self.indices[first:last], self.values[first:last])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseArray):
            return NotImplemented
        return (
            np.array_equal(self.indptr, other.indptr)
            and np.array_equal(self.indices, other.indices)
            and np.array_equal(self.values, other.values)
        )

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def __repr__(self) -> str:
        return f"<SparseArray, {len(self):,} row{'' if len(self) == 1 else 's'}, {len(self.values):,} values>"


def _starts(lengths: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    indptr = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=indptr[1:])
    return indptr
