"""Columns of files of others that hold vectors of named fields: what a user names, and what one value is."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vstore.columns import Column, VectorArray, absent, dense
from vstore.errors import InvalidInput, brief
from vstore.fields import check_field_name
from vstore.indexing import Metric
from vstore.interchange.fields import check_begins
from vstore.jsonlines import STRUCTURE_BYTES
from vstore.keys import encodable
from vstore.sparse import SparseArray, SparseVector
from vstore.sparse_input import read_row

__all__ = ["SPARSE", "ToFloat32", "VectorColumn", "rounded"]

SPARSE: Final = "sparse"
"""The kind of a column of sparse vectors."""
_KINDS: Final = (*(metric.value for metric in Metric), SPARSE)
_DIGITS: Final = 20
_HINT: Final = "A vector is a list of numbers; a sparse one an object of indices and values, or from index to value."

ToFloat32: TypeAlias = Callable[[NDArray[np.float64]], VectorArray]


def rounded(numbers: NDArray[np.float64]) -> VectorArray:
    """Numbers as the nearest float32, as a write takes them."""
    with np.errstate(over="ignore"):  # inf, which no collection takes
        return numbers.astype(np.float32)


@dataclass(frozen=True, slots=True)
class VectorColumn:
    """Where the vectors of a named field stand.

    Attributes:
        name: The field.
        column: The column, or key of JSON lines.
        kind: Its metric, ``"sparse"``, or None where the first vector tells.
    """

    name: str
    column: str
    kind: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads ``NAME``, ``NAME=COLUMN`` or ``NAME=COLUMN:KIND``; the kind is a metric, or ``sparse``.

        Raises:
            InvalidInput: A name that no field has, an empty column, an unknown kind.
        """
        name, equals, rest = text.partition("=")
        column, colon, kind = (rest if equals else name).rpartition(":")
        if not colon:
            column, kind = kind, ""
        elif kind not in _KINDS:
            raise InvalidInput(f"{kind!r} is no kind of a named field", hint=f"Kinds are {', '.join(_KINDS)}.")
        name = name if equals else column
        if not column or not encodable(column):
            raise InvalidInput(f"--field {text!r} names no column", hint="Write --field NAME=COLUMN.")
        return cls(check_field_name(name), column, kind or None)

    def column_of(self, values: Sequence[Any], to_float32: ToFloat32) -> Column:
        """The vectors of a field whose kind is known; errors name the row."""
        rows: list[Any] = []
        for row, value in enumerate(values):
            try:
                rows.append(self.vector(value, to_float32))
            except InvalidInput as error:
                error.message = f"{self.name}[{row}]: {error.message}"
                error.args = (error.message,)
                raise
        if self.kind == SPARSE:
            return SparseArray.stack(rows)
        return self.stacked([row is not None for row in rows], [row for row in rows if row is not None])

    def stacked(self, there: Sequence[bool] | NDArray[np.bool_], given: Sequence[VectorArray] | VectorArray) -> Column:
        """A dense column of n rows.

        Args:
            there: Which rows have a vector, n of them.
            given: These vectors. Without any the column is absent, and one number wide.

        Raises:
            InvalidInput: They are of several lengths.
        """
        lengths = {len(one) for one in given}
        if len(lengths) > 1:
            raise InvalidInput(f"the column {self.column!r} has vectors of {min(lengths)} to {max(lengths)} numbers")
        column = dense(absent(len(there), lengths.pop() if lengths else 1))
        if len(given):
            column[np.asarray(there)] = given
            check_begins(self.name, column, ~np.asarray(there))
        return column

    def vector(self, value: Any, to_float32: ToFloat32) -> VectorArray | SparseVector | None:
        """The vector that a value is, float32 of shape (d,) or sparse; None where there is none.

        Args:
            value: A list, an object, a map or a struct as Python has it; or JSON text of one.
            to_float32: What becomes of numbers that float32 does not hold.

        Raises:
            InvalidInput: It is no vector, or not of this kind.
        """
        value = _decoded(value)
        if value is None:
            return None
        name = f"the column {self.column!r}"
        if isinstance(value, Mapping) or _is_map(value):
            if self.kind not in (None, SPARSE):
                raise InvalidInput(f"{name} is a sparse vector, not one of {self.kind}")
            indices, values = _sparse(value, name)
            if isinstance(values, list) and _are_numbers(values):
                values = to_float32(_wide(values, name))
            return SparseVector(*read_row((indices, values), name))
        if self.kind == SPARSE or not isinstance(value, list) or not _are_numbers(value):
            raise InvalidInput(f"{name} is no {'sparse ' * (self.kind == SPARSE)}vector: {brief(value)}", hint=_HINT)
        if not value:
            raise InvalidInput(f"{name} is a vector of no numbers", hint="Write null where a vector is absent.")
        return to_float32(_wide(value, name))


def _are_numbers(values: list[Any]) -> bool:
    return {type(one) for one in values} <= {int, float}


def _wide(values: list[Any], name: str) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError as error:
        raise InvalidInput(f"{name} has an integer beyond float32") from error


def _is_map(value: Any) -> bool:
    """Whether it is a map of Parquet, as pyarrow brings it."""
    return isinstance(value, list) and bool(value) and all(isinstance(one, tuple) for one in value)


def _decoded(value: Any) -> Any:
    """The value, of a text that is JSON, as CSV has it; None for an empty one."""
    if not isinstance(value, str):
        return value
    if len(value) > STRUCTURE_BYTES:
        raise InvalidInput(f"a vector of more than {STRUCTURE_BYTES >> 20} MB of text is not read")
    try:
        return json.loads(value) if value.strip() else None
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"a vector is no JSON: {brief(value)}", hint=_HINT) from error


def _sparse(value: Any, name: str) -> tuple[Any, Any]:
    """Indices and values: of a struct its two lists, of a map or an object the integers that its keys are."""
    if isinstance(value, Mapping) and value.keys() == {"indices", "values"}:
        return value["indices"], value["values"]
    pairs = list(value.items()) if isinstance(value, Mapping) else value
    return [_index(key, name) for key, _ in pairs], [weight for _, weight in pairs]


def _index(key: object, name: str) -> int:
    if isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < _DIGITS:
        return int(key)
    if type(key) is int:
        return key
    raise InvalidInput(f"{name} has {brief(key)} for an index", hint="Indices are integers: write those of the words.")
