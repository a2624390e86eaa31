"""From the columns of an Arrow table that vstore did not write to records."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from vstore.errors import InvalidInput, Mismatch
from vstore.info import CollectionInfo
from vstore.interchange import from_arrow, load
from vstore.interchange.fields import holds
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.spi.codec import from_json
from vstore.transfer.files.bounds import check_dimension, check_lists, check_texts, is_list
from vstore.transfer.files.columns import Columns, as_float32, converted, joined, not_read, softened
from vstore.transfer.files.format import ALL, TEXT, dense_bytes, dimension_of, everything

if TYPE_CHECKING:
    import pyarrow

__all__ = ["ForeignTable", "OwnTable", "TableDecoder", "decoder"]


class OwnTable:
    """Tables in vstore's own form, see ``vstore.interchange``."""

    id_rule = TEXT
    notes: tuple[str, ...] = ()
    vector = "vector"

    def __init__(self, schema: pyarrow.Schema, info: CollectionInfo) -> None:
        pa = load("pyarrow")
        text = pa.string()
        self.all = everything(info)
        self._info = info
        found = {field.name: field.type for field in schema}
        wanted = ["id", *(["vector"] if info.dimension else []), *info.fields, "document", "metadata"]
        if (
            len(found) != len(schema)
            or not found.keys() >= set(wanted)
            or any(found[name] != text for name in ("id", "document", "metadata"))
            or not all(holds(found[name], dimension_of(info, name)) for name in info.fields)
        ):
            raise Mismatch("its columns are not those that its manifest tells of", hint="Restore it, or export again.")
        self.omissions = [not_read(name) for name in schema.names if name not in wanted]
        if not info.dimension:
            return
        vector = found["vector"]
        if not pa.types.is_fixed_size_list(vector) or vector.value_type != pa.float32():
            raise Mismatch(f"its vectors are {vector}, not float32", hint="Restore it, or export again.")
        check_dimension(vector.list_size)

    @property
    def dimensions(self) -> dict[str, int]:
        """The named dense fields."""
        found = {name: dimension_of(self._info, name) for name in self._info.fields}
        return {name: dimension for name, dimension in found.items() if dimension is not None}

    def width(self, include: Include) -> int:
        """Bytes of the dense vectors of one record."""
        return dense_bytes(self._info, include)

    def names(self, include: Include) -> list[str]:
        """The columns to read."""
        wanted = {"vector": include.vectors, "document": include.documents, "metadata": include.metadatas}
        return ["id", *(name for name, asked in wanted.items() if asked), *include.fields]

    def records(self, table: pyarrow.Table, include: Include) -> Records:
        """The records of a table that has these columns."""
        for name in {"id", "document", "metadata"} & set(table.column_names):
            check_texts(f"{name}s", table.column(name))
        return from_arrow(table)


class ForeignTable:
    """Tables of any other form."""

    all = ALL
    dimensions: Mapping[str, int] = MappingProxyType({})

    def __init__(self, schema: pyarrow.Schema, columns: Columns) -> None:
        pa = load("pyarrow")
        self._allow = columns.allow
        # pandas keeps the labels of its rows in a column of this name
        index = [name for name in schema.names if name.startswith("__index_level_")]
        names = [name for name in schema.names if name not in index]
        self.vector = columns.vector
        layout = columns.layout(names, (f.name for f in schema if is_list(f.type) and _is_number(f.type.value_type)))
        kinds = {name: schema.field(name).type for name in names if name not in layout.left_out}
        self.id_rule = _id_rule(layout.id, kinds[layout.id])
        vector = kinds[layout.vector]
        if isinstance(vector, pa.BaseExtensionType):
            vector = vector.storage_type
        if not (is_list(vector) and _is_number(vector.value_type)):
            raise InvalidInput(f"the column {layout.vector!r} is {vector}, not lists of numbers", hint="Say --vector.")
        if layout.document is not None and not _is_text(kinds[layout.document]):
            raise InvalidInput(f"the column {layout.document!r} is {kinds[layout.document]}, not text")
        if pa.types.is_fixed_size_list(vector):
            check_dimension(vector.list_size)
        self._object_is_text = layout.object is not None and _is_text(kinds[layout.object])
        if layout.object is not None and not (self._object_is_text or pa.types.is_struct(kinds[layout.object])):
            raise InvalidInput(
                f"the column {layout.object!r} is {kinds[layout.object]}, neither a struct nor JSON text",
                hint=f"--metadata {layout.object} takes it as one value.",
            )
        self._layout = layout
        values = [*layout.keys, *([layout.object] if layout.object and not self._object_is_text else [])]
        self._targets = {name: _target(name, kinds[name], columns.allow) for name in values}
        self.notes = [f"not read: {name}" for name in (*layout.left_out, *index)]
        self.omissions = converted(columns.allow) + [not_read(name, chosen=True) for name in layout.left_out]
        # pandas counts rows in an index of integers; any other says something of them
        self.omissions += [not_read(name, chosen=pa.types.is_integer(schema.field(name).type)) for name in index]
        if _is_text(kinds[layout.id]) is False:
            self.notes.append(f"ids: {kinds[layout.id]} as text")
        if vector.value_type not in (pa.float16(), pa.float32()):
            change = "rounded to" if "float32" in columns.allow else "kept exactly in"
            self.notes.append(f"vectors: {vector.value_type} {change} float32")

    def width(self, include: Include) -> int:
        """See ``OwnTable``: what the file itself does not tell."""
        return 0

    def names(self, include: Include) -> list[str]:
        """The columns to read."""
        layout = self._layout
        wanted = [layout.id]
        if include.vectors:
            wanted.append(layout.vector)
        if include.documents and layout.document is not None:
            wanted.append(layout.document)
        if include.metadatas:
            wanted += [*([layout.object] if layout.object is not None else []), *layout.keys]
        return wanted

    def records(self, table: pyarrow.Table, include: Include) -> Records:
        """The records of a table that has these columns.

        Raises:
            InvalidInput: A value that a record cannot have, naming the row.
        """
        layout = self._layout
        column = table.column(layout.id)
        _no_nulls("ids", column)
        ids = _texts("ids", column)
        documents: list[str | None] | None = None
        if include.documents:
            named = layout.document
            documents = [None] * len(ids) if named is None else _texts("documents", table.column(named))
        return Records(
            ids,
            self._vectors(table.column(layout.vector)) if include.vectors else None,
            documents,
            self._metadatas(table) if include.metadatas else None,
        )

    def _vectors(self, column: pyarrow.ChunkedArray) -> VectorArray:
        pa, pc = load("pyarrow"), load("pyarrow.compute")
        _no_nulls("vectors", column)
        array = column.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # what combines no chunks at all
            array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        if pa.types.is_fixed_size_list(array.type):
            dimension = array.type.list_size
        else:
            lengths = pc.list_value_length(array).to_numpy(zero_copy_only=False)
            dimension = int(lengths[0]) if len(lengths) else 0
            if (lengths != dimension).any():
                row = int((lengths != dimension).argmax())
                raise InvalidInput(f"vectors[{row}] has {lengths[row]} numbers, and vectors[0] has {dimension}")
        check_dimension(dimension)
        flat = array.flatten()
        if flat.null_count:
            row = int(flat.is_null().to_numpy(zero_copy_only=False).argmax()) // dimension
            raise InvalidInput(f"vectors[{row}] holds a null")
        return as_float32(flat.to_numpy(zero_copy_only=False).reshape(len(array), dimension), self._allow)

    def _metadatas(self, table: pyarrow.Table) -> list[Metadata]:
        layout = self._layout
        columns = [(key, self._values(key, table.column(key))) for key in layout.keys]
        rows = [{key: values[row] for key, values in columns} for row in range(len(table))]
        if layout.object is not None:
            column = table.column(layout.object)
            inner = _objects(column) if self._object_is_text else self._values(layout.object, column)
            rows = [joined(row, one or {}, outer) for row, (one, outer) in enumerate(zip(inner, rows, strict=True))]
        return [softened(row, self._allow) for row in rows]

    def _values(self, name: str, column: pyarrow.ChunkedArray) -> list[Any]:
        pa = load("pyarrow")
        target = self._targets[name]
        check_lists(name, column)
        try:
            found: list[Any] = (column if column.type == target else column.cast(target)).to_pylist()
        except (pa.ArrowInvalid, OverflowError, ValueError) as error:
            raise InvalidInput(
                f"the column {name!r} holds what metadata cannot: {error!s:.200}",
                hint="Convert it, or name the columns to take with --metadata.",
            ) from error
        return found


TableDecoder = OwnTable | ForeignTable


def decoder(schema: pyarrow.Schema, told: CollectionInfo | Columns) -> TableDecoder:
    """What makes records of tables of this schema: of a collection that vstore wrote, or of columns of others."""
    return ForeignTable(schema, told) if isinstance(told, Columns) else OwnTable(schema, told)


def _objects(column: pyarrow.ChunkedArray) -> list[Metadata]:
    found: list[Metadata] = []
    for row, text in enumerate(_texts("metadatas", column)):
        try:
            one = {} if text is None else from_json(text, strict=True)
        except ValueError:
            one = None
        if not isinstance(one, dict):
            raise InvalidInput(
                f"metadatas[{row}] is not a JSON object: {text!r:.60}",
                hint="--metadata COLUMN takes the column as plain text.",
            )
        found.append(one)
    return found


def _texts(what: str, column: pyarrow.ChunkedArray) -> list[Any]:
    """What a column of texts, or of ids that become texts, holds."""
    texts = column.cast(load("pyarrow").string())
    check_texts(what, texts)
    found: list[Any] = texts.to_pylist()
    return found


def _no_nulls(what: str, column: pyarrow.ChunkedArray) -> None:
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise InvalidInput(f"{what}[{row}] is null", hint="Every record has an id and a vector.")


def _is_number(kind: pyarrow.DataType) -> bool:
    types = load("pyarrow").types
    return bool(types.is_floating(kind) or types.is_integer(kind))


def _is_text(kind: pyarrow.DataType) -> bool:
    types = load("pyarrow").types
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view")


def _id_rule(name: str, kind: pyarrow.DataType) -> str:
    if _is_text(kind):
        return TEXT
    if load("pyarrow").types.is_integer(kind):
        return f"{kind} as text"
    raise InvalidInput(f"the column {name!r} is {kind}; ids are text or integers", hint="Convert it to text.")


def _target(name: str, kind: pyarrow.DataType, allow: frozenset[str]) -> pyarrow.DataType:
    """The type whose Python values are metadata; raises ``InvalidInput`` where there is none."""
    pa = load("pyarrow")
    types = pa.types
    if types.is_dictionary(kind):
        return _target(name, kind.value_type, allow)
    if _is_text(kind):
        return pa.string()
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_null(kind):
        return kind
    if types.is_floating(kind):
        return pa.float64()
    if types.is_timestamp(kind):
        if kind.tz is None and "naive-utc" not in allow:
            raise InvalidInput(
                f"the column {name!r} holds moments without a time zone",
                hint="--allow naive-utc takes them as UTC.",
            )
        return pa.timestamp("us", "UTC")
    if is_list(kind):
        return pa.list_(_target(name, kind.value_type, allow))
    if types.is_struct(kind):
        return pa.struct([(field.name, _target(name, field.type, allow)) for field in kind])
    raise InvalidInput(
        f"the column {name!r} is {kind}, which metadata cannot hold",
        hint="Convert it, or name the columns to take with --metadata.",
    )
