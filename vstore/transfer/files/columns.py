"""Which columns of a foreign file are what, and which of its values may change on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vstore.errors import InvalidInput
from vstore.omission import Omission, OmissionKind
from vstore.records import Metadata, VectorArray
from vstore.regular import listed, shown
from vstore.transfer.files.vector_columns import ToFloat32, VectorColumn

__all__ = [
    "ALLOWABLE",
    "OWN",
    "Columns",
    "Layout",
    "as_float32",
    "converted",
    "exactly",
    "joined",
    "not_read",
    "softened",
]

ALLOWABLE: Final = {
    "float32": "numbers in vectors that float32 cannot hold are rounded",
    "naive-utc": "moments without a time zone are taken as UTC",
    "nan-as-missing": "metadata values that are NaN are left out",
    "empty-as-missing": "metadata values that are empty lists are left out",
}


OWN: Final = frozenset(("id", "vector", "document", "metadata"))
"""The columns of vstore's own form."""


def not_read(name: str, *, chosen: bool = False) -> Omission:
    """A column, or key, that becomes no part of a record; ``chosen`` where ``--metadata`` names the others."""
    return Omission(OmissionKind.FIELDS, name, f"{shown(name)} is not read", needs_leave=not chosen)


def converted(allow: Collection[str]) -> list[Omission]:
    """What may change on the way, as the caller has allowed by name."""
    return [
        Omission(OmissionKind.OUTSIDE, name, f"{name}: {text}", needs_leave=False)
        for name, text in ALLOWABLE.items()
        if name in allow
    ]


@dataclass(frozen=True, slots=True)
class Columns:
    """How to read files that vstore did not write. Names are those of columns, or of keys in JSON lines.

    Attributes:
        id: Ids: text, or integers, which become text.
        vector: Vectors: lists of numbers, all of one length.
        document: Documents: text or null.
        object: A struct, or text that is a JSON object; its keys become metadata keys.
        metadata: Columns that become metadata keys; by default all that are left.
        allow: What may change, by name; see ``ALLOWABLE``.
        fields: The vectors of named fields, each of a kind that is said.
    """

    id: str = "id"
    vector: str = "vector"
    document: str = "document"
    object: str = "metadata"
    metadata: tuple[str, ...] | None = None
    allow: frozenset[str] = frozenset()
    fields: tuple[VectorColumn, ...] = ()

    def __post_init__(self) -> None:
        if untold := [one for one in self.fields if one.kind is None]:
            raise InvalidInput(
                f"nothing tells what the field {untold[0].name!r} is",
                hint=f"Say --field {untold[0].name}={untold[0].column}:cosine, l2, dot or sparse.",
            )
        if len({one.name for one in self.fields}) != len(self.fields):
            raise InvalidInput("--field names a field twice")
        if unknown := sorted(set(self.allow) - set(ALLOWABLE)):
            raise InvalidInput(f"nothing to allow is called {unknown[0]!r}", hint=f"Known: {', '.join(ALLOWABLE)}.")
        chosen = [self.id, self.vector, self.document, *(self.metadata or ()), *(one.column for one in self.fields)]
        if twice := sorted({name for name in chosen if chosen.count(name) > 1}):
            raise InvalidInput(f"the column {twice[0]!r} is named for two purposes")

    def layout(self, names: Sequence[str], candidates: Iterable[str] = ()) -> Layout:
        """What each column of a file is.

        Args:
            names: All of its columns.
            candidates: Those that could be vectors, for the error.

        Raises:
            InvalidInput: One that is needed or named is not there, or a name is there twice.
        """
        if twice := sorted(name for name, number in Counter(names).items() if number > 1):
            raise InvalidInput(f"there are two columns {twice[0]!r}")
        there = listed(names)
        if self.id not in names:
            raise InvalidInput(f"there is no column {self.id!r} for the ids", hint=f"Say --id; there are: {there}.")
        if missing := [one.column for one in self.fields if one.column not in names]:
            raise InvalidInput(f"there is no column {missing[0]!r} for a field", hint=f"There are: {there}.")
        vector = None if self.fields and self.vector == Columns().vector and self.vector not in names else self.vector
        if vector is not None and vector not in names:
            fitting = listed(list(candidates))
            like = f" These hold lists of numbers: {fitting}." if fitting != "none" else ""
            raise InvalidInput(
                f"there is no column {self.vector!r} for the vectors", hint=f"Say --vector; there are: {there}.{like}"
            )
        standard = Columns()
        for name, default in ((self.document, standard.document), (self.object, standard.object)):
            if name not in names and name != default:
                raise InvalidInput(f"there is no column {name!r}", hint=f"There are: {there}.")
        if absent := sorted(set(self.metadata or ()) - set(names)):
            raise InvalidInput(f"there is no column {absent[0]!r} for metadata", hint=f"There are: {there}.")
        document = self.document if self.document in names else None
        # a column named for metadata is a plain value, even if it is called "metadata"
        object_ = self.object if self.object in names and self.object not in (self.metadata or ()) else None
        used = {self.id, vector, document, object_, *(one.column for one in self.fields)}
        rest = [name for name in names if name not in used]
        keys = rest if self.metadata is None else list(self.metadata)
        read = set(keys)
        return Layout(self.id, vector, document, object_, tuple(keys), tuple(n for n in rest if n not in read))


@dataclass(frozen=True, slots=True)
class Layout:
    """What each column of one file is; ``left_out`` are those that are not read."""

    id: str
    vector: str | None
    document: str | None
    object: str | None
    keys: tuple[str, ...]
    left_out: tuple[str, ...]


def as_float32(
    array: NDArray[Any], allow: Collection[str], *, decimal: bool = False, name: str = "vectors"
) -> VectorArray:
    """Vectors, shape (n, d), as float32 if that holds every number of them.

    Args:
        array: Any numbers.
        allow: With ``"float32"`` in it, they are rounded instead.
        decimal: They were written as decimal text: a number that is the shortest text of a float32, or its text of
            9 digits, is that float32.
        name: What errors call them.

    Raises:
        InvalidInput: A number that float32 cannot hold.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        out: VectorArray = array.astype(np.float32)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 4:
        return out
    wide = out.astype(np.float64)
    with np.errstate(invalid="ignore"):
        lost = (wide.astype(array.dtype) != array) & ~np.isnan(wide)
    if decimal and lost.any():
        short = np.array([float(str(x)) for x in out[lost]])
        nine = np.array([float(f"{x:.9g}") for x in out[lost]])
        lost[lost] = (short != array[lost]) & (nine != array[lost])
    if lost.any() and "float32" not in allow:
        row, column = (int(place[0]) for place in np.nonzero(lost))
        raise InvalidInput(
            f"{name}[{row}] holds {array[row, column]!s}, which float32 cannot: it would be {out[row, column]!s}",
            hint="--allow float32 rounds such numbers.",
        )
    return out


def exactly(allow: Collection[str], *, decimal: bool = False) -> ToFloat32:
    """What makes float32 of the numbers of one vector, as ``as_float32`` does."""
    return lambda numbers: as_float32(numbers[np.newaxis], allow, decimal=decimal, name="numbers")[0]


def softened(metadata: Metadata, allow: Collection[str]) -> Metadata:
    """Metadata without what ``allow`` says may be left out."""
    if "nan-as-missing" in allow:
        metadata = {k: v for k, v in metadata.items() if not (isinstance(v, float) and v != v)}
    if "empty-as-missing" in allow:
        metadata = {k: v for k, v in metadata.items() if v != []}
    return metadata


def joined(row: int, inner: Metadata, outer: Metadata) -> Metadata:
    """The metadata of a record from an object and from columns of its own; no key may come from both."""
    if both := inner.keys() & outer.keys():
        raise InvalidInput(
            f"metadatas[{row}]: the key {sorted(both)[0]!r} stands in the object and is a column too",
            hint="Say --metadata with the columns to take.",
        )
    return inner | outer
