"""Columns of records to the requests of pymilvus's protocol, within the limits of Milvus.

pymilvus packs rows value by value, which takes 60 µs for a record of 384 dimensions. Vectors stand in a request as they
stand in memory: its bytes are read as those of a message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from pymilvus import DataType
from pymilvus.grpc_gen.milvus_pb2 import UpsertRequest
from pymilvus.grpc_gen.schema_pb2 import FieldData

from vstore.records import Records
from vstore_milvus.layout import Layout
from vstore_milvus.vectors import Cells

__all__ = ["Upsert", "upserts"]

_PACKED: Final = b"\x0a"  # field 1, with a length: ``repeated float data = 1`` of FloatArray
_OVERHEAD: Final = 600  # of a record


class Upsert(NamedTuple):
    """One request.

    Attributes:
        records: What it writes.
        message: The request, without the names of the collection and of the partition.
    """

    records: Records
    message: UpsertRequest


def upserts(
    records: Records, cells: Cells, layout: Layout, most_rows: int, most_bytes: int
) -> Iterator[tuple[list[str], Upsert]]:
    """Yield requests of at most so many records, and so many bytes (but at least one record), each with its ids.

    Args:
        records: What to write.
        cells: The same, encoded.
        layout: Where it stands.
        most_rows: Most records of a request.
        most_bytes: About how many bytes a request may have.
    """
    start = 0
    for stop in _ends(_sizes(cells), most_rows, most_bytes):
        request = UpsertRequest(num_rows=stop - start)
        for name, values in cells.items():
            _fill(request.fields_data.add(field_name=name, type=layout.types[name]), values[start:stop])
        part = records[start:stop]
        yield part.ids, Upsert(part, request)
        start = stop


def _fill(data: FieldData, values: Any) -> None:
    match data.type:
        case DataType.FLOAT_VECTOR:
            data.vectors.dim = values.shape[1]
            content = np.ascontiguousarray(values, dtype="<f4").tobytes()
            data.vectors.float_vector.MergeFromString(_PACKED + _varint(len(content)) + content)
        case DataType.SPARSE_FLOAT_VECTOR:
            data.vectors.sparse_float_vector.contents.extend(values)
        case DataType.JSON:
            data.scalars.json_data.data.extend(values)
        case DataType.BOOL:
            data.scalars.bool_data.data.extend(values)
        case _:
            data.scalars.string_data.data.extend(values)


def _varint(number: int) -> bytes:
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*digits, number])


def _sizes(cells: Cells) -> list[int]:
    """Return about how many bytes each record takes."""
    sizes = np.full(len(cells["id"]), _OVERHEAD, dtype=np.int64)
    for values in cells.values():
        if isinstance(values, np.ndarray):
            sizes += 4 * values.shape[1]
        elif isinstance(values[0], str):  # a character has at most four bytes; the sum need not be exact
            sizes += [4 * len(text) for text in values]
        elif isinstance(values[0], bytes):
            sizes += [*map(len, values)]
    return sizes.tolist()


def _ends(sizes: Sequence[int], most_rows: int, most_bytes: int) -> Iterator[int]:
    start = size = 0
    for place, width in enumerate(sizes):
        if place > start and (place - start == most_rows or size + width > most_bytes):
            yield place
            start, size = place, 0
        size += width
    yield len(sizes)
