"""Which fields of a row become the id, the document and the metadata of a record."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from vstore.errors import InvalidInput
from vstore.keys import encodable
from vstore.load.rows import Row
from vstore.records import Record
from vstore.transfer.files.vector_columns import VectorColumn, rounded
from vstore.wording import a_type

__all__ = ["Fields"]

_BOOLS: Final = {"true": True, "false": False}
_ALL: Final = "*"
_FINER: Final = re.compile(r"[.,][0-9]{6}[0-9]*[1-9]")


def _number(text: str) -> str:
    if "_" in text:  # Python takes 2024_05 for 202405
        raise ValueError(text)
    return text


def _moment(text: str) -> datetime:
    if _FINER.search(text):  # Python cuts off what is finer than a microsecond
        raise ValueError(text)
    return datetime.fromisoformat(text)


_READ: Final[dict[str, Callable[[str], Any]]] = {
    "str": str,
    "int": lambda text: int(_number(text)),
    "float": lambda text: float(_number(text)),
    "bool": lambda text: _BOOLS[text.lower()],
    "datetime": _moment,
}
_HINTS: Final = {"bool": "Write true or false.", "datetime": "Write 2024-05-01T10:00:00.123456+02:00."}


@dataclass(frozen=True, slots=True)
class Fields:
    """Names of fields, each with a type where one is asked for.

    Attributes:
        id: Field of the id.
        text: Field of the document.
        metadata: Fields of the metadata that are named, which keep their names.
        everything: Whether all other fields of a row are metadata too.
        types: By name ``str``, ``int``, ``float``, ``bool`` or ``datetime``: what a text is read as.
        vectors: Columns of the vectors of named fields.
    """

    id: str
    text: str
    metadata: tuple[str, ...]
    types: Mapping[str, str]
    everything: bool = False
    vectors: tuple[VectorColumn, ...] = ()

    @classmethod
    def parse(
        cls,
        *,
        id: str,  # noqa: A002 - the name of the option
        text: str,
        metadata: str = _ALL,
        vectors: Sequence[str] = (),
    ) -> Self:
        """Reads ``NAME`` and ``NAME:TYPE``; metadata is several of them with commas between.

        ``*`` among them stands for all fields that are neither named nor the id, the text or a vector.

        Args:
            id: Field of the id.
            text: Field of the document.
            metadata: Fields of the metadata.
            vectors: For each named field ``NAME=COLUMN``, see ``VectorColumn.parse``.

        Raises:
            InvalidInput: An empty name, a name twice in metadata or vectors, an unknown type.
        """
        types: dict[str, str] = {}
        names = [_name(part, types) for part in (id, text, *(metadata.split(",") if metadata else ()))]
        kept = [name for name in names[2:] if name != _ALL]
        if len(names) > len(kept) + 3 or len(set(kept)) != len(kept):
            raise InvalidInput(f"a field stands twice in {metadata!r}")
        columns = tuple(map(VectorColumn.parse, vectors))
        if len({one.name for one in columns}) != len(columns):
            raise InvalidInput("--field names a field twice")
        return cls(names[0], names[1], tuple(kept), types, everything=len(names) > len(kept) + 2, vectors=columns)

    @property
    def columns(self) -> list[str]:
        """All fields that are named, each once."""
        return list(dict.fromkeys((self.id, self.text, *self.metadata, *(one.column for one in self.vectors))))

    def record(self, row: Row) -> Record:
        """The record of a row, with its vector still to be made.

        Raises:
            InvalidInput: The row cannot be read, its id or text is missing, or a value is not of the type asked for.
        """
        if row.error:
            raise InvalidInput(row.error)
        record_id, text = self._value(row, self.id), self._value(row, self.text)
        for name, value, option in ((self.id, record_id, "id"), (self.text, text, "text")):
            if value is None:
                raise InvalidInput(f"the field {name!r} is missing or null")
            if type(value) is not str:
                raise InvalidInput(
                    f"the field {name!r} is {a_type(type(value))}, not a str", hint=f"Write --{option} {name}:str."
                )
        names = dict.fromkeys(self.metadata)
        if self.everything:
            used = {self.id, self.text, *(one.column for one in self.vectors)}
            names |= dict.fromkeys(name for name in row.fields if name not in used)
        metadata = {name: self._value(row, name) for name in names}
        fields = {one.name: one.vector(row.fields.get(one.column), rounded) for one in self.vectors}
        return Record(record_id, document=text, metadata=metadata, fields=fields)

    def _value(self, row: Row, name: str) -> Any:
        """A field's value; of a type asked for, where an empty text is no value."""
        value, kind = row.fields.get(name), self.types.get(name)
        if kind is None or value is None:
            return value
        if kind == "str" and type(value) is int:
            return str(value)
        if type(value) is not str:
            if type(value).__name__ == kind:
                return value
            raise InvalidInput(f"the field {name!r} is {a_type(type(value))}, not a {kind}")
        if kind != "str" and not value:
            return None
        try:
            return _READ[kind](value)
        except (ValueError, KeyError):
            raise InvalidInput(f"the field {name!r} is no {kind}: {value!r:.80}", hint=_HINTS.get(kind, "")) from None


def _name(text: str, types: dict[str, str]) -> str:
    name, colon, kind = text.strip().rpartition(":")
    if not colon:
        name = kind
    elif kind not in _READ or name == _ALL:
        raise InvalidInput(
            f"{kind!r} is no type of a field" if name != _ALL else "* takes no type",
            hint=f"Types are {', '.join(_READ)}.",
        )
    else:
        types[name] = kind
    if not name or not encodable(name):
        raise InvalidInput("the name of a field is empty, or no text")
    return name
