"""The columns of a file that hold vectors of named fields, made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from vstore.columns import VectorArray
from vstore.errors import InvalidInput, brief
from vstore.fields import Dense, Field, Sparse, check_field_name
from vstore.indexing import Metric
from vstore.jsonlines import STRUCTURE_BYTES
from vstore.keys import encodable
from vstore.load.rows import Row, read_rows
from vstore.regular import shown
from vstore.sparse import SparseVector
from vstore.sparse_input import read_row

__all__ = ["VectorColumn", "find_fields"]

_SPARSE: Final = "sparse"
_KINDS: Final = (*(metric.value for metric in Metric), _SPARSE)
_LOOKED_AT: Final = 10_000
_DIGITS: Final = 20
_HINT: Final = "A vector is a list of numbers; a sparse one an object of indices and values, or from index to value."


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

    def vector(self, row: Row) -> VectorArray | SparseVector | None:
        """The vector of a row, float32 of shape (d,) or sparse; None where there is none.

        Raises:
            InvalidInput: It is no vector, or not of this kind.
        """
        value = _decoded(row.fields.get(self.column))
        if value is None:
            return None
        name = f"the column {self.column!r}"
        if isinstance(value, Mapping) or _is_map(value):
            if self.kind not in (None, _SPARSE):
                raise InvalidInput(f"{name} is a sparse vector, not one of {self.kind}")
            return SparseVector(*read_row(_sparse(value, name), name))
        if self.kind == _SPARSE or not isinstance(value, list) or not {type(one) for one in value} <= {int, float}:
            raise InvalidInput(f"{name} is no {'sparse ' * (self.kind == _SPARSE)}vector: {brief(value)}", hint=_HINT)
        try:
            with np.errstate(over="ignore"):  # inf, which no collection takes
                dense: VectorArray = np.array(value, dtype=np.float64).astype(np.float32)
        except OverflowError as error:
            raise InvalidInput(f"{name} has an integer beyond float32") from error
        if not len(dense):
            raise InvalidInput(f"{name} is a vector of no numbers", hint="Write null where a vector is absent.")
        return dense


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


def _sparse(value: Any, name: str) -> Any:
    """What ``read_row`` takes: of a struct its two lists, of a map or an object the integers that its keys are."""
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


def find_fields(path: Path, columns: Sequence[VectorColumn], metric: Metric) -> dict[str, Field]:
    """What the named fields of a new collection are, as the first vector of each tells.

    Args:
        path: The file, see ``read_rows``.
        columns: Where the vectors stand.
        metric: That of dense fields of which the column does not say it.

    Raises:
        InvalidInput: None of the first 10,000 rows has a vector of a field.
    """
    found: dict[str, Field] = {}
    wanted = list(dict.fromkeys(one.column for one in columns))
    for row in islice(read_rows(path, wanted) if columns else (), _LOOKED_AT):
        for one in columns:
            if one.name not in found and (field := _field(one, row, metric)) is not None:
                found[one.name] = field
        if len(found) == len(columns):
            return {one.name: found[one.name] for one in columns}
    if missing := [one for one in columns if one.name not in found]:
        raise InvalidInput(
            f"the first {_LOOKED_AT:,} rows of {shown(path.name)} have no vector in {missing[0].column!r}",
            hint="Make the collection first, with fields={…}.",
        )
    return found


def _field(column: VectorColumn, row: Row, metric: Metric) -> Field | None:
    try:
        vector = column.vector(row)
    except InvalidInput:  # which rejects the row later
        return None
    if vector is None:
        return None
    return Sparse() if isinstance(vector, SparseVector) else Dense(len(vector), column.kind or metric)
