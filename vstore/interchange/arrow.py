"""``Records`` to and from Arrow tables and Parquet files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from vstore.errors import InvalidInput, brief, reading
from vstore.fields import check_field_name
from vstore.interchange.fields import as_lists, dense_rows, from_column, is_list, is_sparse, load, to_column
from vstore.records import Metadata, Records
from vstore.regular import refuse_url, shown
from vstore.spi import durable
from vstore.spi.codec import from_json, to_json

if TYPE_CHECKING:
    import pyarrow

__all__ = ["OWN", "check_columns", "from_arrow", "from_parquet", "parquet_settings", "to_arrow", "to_parquet"]

OWN: Final = ("id", "vector", "document", "metadata")
"""The columns of a record beside its named fields."""


def check_columns(names: Sequence[str], fields: Sequence[str]) -> None:
    """Raises ``InvalidInput`` where a table has no ids, or columns beside ``fields`` that records have not."""
    unknown = sorted(set(names) - {*OWN, *fields})
    if "id" not in names or unknown:
        raise InvalidInput(
            f"a table of records has the columns {', '.join(OWN)}, and named fields; found {', '.join(names)}",
            hint=f"Rename or drop {', '.join(unknown)}." if unknown else "Add the column id.",
        )
    for name in fields:
        check_field_name(name)


def to_arrow(records: Records) -> pyarrow.Table:
    """An Arrow table with one row a record."""
    pa = load("pyarrow")
    columns: dict[str, Any] = {"id": pa.array(records.ids, pa.string())}
    if records.vectors is not None:
        flat = pa.array(np.ascontiguousarray(records.vectors).reshape(-1), pa.float32())
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, records.vectors.shape[1])
    columns |= {name: to_column(column) for name, column in records.fields.items()}
    if records.documents is not None:
        columns["document"] = pa.array(records.documents, pa.string())
    if records.metadatas is not None:
        columns["metadata"] = pa.array([to_json(metadata) for metadata in records.metadatas], pa.string())
    return pa.table(columns)


def from_arrow(table: pyarrow.Table) -> Records:
    """The inverse of ``to_arrow``.

    Raises:
        InvalidInput: Other columns, a null id or vector, vectors that are not lists of float32 of one length, sparse
            ones that are none, texts that are none, or metadata that are no JSON objects.
    """
    with reading("the table"):
        return _from_arrow(table)


def _from_arrow(table: pyarrow.Table) -> Records:
    names = table.column_names
    fields = [one for one in table.schema if one.name not in OWN and (is_list(one.type) or is_sparse(one.type))]
    check_columns(names, [one.name for one in fields])
    for name in {"id", "vector", "metadata"} & set(names):
        if table.column(name).null_count:
            raise InvalidInput(f"the column {name!r} has nulls")
    return Records(
        _texts(table, "id"),
        dense_rows(table.field("vector"), table.column("vector")) if "vector" in names else None,
        _texts(table, "document") if "document" in names else None,
        [_metadata(row, text) for row, text in enumerate(_texts(table, "metadata"))] if "metadata" in names else None,
        {one.name: from_column(one, table.column(one.name)) for one in fields},
    )


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


def parquet_settings(schema: pyarrow.Schema) -> dict[str, Any]:
    """How records are written as Parquet: zstd, vectors split by byte (about 15 % smaller than without)."""
    dense = [f"{one.name}.list.element" for one in schema if is_list(one.type)]
    sparse = [f"{one.name}.values.list.element" for one in schema if is_sparse(one.type)]
    return {"compression": "zstd", "use_dictionary": False, "use_byte_stream_split": dense + sparse or False}


def to_parquet(records: Records, path: str | os.PathLike[str]) -> None:
    """One Parquet file, there whole or not at all; see ``parquet_settings``. A link there is replaced, not followed.

    Raises:
        InvalidInput: ``path`` is a URL.
        OSError: The file cannot be written.
    """
    pq = load("pyarrow.parquet")
    place = Path(path)
    refuse_url("path", place)
    table = as_lists(to_arrow(records))
    with durable.replacing(place) as file:
        pq.write_table(table, file, **parquet_settings(table.schema))


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
