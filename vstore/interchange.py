"""``Records`` to and from Arrow, Parquet, Polars, Hugging Face datasets and pandas.

In Arrow and Parquet a record is ``id`` (string), ``vector`` (fixed-size list of float32), ``document``
(string, null for None) and ``metadata`` (JSON text with every type kept, see ``vstore.spi.codec``); a column
that the records do not have is not in the table. Polars and datasets hold the same columns. Vectors are shared, not
copied, wherever they lie in one piece, and are then read-only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vstore import optional
from vstore.errors import InvalidInput, Unsupported, brief, reading
from vstore.records import Metadata, Records, VectorArray
from vstore.regular import refuse_url, shown
from vstore.spi import durable
from vstore.spi.codec import from_json, to_json

if TYPE_CHECKING:
    import datasets
    import pandas
    import polars
    import pyarrow

__all__ = [
    "from_arrow",
    "from_datasets",
    "from_pandas",
    "from_parquet",
    "from_polars",
    "load",
    "parquet_settings",
    "to_arrow",
    "to_datasets",
    "to_pandas",
    "to_parquet",
    "to_polars",
]


def load(module: str) -> Any:
    """A module of the extra ``arrow``; raises ``Unsupported`` with what to install where it is missing."""
    return optional.load(module, "arrow")


def _check_columns(names: list[str]) -> None:
    unknown = sorted(set(names) - {"id", "vector", "document", "metadata"})
    if "id" not in names or unknown:
        raise InvalidInput(
            f"a table of records has the columns id, vector, document, metadata; found {', '.join(names)}",
            hint=f"Rename or drop {', '.join(unknown)}." if unknown else "Add the column id.",
        )


def _check_no_fields(records: Records) -> None:
    if records.fields:
        raise Unsupported(
            f"a table has no columns for the named fields {', '.join(map(repr, records.fields))}",
            hint="Fetch records without them: include=['vectors', 'documents', 'metadatas'].",
        )


def to_arrow(records: Records) -> pyarrow.Table:
    """An Arrow table with one row a record."""
    _check_no_fields(records)
    pa = load("pyarrow")
    columns: dict[str, Any] = {"id": pa.array(records.ids, pa.string())}
    if records.vectors is not None:
        flat = pa.array(np.ascontiguousarray(records.vectors).reshape(-1), pa.float32())
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, records.vectors.shape[1])
    if records.documents is not None:
        columns["document"] = pa.array(records.documents, pa.string())
    if records.metadatas is not None:
        columns["metadata"] = pa.array([to_json(metadata) for metadata in records.metadatas], pa.string())
    return pa.table(columns)


def from_arrow(table: pyarrow.Table) -> Records:
    """The inverse of ``to_arrow``.

    Raises:
        InvalidInput: Other columns, a null id or vector, vectors that are not lists of float32 of one length, texts
            that are none, or metadata that are no JSON objects.
    """
    with reading("the table"):
        return _from_arrow(table)


def _from_arrow(table: pyarrow.Table) -> Records:
    _check_columns(table.column_names)
    for name in {"id", "vector", "metadata"} & set(table.column_names):
        if table.column(name).null_count:
            raise InvalidInput(f"the column {name!r} has nulls")
    vectors: VectorArray | None = None
    if "vector" in table.column_names:
        vectors = _vectors(table.column("vector"))
    names = table.column_names
    return Records(
        _texts(table, "id"),
        vectors,
        _texts(table, "document") if "document" in names else None,
        [_metadata(row, text) for row, text in enumerate(_texts(table, "metadata"))] if "metadata" in names else None,
    )


def _vectors(column: pyarrow.ChunkedArray) -> VectorArray:
    pa = load("pyarrow")
    kind = column.type
    fixed = pa.types.is_fixed_size_list(kind)
    if not (fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)) or kind.value_type != pa.float32():
        raise InvalidInput(f"the column 'vector' is {kind}, not a fixed-size list of float32")
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()  # which copies a single one as well
    if fixed:
        dimension = kind.list_size
    else:
        lengths = set(whole.value_lengths().unique().to_pylist())
        if len(lengths) > 1:
            raise InvalidInput(f"the column 'vector' holds lists of {min(lengths)} to {max(lengths)} numbers")
        dimension = lengths.pop() if lengths else 0
    found: VectorArray = whole.flatten().to_numpy(zero_copy_only=False).reshape(len(whole), dimension)
    return found


def _texts(table: pyarrow.Table, name: str) -> list[Any]:
    column = table.column(name)
    types, kind = load("pyarrow").types, column.type
    if types.is_dictionary(kind):  # as pandas' categories
        kind = kind.value_type
    text = types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view"
    if not text and not (name == "document" and types.is_null(kind)):
        raise InvalidInput(f"the column {name!r} is {kind}, not text")
    found: list[Any] = column.to_pylist()
    return found


def _metadata(row: int, text: str) -> Metadata:
    try:
        found = from_json(text)
    except ValueError as error:
        raise InvalidInput(f"metadata[{row}] is no JSON: {error!s:.100}") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"metadata[{row}] is no JSON object: {text[:60]!r}")
    return found


def parquet_settings(*, vectors: bool) -> dict[str, Any]:
    """How records are written as Parquet: zstd, vectors split by byte (about 15 % smaller than without)."""
    return {
        "compression": "zstd",
        "use_dictionary": False,
        "use_byte_stream_split": ["vector.list.element"] if vectors else False,
    }


def to_parquet(records: Records, path: str | os.PathLike[str]) -> None:
    """One Parquet file, there whole or not at all; see ``parquet_settings``. A link there is replaced, not followed.

    Raises:
        InvalidInput: ``path`` is a URL.
        OSError: The file cannot be written.
    """
    pq = load("pyarrow.parquet")
    place = Path(path)
    refuse_url("path", place)
    with durable.replacing(place) as file:
        pq.write_table(to_arrow(records), file, **parquet_settings(vectors=records.vectors is not None))


def from_parquet(path: str | os.PathLike[str]) -> Records:
    """The inverse of ``to_parquet``; raises ``InvalidInput`` for a file that cannot be read, or is not of this form.

    A pipe or a device is refused, and not waited for.
    """
    if not isinstance(path, str | os.PathLike):
        raise InvalidInput(f"from_parquet takes a path, not {brief(path)}")
    place = Path(path)
    refuse_url("path", place)
    pq = load("pyarrow.parquet")
    try:
        with durable.reading(place) as file:
            table = pq.read_table(file)
    except (OSError, ValueError, LookupError, NotImplementedError) as error:  # Arrow's own kinds are among them
        raise InvalidInput(f"{shown(path)} cannot be read as Parquet: {error!s:.200}") from error
    return from_arrow(table)


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


def to_pandas(records: Records) -> pandas.DataFrame:
    """A DataFrame with one row a record; vectors are float32 arrays, metadata are dicts."""
    _check_no_fields(records)
    pd = load("pandas")
    columns: dict[str, Any] = {"id": records.ids}
    if records.vectors is not None:
        columns["vector"] = list(records.vectors)
    if records.documents is not None:
        columns["document"] = pd.Series(records.documents, dtype=object)
    if records.metadatas is not None:
        columns["metadata"] = records.metadatas
    frame: pandas.DataFrame = pd.DataFrame(columns)
    return frame


def from_pandas(frame: pandas.DataFrame) -> Records:
    """The inverse of ``to_pandas``.

    Raises:
        InvalidInput: Not a DataFrame, other columns, or documents or vectors that are none.
    """
    with reading("the frame"):
        return _from_pandas(frame)


def _from_pandas(frame: pandas.DataFrame) -> Records:
    names = [str(name) for name in frame.columns]
    _check_columns(names)
    return Records(
        frame["id"].tolist(),
        _stacked(frame["vector"].tolist()) if "vector" in names else None,
        [_document(row, text) for row, text in enumerate(frame["document"].tolist())] if "document" in names else None,
        frame["metadata"].tolist() if "metadata" in names else None,
    )


def _document(row: int, given: object) -> str | None:
    if given is None or isinstance(given, str):
        return given
    if load("pandas").api.types.is_scalar(given) and load("pandas").isna(given):  # as pandas writes what is missing
        return None
    raise InvalidInput(f"document[{row}] must be a str or missing, not {brief(given)}")


def _stacked(rows: list[Any]) -> VectorArray:
    if not rows:
        return np.empty((0, 0), dtype=np.float32)
    try:
        given = np.stack(rows)
        if given.ndim != 2 or given.dtype.kind not in "iuf":  # NumPy would make numbers of texts
            raise ValueError(f"rows of {given.dtype}")
        with np.errstate(over="ignore"):  # inf, which no collection takes
            stacked: VectorArray = given.astype(np.float32, copy=False)
    except (ValueError, TypeError) as error:
        raise InvalidInput(f"the column 'vector' does not hold vectors of one length: {error!s:.100}") from error
    return stacked
