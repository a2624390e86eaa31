"""How to read a collection that vstore did not create: plain data, with a JSON form.

A database's row is seen as its key, its vector and an object of named fields: the columns of a PostgreSQL table, the
payload of a Qdrant point, the fields of a Milvus entity, and for Chroma the two fields ``document`` and ``metadata``.
A ``RecordMapping`` says where in them a record's id, vector, document and metadata are. A place is a path:
``("metadata", "source")`` is the key ``source`` of the object in the field ``metadata``; a text that holds JSON is
walked into like an object.
"""

from __future__ import annotations

import json
from collections import abc
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, TypeAlias

from vstore.errors import InvalidInput, brief, plain, reading
from vstore.fields import check_field_name
from vstore.indexing import Metric

__all__ = ["ALL", "LAYOUTS", "ColumnType", "IdType", "MissingVector", "Outside", "Path", "RecordMapping"]

Path: TypeAlias = tuple[str, ...]

ALL: Final = ("*",)
LAYOUTS: Final = ("dify", "haystack", "langchain", "llamaindex", "mem0", "n8n", "open-webui", "plain")
"""The packages whose layouts are known by name, and the natural form of a database for a program of one's own."""


class IdType(StrEnum):
    """What the database's ids are; in vstore every id is a str, and each of these turns into one and back."""

    TEXT = "text"
    """The text itself."""
    INT = "int"
    """A 64-bit integer: 5 is ``"5"``."""
    UUID = "uuid"
    """A UUID in its usual form, 36 characters in lower case."""
    INT_OR_UUID = "int_or_uuid"
    """Qdrant's points: an unsigned integer or a UUID."""


class ColumnType(StrEnum):
    """What a field of metadata is where vstore makes the place for it: a column of a table."""

    TEXT = "text"
    BIGINT = "bigint"
    DOUBLE = "double precision"
    BOOLEAN = "boolean"
    TIMESTAMPTZ = "timestamptz"
    """A datetime."""
    JSONB = "jsonb"
    """Any value of metadata."""


class Outside(StrEnum):
    """What becomes of a value that the contract does not have, such as ``[]`` or ``[1, "a"]``."""

    REFUSE = "refuse"
    """The read fails and names record and key."""
    TEXT = "text"
    """It comes as its JSON text."""
    DROP = "drop"
    """The record comes without this key."""


class MissingVector(StrEnum):
    """What becomes of a row without a vector."""

    REFUSE = "refuse"
    """A read that wants its vector fails and names the record."""
    SKIP = "skip"
    """It is no record: no read and no count knows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMapping:
    """Where a foreign collection keeps what a record is made of. An enum's word is taken for its member.

    Attributes:
        id: Path of the id; empty for the database's own key (a point's id, the primary key).
        vector: Name of the vector: a column, a field, or a Qdrant vector's name; empty for the only one.
        vectors: Named fields of the records, and the name of the further vector that each of them reads.
        document: Path of the document; None where there is none.
        metadata: Path of the object whose keys are the metadata; empty for the row's fields themselves, those that
            serve as id, vector or document left out; None where only ``fields`` are metadata.
        fields: Further fields that are metadata under their own names; ``("*",)`` for all that are left.
        hidden: Keys of the metadata, as read, that are left out.
        id_type: What the ids are; None to take what the database says.
        metric: How nearness is measured; None to take what the database says, as an index of it does.
        dimension: Components of a vector; None to take what the database says, or the first record.
        outside: What becomes of a value that the contract does not have.
        missing_vector: What becomes of a row without a vector.
        table: The table, or schema and table, where that is not the collection's name; in Qdrant and Milvus the
            database's own collection. Not for Chroma.
        only: Columns and the values, as text, that a row must have to belong to the collection; in Qdrant and Milvus
            keys and fields with texts. Such columns are no metadata. Not for Chroma.
        id_columns: Several columns that are the id together, in place of ``id``: their texts as a JSON list, such as
            ``["acme","17"]``. PostgreSQL only.
        types: What the fields of metadata are, by their names: ``text``, ``bigint``, ``double precision``, ``boolean``,
            ``timestamptz`` or ``jsonb``. Needed where vstore makes the collection by this mapping, in a database whose
            columns have types; reading does not heed it.

    Raises:
        InvalidInput: A field that is not of its type.
    """

    id: Path = ()
    vector: str = ""
    document: Path | None = None
    metadata: Path | None = ()
    fields: Path = ()
    hidden: Path = ()
    id_type: IdType | None = None
    metric: Metric | None = None
    dimension: int | None = None
    outside: Outside = Outside.REFUSE
    missing_vector: MissingVector = MissingVector.REFUSE
    table: Path = ()
    only: abc.Mapping[str, str] = field(default_factory=dict, hash=False)
    vectors: abc.Mapping[str, str] = field(default_factory=dict, hash=False)
    id_columns: Path = ()
    types: abc.Mapping[str, ColumnType] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("id", "document", "metadata", "fields", "hidden", "table", "id_columns"):
            _check_names(name, getattr(self, name), optional=name in ("document", "metadata"))
        if self.document == ():
            raise InvalidInput("a mapping's document must be a path of one name or more, or None")
        if self.id_columns and (self.id or len(self.id_columns) < 2 or self.id_type not in (None, "text")):
            raise InvalidInput("a mapping's id_columns are two or more, in place of id, and their type is text")
        if len(self.table) > 2:
            raise InvalidInput("a mapping's table is one name, or schema and table")
        if self.fields and self.metadata == ():
            raise InvalidInput(
                "a mapping whose metadata are the row's own fields takes no fields=",
                hint="Name in hidden= what is to be left out, or set metadata to None and name the fields.",
            )
        if type(self.vector) is not str:
            raise InvalidInput(f"a mapping's vector must be a str, not {brief(self.vector)}")
        for name in _KINDS:
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, _member(name, value))  # "cosine" is as good as Metric.COSINE
        if self.outside is None or self.missing_vector is None:
            raise InvalidInput("a mapping's outside and missing_vector must not be None")
        if self.dimension is not None and (type(self.dimension) is not int or self.dimension < 1):
            raise InvalidInput(f"a mapping's dimension must be an int of at least 1, not {brief(self.dimension)}")
        for name in ("only", "vectors"):
            _check_texts(name, getattr(self, name))
        _check_texts("types", self.types, {str, ColumnType})
        object.__setattr__(self, "types", {name: _member("types", one) for name, one in self.types.items()})
        _check_names("types", tuple(self.types), optional=False)
        if self.metadata != () and self.fields != ALL and (other := sorted(set(self.types) - set(self.fields))):
            raise InvalidInput(
                f"a mapping's types name {other[0]!r}, which is none of its fields", hint="Name it in fields= too."
            )
        for name in self.vectors:
            check_field_name(name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON form; a path of one name is that name."""
        out: dict[str, Any] = {}
        for name, value in asdict(self).items():
            if name in ("id", "document", "metadata"):
                out[name] = value[0] if value is not None and len(value) == 1 else None if value is None else [*value]
            else:
                out[name] = [*value] if isinstance(value, tuple) else dict(value) if name in _DICTS else value
        return out

    def to_json(self) -> str:
        """The mapping as JSON text, to be saved and given back to ``from_json``."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    @classmethod
    def from_dict(cls, data: object) -> RecordMapping:
        """The inverse of ``to_dict``; what is left out has its default.

        Raises:
            InvalidInput: Not a dict, a name that is not known, or a value that is not legal.
        """
        if not isinstance(data, dict):
            raise InvalidInput(f"a mapping must be a JSON object, not {type(data).__name__}")
        known = {one.name for one in fields(cls)}
        if unknown := sorted(str(name) for name in data if name not in known):
            raise InvalidInput(f"a mapping does not know {unknown[0]!r}", hint=f"It knows {', '.join(sorted(known))}.")
        given: dict[str, Any] = {}
        for name, value in data.items():
            if name in ("id", "document", "metadata", "table") and isinstance(value, str):
                given[name] = (value,)
            else:
                given[name] = tuple(value) if isinstance(value, list) else value
        return cls(**given)

    @classmethod
    def from_json(cls, text: str) -> RecordMapping:
        """The inverse of ``to_json``."""
        try:
            data = json.loads(text)
        except (ValueError, TypeError, RecursionError) as error:
            raise InvalidInput(f"a mapping must be JSON: {brief(error)}") from error
        return cls.from_dict(data)


_KINDS: Final[dict[str, type[StrEnum]]] = {
    "id_type": IdType,
    "metric": Metric,
    "outside": Outside,
    "missing_vector": MissingVector,
}
_DICTS: Final = ("only", "vectors", "types")


def _member(name: str, value: object) -> StrEnum:
    kind = ColumnType if name == "types" else _KINDS[name]
    for member in kind:
        if isinstance(value, str) and plain(value) == member.value:
            return member
    choices = ", ".join(repr(member.value) for member in kind)
    raise InvalidInput(f"a mapping's {name} must be one of {choices}, not {brief(value)}")


def _check_texts(name: str, value: object, kinds: abc.Set[type] = frozenset({str})) -> None:
    with reading(f"a mapping's {name}"):
        pairs = list(value.items()) if isinstance(value, abc.Mapping) else None
    if pairs is None or {type(x) for pair in pairs for x in pair} - kinds:
        raise InvalidInput(f"a mapping's {name} must be a dict of str to str")


def _check_names(name: str, value: object, *, optional: bool) -> None:
    if value is None and optional:
        return
    if not isinstance(value, tuple) or any(type(part) is not str or not part for part in value):
        raise InvalidInput(f"a mapping's {name} must be a tuple of str, not {brief(value)}")
