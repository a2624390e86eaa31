"""What Milvus and pymilvus make of the requests that write."""

from __future__ import annotations

import json
import struct
from typing import Any

from pymilvus import DataType
from pymilvus.grpc_gen.schema_pb2 import FieldData

from vstore.records import Records
from vstore_milvus.codec import encode
from vstore_milvus.layout import Layout
from vstore_milvus.messages import upserts
from vstore_milvus.vectors import Row

__all__ = ["answered"]


def answered(records: Records, layout: Layout) -> list[Row]:
    """Return the rows of a write as pymilvus hands them out."""
    ((_, (_, message)),) = upserts(records, encode(records, layout), layout, len(records), 1 << 40)
    columns = {data.field_name: _values(data) for data in message.fields_data}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _values(data: FieldData) -> list[Any]:
    match data.type:
        case DataType.FLOAT_VECTOR:
            flat, dimension = list(data.vectors.float_vector.data), data.vectors.dim
            return [flat[start : start + dimension] for start in range(0, len(flat), dimension)]
        case DataType.SPARSE_FLOAT_VECTOR:
            return [dict(struct.iter_unpack("<If", row)) for row in data.vectors.sparse_float_vector.contents]
        case DataType.JSON:
            return list(map(json.loads, data.scalars.json_data.data))
        case DataType.BOOL:
            return list(data.scalars.bool_data.data)
        case _:
            return list(data.scalars.string_data.data)
