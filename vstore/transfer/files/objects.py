"""From the JSON objects of a file, one a record, to records."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.columns import Column
from vstore.core.field_input import check_column
from vstore.errors import InvalidInput, Mismatch
from vstore.info import CollectionInfo
from vstore.memory.store import CAPABILITIES
from vstore.omission import Omission
from vstore.records import Include, Metadata, Records, VectorArray
from vstore.regular import shown
from vstore.spi.codec import from_json
from vstore.transfer.files.columns import OWN, Columns, as_float32, converted, joined, not_read, softened
from vstore.transfer.files.format import TEXT, dense_bytes

__all__ = ["ForeignObjects", "OwnObjects"]

_EXACT: Final = 1 << 53
_DOCUMENT: Final = b', "document": '
_SPARSE: Final = {"indices", "values"}


class OwnObjects:
    """Objects in vstore's own form: ``id``, ``vector``, the named fields, ``document`` and ``metadata``, none left out.

    An absent vector of a named field is null, a sparse one an object of the lists ``indices`` and ``values``.
    """

    id_rule = TEXT
    notes: Sequence[str] = ()
    unseen: Set[str] = frozenset()

    def __init__(self, info: CollectionInfo, *, vectors: bool) -> None:
        self._info = info
        self._vectors = vectors
        self._known = OWN | set(info.fields) if vectors else OWN
        self._begins = [f', "{name}": '.encode() for name in ("vector", *info.fields)[not info.dimension :]]
        self._left: set[str] = set()

    @property
    def omissions(self) -> list[Omission]:
        """See ``Reader``."""
        return [not_read(name) for name in sorted(self._left)]

    def width(self, include: Include) -> int:
        """Bytes of the dense vectors of one record."""
        return dense_bytes(self._info, include)

    def parse(self, line: bytes, include: Include) -> Any:
        """What a line holds, as far as it is wanted.

        Vectors are most of a line, and as written by ``vstore.transfer.files.jsonl`` they are easy to leave out: they
        stand between the id, in which every quote is escaped, and the document.
        """
        if self._vectors and not include.vectors and not include.fields:
            start = line.find(self._begins[0])
            end = line.find(_DOCUMENT, start)
            if 0 < start < end:
                line = line[:start] + line[end:]
        return from_json(line.decode())

    def records(self, objects: Sequence[dict[str, Any]], include: Include) -> Records:
        """The records that these objects are."""
        vectors: VectorArray | None = None
        for one in objects:
            if one.keys() - self._known:
                self._left |= one.keys() - self._known
        try:
            if include.vectors and self._vectors:
                told = np.array([one["vector"] for one in objects])
                if told.dtype.kind not in "fiu":
                    raise Mismatch("a vector is no list of numbers", hint="Restore the file, or export again.")
                with np.errstate(over="ignore"):
                    vectors = told.astype(np.float32)
            return Records(
                [one["id"] for one in objects],
                vectors,
                [one["document"] for one in objects] if include.documents else None,
                [one["metadata"] for one in objects] if include.metadatas else None,
                {name: self._column(name, [one[name] for one in objects]) for name in include.fields if self._vectors},
            )
        except KeyError as error:
            raise Mismatch(f"a record lacks {error}", hint="Restore the file, or export again.") from error

    def _column(self, name: str, rows: list[Any]) -> Column:
        found = [_pair(one) for one in rows]
        return check_column(found, self._info.fields[name], len(rows), CAPABILITIES.limits, name=name)


def _pair(given: object) -> object:
    """One row as vectors are given: of a sparse one the indices and the values."""
    return (given["indices"], given["values"]) if isinstance(given, dict) and given.keys() == _SPARSE else given


class ForeignObjects:
    """Objects of any other form; each may have keys of its own.

    Attributes:
        id_rule: See ``Reader``.
        notes: See ``Reader``.
        unseen: See ``Reader``.

    Args:
        columns: What is what.
        first: The first object, which tells the kind of the ids, or None where the file is empty.
        vectors: Whether the objects hold vectors. In the form NPY + JSONL they stand elsewhere.
    """

    def __init__(self, columns: Columns, first: dict[str, Any] | None, *, vectors: bool) -> None:
        self._columns = columns
        self._vectors = vectors
        standard = Columns()
        optional = {columns.document, columns.object} - {standard.document, standard.object}
        self.unseen = optional | set(columns.metadata or ())
        self.id_rule = TEXT
        self._left: set[str] = set()
        self.notes: list[str] = []
        if columns.metadata is not None:
            self.notes.append(f"not read: keys other than {', '.join(map(shown, columns.metadata))}")
        if first is None:
            return
        names = [*first, *self.unseen - first.keys()]  # what one object lacks another may have
        if not vectors:
            names = [*(name for name in names if name != columns.vector), columns.vector]
        columns.layout(names, (name for name, value in first.items() if isinstance(value, list)))
        if type(first[columns.id]) is int:
            self.id_rule = "int as text"
            self.notes.append("ids: int as text")

    @property
    def omissions(self) -> list[Omission]:
        """See ``Reader``."""
        return converted(self._columns.allow) + [not_read(name, chosen=True) for name in sorted(self._left)]

    def width(self, include: Include) -> int:
        """See ``OwnObjects``: what the lines themselves do not tell."""
        return 0

    def parse(self, line: bytes, include: Include) -> Any:
        """What a line holds; a key that stands twice is a ``ValueError``."""
        return from_json(line.decode(), strict=True)

    def records(self, objects: Sequence[dict[str, Any]], include: Include) -> Records:
        """The records that these objects are.

        Raises:
            InvalidInput: A value that a record cannot have, naming it.
        """
        columns = self._columns
        if self.unseen:
            self.unseen = {name for name in self.unseen if not any(name in one for one in objects)}
        return Records(
            self._ids(objects),
            self._stacked(objects) if include.vectors and self._vectors else None,
            [one.get(columns.document) for one in objects] if include.documents else None,
            [self._metadata(row, one) for row, one in enumerate(objects)] if include.metadatas else None,
        )

    def _ids(self, objects: Sequence[dict[str, Any]]) -> list[str]:
        name = self._columns.id
        wanted = str if self.id_rule == TEXT else int
        for row, one in enumerate(objects):
            if type(one.get(name)) is not wanted:
                raise InvalidInput(
                    f"ids[{row}] is {one.get(name)!r:.80}, and the first one is of type {wanted.__name__}",
                    hint="Ids are all text, or all integers: 1 and '1' would become one id.",
                )
        return [str(one[name]) for one in objects]

    def _stacked(self, objects: Sequence[dict[str, Any]]) -> VectorArray:
        rows: list[list[Any]] = []
        for row, one in enumerate(objects):
            vector = one.get(self._columns.vector)
            if not isinstance(vector, list) or not set(map(type, vector)) <= {int, float}:
                raise InvalidInput(f"vectors[{row}] is no list of numbers: {vector!r:.60}")
            if rows and len(vector) != len(rows[0]):
                raise InvalidInput(f"vectors[{row}] has {len(vector)} numbers, and vectors[0] has {len(rows[0])}")
            if any(type(x) is int and abs(x) > _EXACT for x in vector) and "float32" not in self._columns.allow:
                raise InvalidInput(
                    f"vectors[{row}] holds an integer beyond 2**53", hint="--allow float32 rounds such numbers."
                )
            rows.append(vector)
        wide: NDArray[np.float64] = np.array(rows, dtype=np.float64)
        return as_float32(wide, self._columns.allow, decimal=True)

    def _metadata(self, row: int, one: dict[str, Any]) -> Metadata:
        columns = self._columns
        if not self._vectors and columns.vector in one:
            raise InvalidInput(f"metadatas[{row}]: {columns.vector!r} stands in the lines and in vectors.npy")
        if columns.metadata is None:
            used = {columns.id, columns.vector, columns.document, columns.object}
            outer = {key: value for key, value in one.items() if key not in used}
        else:
            outer = {key: one[key] for key in columns.metadata if key in one}
            used = {columns.id, columns.vector, columns.document, columns.object}
            self._left |= one.keys() - used - outer.keys()
        inner = None if columns.object in (columns.metadata or ()) else one.get(columns.object)
        if not isinstance(inner, dict | None):
            raise InvalidInput(
                f"metadatas[{row}] is no JSON object: {inner!r:.60}",
                hint=f"--metadata {columns.object} takes it as one value.",
            )
        return softened(joined(row, inner or {}, outer), columns.allow)
