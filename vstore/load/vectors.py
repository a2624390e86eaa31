"""What the named fields of a new collection are, as the columns of a file tell."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from vstore.errors import InvalidInput
from vstore.fields import Dense, Field, Sparse
from vstore.indexing import Metric
from vstore.load.rows import Row, read_rows
from vstore.regular import shown
from vstore.sparse import SparseVector
from vstore.transfer.files.vector_columns import VectorColumn, rounded

__all__ = ["find_fields"]

_LOOKED_AT: Final = 10_000


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
        vector = column.vector(row.fields.get(column.column), rounded)
    except InvalidInput:  # which rejects the row later
        return None
    if vector is None:
        return None
    return Sparse() if isinstance(vector, SparseVector) else Dense(len(vector), column.kind or metric)
