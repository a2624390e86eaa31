"""What a named field of a collection is: ``Dense`` or ``Sparse``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from vstore.errors import InvalidInput, brief, plain
from vstore.indexing import HNSW, IVFPQ, DiskANN, Flat, Index, IVFFlat, Metric, index_from_dict, index_to_dict
from vstore.scalars import as_text

__all__ = [
    "MAX_FIELDS",
    "UNNAMED",
    "Dense",
    "Field",
    "Sparse",
    "check_field_name",
    "field_from_dict",
    "field_key",
    "field_to_dict",
    "only_sparse",
]

UNNAMED: Final = "vector"
"""What the one field without a name is called where names are asked for, such as in ``weights`` and ``hit.legs``."""
MAX_FIELDS: Final = 16
_RESERVED: Final = frozenset(
    ("id", "ids", "vector", "vectors", "document", "documents", "metadata", "metadatas", "fields", "sparse", "score")
)
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,47}")


@dataclass(frozen=True, slots=True)
class Dense:
    """A field of dense float32 vectors of one dimension.

    Attributes:
        dimension: Number of components of its vectors.
        metric: How nearness is measured: ``"cosine"``, ``"l2"`` or ``"dot"``.
        index: Index settings; None at creation takes the database's default.
        embedder: Name of the embedder that makes its vectors of documents, or None.
    """

    dimension: int
    metric: Metric = Metric.COSINE
    index: Index | None = None
    embedder: str | None = None

    def __init__(
        self,
        dimension: int,
        metric: Metric | str = Metric.COSINE,
        *,
        index: Index | None = None,
        embedder: str | None = None,
    ) -> None:
        if type(dimension) is not int or dimension < 1:
            raise InvalidInput(f"Dense(dimension=…) must be an int of at least 1, not {brief(dimension)}")
        if type(metric) is not Metric:
            metric = _metric(metric)
        if index is not None and not isinstance(index, HNSW | Flat | IVFFlat | IVFPQ | DiskANN):
            raise InvalidInput(f"Dense(index=…) must be HNSW(…) or another index, not {brief(index)}")
        if embedder is not None:
            _check_embedder("Dense", embedder)
        object.__setattr__(self, "dimension", dimension)
        object.__setattr__(self, "metric", metric)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "embedder", embedder)


@dataclass(frozen=True, slots=True)
class Sparse:
    """A field of sparse vectors, compared by their inner product; a query of it is exact on every store.

    Attributes:
        embedder: Name of the embedder that makes its vectors of documents, or None.
    """

    embedder: str | None = None

    def __post_init__(self) -> None:
        _check_embedder("Sparse", self.embedder)

    @property
    def metric(self) -> Metric:
        """The metric of every sparse field: dot."""
        return Metric.DOT


Field: TypeAlias = Dense | Sparse


def _metric(given: object) -> Metric:
    if not isinstance(given, str) or plain(given) not in [m.value for m in Metric]:
        raise InvalidInput(f"Dense(metric=…) must be 'cosine', 'l2' or 'dot', not {brief(given)}")
    return Metric(plain(given))


def _check_embedder(kind: str, name: object) -> None:
    if name is not None and (type(name) is not str or not name):
        raise InvalidInput(
            f"{kind}(embedder=…) is the name of an embedder, not {brief(name)}",
            hint="Pass the embedder itself as create_collection(embedder={field: embedder}).",
        )


def field_key(key: object) -> str:
    """Return the name that a key of a dict by field is; empty where it is no text, which names no field."""
    found = as_text(key)
    return plain(found) if isinstance(found, str) else ""


def check_field_name(name: object) -> str:
    """Return the name of a field (FLD-1).

    Raises:
        InvalidInput: It is not 1 to 48 of ``A-Z a-z 0-9 _`` beginning with a letter, or is the name of a column.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(plain(name)):
        raise InvalidInput(
            f"the name of a field must be 1 to 48 of A-Z, a-z, 0-9 and _, beginning with a letter, not {brief(name)}"
        )
    if plain(name) in _RESERVED:
        raise InvalidInput(f"a field cannot be called {plain(name)!r}, which names a column of every record")
    return plain(name)


def only_sparse(fields: Mapping[str, Field]) -> str:
    """Return the name of the only sparse field.

    Raises:
        InvalidInput: There is none, or more than one.
    """
    found = [name for name, field in fields.items() if isinstance(field, Sparse)]
    if len(found) != 1:
        raise InvalidInput(
            f"the collection has the sparse fields {', '.join(map(repr, found))}"
            if found
            else "the collection has no sparse field",
            hint="Name the field." if found else "Create it with fields={'terms': Sparse()}.",
        )
    return found[0]


def field_to_dict(field: Field) -> dict[str, Any]:
    """Return the plain JSON form of a field, e.g. ``{"kind": "sparse", "embedder": None}``."""
    match field:
        case Dense(dimension, metric, index, embedder):
            settings = None if index is None else index_to_dict(index)
            return {
                "kind": "dense",
                "dimension": dimension,
                "metric": metric.value,
                "index": settings,
                "embedder": embedder,
            }
        case Sparse(embedder):
            return {"kind": "sparse", "embedder": embedder}


def field_from_dict(data: Mapping[str, Any]) -> Field:
    """Return the field that ``field_to_dict`` wrote."""
    if data["kind"] == "sparse":
        return Sparse(data["embedder"])
    index = None if data["index"] is None else index_from_dict(data["index"])
    return Dense(data["dimension"], data["metric"], index=index, embedder=data["embedder"])
