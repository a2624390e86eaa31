"""``Records`` to and from Polars, Hugging Face datasets and pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vstore import optional
from vstore.columns import Column, VectorArray, absent, dense, vector_at
from vstore.errors import InvalidInput, brief, reading
from vstore.interchange.arrow import OWN, check_columns, from_arrow, to_arrow
from vstore.interchange.fields import check_begins, load
from vstore.records import Records
from vstore.sparse import SparseArray, SparseVector
from vstore.sparse_input import read_column

if TYPE_CHECKING:
    import datasets
    import pandas
    import polars

__all__ = ["from_datasets", "from_pandas", "from_polars", "to_datasets", "to_pandas", "to_polars"]


def to_polars(records: Records) -> polars.DataFrame:
    """A Polars DataFrame with one row a record; vectors are an Array of Float32, metadata JSON text."""
    frame: polars.DataFrame = optional.load("polars", "polars").from_arrow(to_arrow(records))
    return frame


def from_polars(frame: polars.DataFrame) -> Records:
    """The inverse of ``to_polars``; vectors may be a List of Float32 of one length as well.

    Raises:
        InvalidInput: No DataFrame, or as ``from_arrow``.
    """
    if not isinstance(frame, optional.load("polars", "polars").DataFrame):
        raise InvalidInput(f"from_polars takes a DataFrame, not {brief(frame)}", hint="Call collect() on a LazyFrame.")
    return from_arrow(frame.to_arrow())


def to_datasets(records: Records) -> datasets.Dataset:
    """A Hugging Face Dataset with one row a record, in memory; metadata are JSON text."""
    made: datasets.Dataset = optional.load("datasets", "datasets").Dataset(to_arrow(records))
    return made


def from_datasets(dataset: datasets.Dataset) -> Records:
    """The inverse of ``to_datasets``; what was selected, sorted or shuffled comes in the order of the dataset.

    Raises:
        InvalidInput: No Dataset, or as ``from_arrow``.
    """
    if not isinstance(dataset, optional.load("datasets", "datasets").Dataset):
        raise InvalidInput(
            f"from_datasets takes a Dataset, not a {type(dataset).__name__}",
            hint='Take one split, as load_dataset(…, split="train") does, and not a stream.',
        )
    with reading("the dataset"):
        table = dataset.with_format("arrow")[:]
    return from_arrow(table)


_FIELDS: Final = "vstore.fields"
"""The key in the attributes of a DataFrame that holds the dimension of each field, None of a sparse one: a column of
absent vectors alone does not tell it."""


def to_pandas(records: Records) -> pandas.DataFrame:
    """A DataFrame with one row a record; vectors are float32 arrays, metadata are dicts.

    An absent vector of a named field is None. A sparse one is a dict of the arrays ``indices`` and ``values``.
    """
    pd = load("pandas")
    columns: dict[str, Any] = {"id": records.ids}
    if records.vectors is not None:
        columns["vector"] = list(records.vectors)
    for name, column in records.fields.items():
        columns[name] = pd.Series([_cell(vector_at(column, row)) for row in range(len(records))], dtype=object)
    if records.documents is not None:
        columns["document"] = pd.Series(records.documents, dtype=object)
    if records.metadatas is not None:
        columns["metadata"] = records.metadatas
    frame: pandas.DataFrame = pd.DataFrame(columns)
    if records.fields:
        frame.attrs[_FIELDS] = {
            name: None if isinstance(column, SparseArray) else column.shape[1]
            for name, column in records.fields.items()
        }
    return frame


def _cell(vector: VectorArray | SparseVector | None) -> Any:
    return {"indices": vector.indices, "values": vector.values} if isinstance(vector, SparseVector) else vector


def from_pandas(frame: pandas.DataFrame) -> Records:
    """The inverse of ``to_pandas``.

    Raises:
        InvalidInput: Not a DataFrame, other columns, or documents or vectors that are none.
    """
    with reading("the frame"):
        return _from_pandas(frame)


def _from_pandas(frame: pandas.DataFrame) -> Records:
    names = [str(name) for name in frame.columns]
    kinds = frame.attrs.get(_FIELDS)
    known: Mapping[str, int | None] = kinds if isinstance(kinds, Mapping) else {}
    found = {name: _present(frame[name].tolist()) for name in names if name not in OWN}
    fields = {
        name: rows for name, rows in found.items() if name in known or isinstance(_first(rows), Sequence | _VECTORS)
    }
    check_columns(names, list(fields))
    return Records(
        frame["id"].tolist(),
        _stacked("vector", frame["vector"].tolist()) if "vector" in names else None,
        [_document(row, text) for row, text in enumerate(frame["document"].tolist())] if "document" in names else None,
        frame["metadata"].tolist() if "metadata" in names else None,
        {name: _column(name, rows, known.get(name)) for name, rows in fields.items()},
    )


_VECTORS: Final = Mapping | SparseVector | np.ndarray


def _present(rows: list[Any]) -> list[Any]:
    """The rows, None where pandas has a value that is missing."""
    return [None if _is_missing(one) else one for one in rows]


def _is_missing(given: object) -> bool:
    return given is None or bool(load("pandas").api.types.is_scalar(given) and load("pandas").isna(given))


def _first(rows: list[Any]) -> Any:
    found = next((one for one in rows if one is not None), None)
    return None if isinstance(found, str | bytes) else found


def _column(name: str, rows: list[Any], dimension: int | None) -> Column:
    first = _first(rows)
    if isinstance(first, Mapping | SparseVector) or (first is None and dimension is None):
        return SparseArray(*read_column([_pair(one) for one in rows], name))
    if first is None:
        return absent(len(rows), dimension)
    there = np.array([one is not None for one in rows])
    given = _stacked(name, [one for one in rows if one is not None])
    column = dense(absent(len(rows), given.shape[1]))
    column[there] = given
    check_begins(name, column, ~there)
    return column


def _pair(given: object) -> object:
    """One row as sparse vectors are given: of a dict that names them, the indices and the values."""
    if isinstance(given, Mapping) and sorted(map(str, given)) == ["indices", "values"]:
        return given["indices"], given["values"]
    return given


def _document(row: int, given: object) -> str | None:
    if isinstance(given, str):
        return given
    if _is_missing(given):
        return None
    raise InvalidInput(f"document[{row}] must be a str or missing, not {brief(given)}")


def _stacked(name: str, rows: list[Any]) -> VectorArray:
    if not rows:
        return np.empty((0, 0), dtype=np.float32)
    try:
        given = np.stack(rows)
        if given.ndim != 2 or given.dtype.kind not in "iuf":  # NumPy would make numbers of texts
            raise ValueError(f"rows of {given.dtype}")
        with np.errstate(over="ignore"):  # inf, which no collection takes
            stacked: VectorArray = given.astype(np.float32, copy=False)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"the column {name!r} does not hold vectors of one length: {error!s:.100}") from error
    return stacked
