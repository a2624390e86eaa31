"""The types that travel: columns of records, hits, index and search settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from vstore import display
from vstore.errors import InvalidInput, brief, plain, reading
from vstore.omission import Omission

if TYPE_CHECKING:
    import os

    import pandas
    import pyarrow

__all__ = [
    "HNSW",
    "IVFPQ",
    "CollectionInfo",
    "DiskANN",
    "Flat",
    "Hit",
    "Hits",
    "IVFFlat",
    "Include",
    "IncludeName",
    "Index",
    "Metadata",
    "Metric",
    "Page",
    "Quantization",
    "Record",
    "Records",
    "Scalar",
    "Search",
    "VectorArray",
    "index_features",
    "index_from_dict",
    "index_to_dict",
]

Scalar: TypeAlias = str | bool | int | float | datetime
Metadata: TypeAlias = dict[str, Any]
VectorArray: TypeAlias = NDArray[np.float32]
IncludeName: TypeAlias = Literal["vectors", "documents", "metadatas"]


class Metric(StrEnum):
    """How the nearness of two vectors is measured; formulas in ``vstore.spi.scores``."""

    COSINE = "cosine"
    L2 = "l2"
    DOT = "dot"


def _check_range(kind: str, name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise InvalidInput(f"{kind}({name}=…) must be an int from {low} to {high}, not {brief(value)}")


def _check_bool(kind: str, name: str, value: object) -> None:
    if type(value) is not bool:
        raise InvalidInput(f"{kind}({name}=…) must be a bool, not {brief(value)}")


class Quantization(StrEnum):
    """How the vectors that an index walks through are made smaller; hits are compared again with the full vectors."""

    INT8 = "int8"
    """One byte a component: a quarter of the size."""
    PRODUCT = "product"
    """Product quantization, sixteen times smaller."""
    BINARY = "binary"
    """One bit a component: 32 times smaller, for long vectors whose components centre on zero."""


@dataclass(frozen=True, slots=True)
class HNSW:
    """A hierarchical navigable small world graph (Malkov and Yashunin, arXiv:1603.09320).

    Attributes:
        m: Neighbours of a node in each layer, 2 to 100.
        ef_construction: Candidates kept while building, 4 to 1000 and at least ``2 * m``.
        ef_search: Candidates kept while searching, 1 to 1000, where a query does not say.
        quantization: How the vectors it walks through are made smaller, or None.
        on_disk: Whether vectors and graph stay on disk, to be cached, rather than in memory.
    """

    m: int = 16
    ef_construction: int = 100
    ef_search: int = 100
    quantization: Quantization | None = None
    on_disk: bool = False

    def __post_init__(self) -> None:
        _check_range("HNSW", "m", self.m, 2, 100)
        _check_range("HNSW", "ef_construction", self.ef_construction, max(4, 2 * self.m), 1000)
        _check_range("HNSW", "ef_search", self.ef_search, 1, 1000)
        if self.quantization is not None and not isinstance(self.quantization, Quantization):
            raise InvalidInput(f"HNSW(quantization=…) must be a Quantization or None, not {brief(self.quantization)}")
        _check_bool("HNSW", "on_disk", self.on_disk)


@dataclass(frozen=True, slots=True)
class Flat:
    """No index: every query compares with every record and is exact.

    Attributes:
        on_disk: Whether vectors stay on disk, to be cached, rather than in memory.
    """

    on_disk: bool = False

    def __post_init__(self) -> None:
        _check_bool("Flat", "on_disk", self.on_disk)


@dataclass(frozen=True, slots=True)
class IVFFlat:
    """An inverted file with full vectors: records in ``lists`` clusters, ``probes`` of them searched.

    Attributes:
        lists: Number of clusters, 1 to 32,768.
        probes: Clusters searched where a query does not say, 1 to 32,768.
    """

    lists: int = 100
    probes: int = 10

    def __post_init__(self) -> None:
        _check_range("IVFFlat", "lists", self.lists, 1, 32_768)
        _check_range("IVFFlat", "probes", self.probes, 1, 32_768)


@dataclass(frozen=True, slots=True)
class IVFPQ:
    """An inverted file with product-quantized vectors (Jégou, Douze and Schmid, doi:10.1109/TPAMI.2010.57).

    Attributes:
        lists: Number of clusters, 1 to 32,768.
        probes: Clusters searched where a query does not say, 1 to 32,768.
        segments: Parts a vector is cut into, each coded apart; must divide the dimension.
        bits: Bits of one part's code, 1 to 16.
    """

    lists: int = 100
    probes: int = 10
    segments: int = 8
    bits: int = 8

    def __post_init__(self) -> None:
        _check_range("IVFPQ", "lists", self.lists, 1, 32_768)
        _check_range("IVFPQ", "probes", self.probes, 1, 32_768)
        _check_range("IVFPQ", "segments", self.segments, 1, 65_536)
        _check_range("IVFPQ", "bits", self.bits, 1, 16)


@dataclass(frozen=True, slots=True)
class DiskANN:
    """A Vamana graph on disk (Subramanya et al., NeurIPS 2019).

    Attributes:
        search_list: Candidates kept while searching, 1 to 1000, where a query does not say.
    """

    search_list: int = 100

    def __post_init__(self) -> None:
        _check_range("DiskANN", "search_list", self.search_list, 1, 1000)


Index: TypeAlias = HNSW | Flat | IVFFlat | IVFPQ | DiskANN

_INDEX_KINDS: Final[dict[str, type[Index]]] = {
    kind.__name__.lower(): kind for kind in (HNSW, Flat, IVFFlat, IVFPQ, DiskANN)
}


def index_features(index: Index) -> Iterator[tuple[str, str]]:
    """What index settings ask of a database, each as the name of a capability and the words for it."""
    kind = type(index).__name__
    yield f"index_{kind.lower()}", f"the index {kind}"
    if isinstance(index, HNSW) and index.quantization is not None:
        yield "quantization", f"quantization={index.quantization.value!r}"
    if isinstance(index, HNSW | Flat) and index.on_disk:
        yield "on_disk", "on_disk=True"


def index_to_dict(index: Index) -> dict[str, Any]:
    """Plain JSON form of index settings, e.g. ``{"kind": "hnsw", "m": 16, …}``."""
    return {"kind": type(index).__name__.lower(), **asdict(index)}


def index_from_dict(data: Mapping[str, Any]) -> Index:
    """The inverse of ``index_to_dict``."""
    settings = dict(data)
    if settings.get("quantization") is not None:
        settings["quantization"] = Quantization(settings["quantization"])
    return _INDEX_KINDS[settings.pop("kind")](**settings)


@dataclass(frozen=True, slots=True)
class Search:
    """Settings of one approximate query; None leaves the index's own setting.

    Attributes:
        ef: Candidates a search in HNSW or DiskANN keeps, 1 to 1000.
        probes: Clusters a search in IVFFlat or IVFPQ visits, 1 to 32,768.
    """

    ef: int | None = None
    probes: int | None = None

    def __post_init__(self) -> None:
        if self.ef is not None:
            _check_range("Search", "ef", self.ef, 1, 1000)
        if self.probes is not None:
            _check_range("Search", "probes", self.probes, 1, 32_768)


@dataclass(frozen=True, slots=True)
class Include:
    """Which columns a read brings besides the ids."""

    vectors: bool = False
    documents: bool = False
    metadatas: bool = False

    @classmethod
    def parse(cls, names: Iterable[IncludeName]) -> Include:
        """Builds it from names; raises ``InvalidInput`` on any other."""
        if not isinstance(names, Iterable):
            raise InvalidInput(f"include= takes a list of names of columns, not {brief(names)}")
        with reading("include"):
            wanted = [plain(names)] if isinstance(names, str) else list(names)
        known = ("vectors", "documents", "metadatas")
        unknown = [name for name in wanted if not isinstance(name, str) or plain(name) not in known]
        if unknown:
            raise InvalidInput(
                f"include= does not know {brief(unknown[0])}",
                hint="Its names are 'vectors', 'documents' and 'metadatas'; ids always come.",
            )
        return cls("vectors" in wanted, "documents" in wanted, "metadatas" in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionInfo:
    """What a collection is; it reads back the same from any process.

    Attributes:
        name: The collection's name.
        dimension: Number of components of its vectors.
        metric: How nearness is measured.
        index: Index settings.
        metadata: The user's own metadata of the collection.
        embedder: Name of the embedder it was created with, or None.
        omitted: What its mapping does not bring, where vstore did not create it, as far as its schema and its first
            records tell. ``Collection.omissions`` tells it of all records.
    """

    name: str
    dimension: int
    metric: Metric
    index: Index
    metadata: Metadata = field(default_factory=dict)
    embedder: str | None = None
    omitted: tuple[Omission, ...] = field(default=(), compare=False)


def _same(one: VectorArray | None, other: VectorArray | None) -> bool:
    """Whether two columns of vectors, or two vectors, are equal component by component."""
    return one is other or (one is not None and other is not None and np.array_equal(one, other))


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Record:
    """One record; a column that was not fetched is None.

    Two records are equal if all their columns are, vectors component by component.
    """

    id: str
    vector: VectorArray | None = None
    document: str | None = None
    metadata: Metadata | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        mine, theirs = (self.id, self.document, self.metadata), (other.id, other.document, other.metadata)
        return mine == theirs and _same(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        shown = display.columns({"vector": self.vector, "document": self.document, "metadata": self.metadata})
        return f"Record({display.field(self.id)}{shown})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Records:
    """Columns of equal length. A column that was not given or not fetched is None as a whole.

    It has a length, iterates over ``Record``, takes an index or a slice, and compares column by column.

    Attributes:
        ids: One id a record.
        vectors: float32 array of shape (n, d), or None.
        documents: One str or None a record, or None.
        metadatas: One dict a record, or None.
    """

    ids: list[str]
    vectors: VectorArray | None = None
    documents: list[str | None] | None = None
    metadatas: list[Metadata] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Records):
            return NotImplemented
        mine, theirs = (self.ids, self.documents, self.metadatas), (other.ids, other.documents, other.metadatas)
        return mine == theirs and _same(self.vectors, other.vectors)

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        told = (("vectors", self.vectors), ("documents", self.documents), ("metadatas", self.metadatas))
        columns = ", ".join(name for name, column in told if column is not None) or "ids only"
        return f"<Records, {display.listing(self.ids)}; {columns}>"

    def _repr_html_(self) -> str:
        return display.html_table(
            {"id": self.ids, "document": self.documents, "metadata": self.metadatas, "vector": self.vectors},
            len(self),
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Record]:
        for position in range(len(self.ids)):
            yield self[position]

    @overload
    def __getitem__(self, key: int) -> Record: ...
    @overload
    def __getitem__(self, key: slice) -> Records: ...
    def __getitem__(self, key: int | slice) -> Record | Records:
        if isinstance(key, slice):
            return Records(
                self.ids[key],
                None if self.vectors is None else self.vectors[key],
                None if self.documents is None else self.documents[key],
                None if self.metadatas is None else self.metadatas[key],
            )
        return Record(
            self.ids[key],
            None if self.vectors is None else self.vectors[key],
            None if self.documents is None else self.documents[key],
            None if self.metadatas is None else self.metadatas[key],
        )

    def take(self, positions: Sequence[int]) -> Records:
        """The records at ``positions``, in that order."""
        return Records(
            [self.ids[p] for p in positions],
            None if self.vectors is None else self.vectors[np.asarray(positions, dtype=np.intp)],
            None if self.documents is None else [self.documents[p] for p in positions],
            None if self.metadatas is None else [self.metadatas[p] for p in positions],
        )

    def only(self, include: Include) -> Records:
        """The same records with these columns, of those that there are."""
        return Records(
            self.ids,
            self.vectors if include.vectors else None,
            self.documents if include.documents else None,
            self.metadatas if include.metadatas else None,
        )

    def without_vectors(self) -> Records:
        """The same records, the column of vectors left out."""
        return Records(self.ids, None, self.documents, self.metadatas)

    @staticmethod
    def concat(parts: Sequence[Records]) -> Records:
        """One after the other; the first part says which columns there are."""
        if len(parts) == 1:
            return parts[0]
        first = parts[0] if parts else Records([])
        return Records(
            [i for part in parts for i in part.ids],
            None if first.vectors is None else np.concatenate([p.vectors for p in parts if p.vectors is not None]),
            None if first.documents is None else [d for part in parts for d in part.documents or ()],
            None if first.metadatas is None else [m for part in parts for m in part.metadatas or ()],
        )

    def ordered(self, ids: Sequence[str]) -> Records:
        """The records in the order of ``ids``; ids that are not here are left out."""
        place = {record_id: position for position, record_id in enumerate(self.ids)}
        return self.take([place[record_id] for record_id in ids if record_id in place])

    def to_arrow(self) -> pyarrow.Table:
        """An Arrow table; needs the extra ``arrow``. See ``vstore.interchange``."""
        from vstore.interchange import to_arrow

        return to_arrow(self)

    @staticmethod
    def from_arrow(table: pyarrow.Table) -> Records:
        """The inverse of ``to_arrow``."""
        from vstore.interchange import from_arrow

        return from_arrow(table)

    def to_pandas(self) -> pandas.DataFrame:
        """A DataFrame with the columns ``id``, ``vector``, ``document``, ``metadata``; needs pandas."""
        from vstore.interchange import to_pandas

        return to_pandas(self)

    @staticmethod
    def from_pandas(frame: pandas.DataFrame) -> Records:
        """The inverse of ``to_pandas``."""
        from vstore.interchange import from_pandas

        return from_pandas(frame)

    def to_parquet(self, path: str | os.PathLike[str]) -> None:
        """Writes one Parquet file; needs the extra ``arrow``."""
        from vstore.interchange import to_parquet

        to_parquet(self, path)

    @staticmethod
    def from_parquet(path: str | os.PathLike[str]) -> Records:
        """The inverse of ``to_parquet``."""
        from vstore.interchange import from_parquet

        return from_parquet(path)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a scan; it has a length and iterates over ``Record``.

    Attributes:
        records: The records of this page.
        cursor: ``scan(after=cursor)`` goes on behind this page, in any process.
    """

    records: Records
    cursor: str

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"<Page, {display.listing(self.ids)}; cursor {display.field(self.cursor)}>"

    def _repr_html_(self) -> str:
        return self.records._repr_html_()

    @property
    def ids(self) -> list[str]:
        """The ids, in the order of the records."""
        return self.records.ids


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hit:
    """One hit of a query; a column that was not fetched is None.

    Two hits are equal if all their columns are, vectors component by component.

    Attributes:
        distance: Lower is nearer: ``1 - cos``, ``‖q - x‖`` or ``-q·x``.
        score: Higher is nearer: ``cos``, ``-‖q - x‖`` or ``q·x``.
    """

    id: str
    distance: float
    score: float
    vector: VectorArray | None = None
    document: str | None = None
    metadata: Metadata | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hit):
            return NotImplemented
        mine = (self.id, self.distance, self.score, self.document, self.metadata)
        theirs = (other.id, other.distance, other.score, other.document, other.metadata)
        return mine == theirs and _same(self.vector, other.vector)

    __hash__ = None  # type: ignore[assignment]  # it holds a dict

    def __repr__(self) -> str:
        shown = display.columns({"vector": self.vector, "document": self.document, "metadata": self.metadata})
        return f"Hit({display.field(self.id)}, distance={self.distance:.6g}, score={self.score:.6g}{shown})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Hits(Sequence[Hit]):
    """The hits of one query, nearest first, ties by id. It iterates over ``Hit`` and takes an index or a slice.

    Attributes:
        records: The columns of the hits.
        distances: float64 array of shape (n,).
        scores: float64 array of shape (n,).
    """

    records: Records
    distances: NDArray[np.float64]
    scores: NDArray[np.float64]

    @property
    def ids(self) -> list[str]:
        """The ids, nearest first."""
        return self.records.ids

    @property
    def vectors(self) -> VectorArray | None:
        """The vectors of the hits, shape (n, d), or None."""
        return self.records.vectors

    @property
    def documents(self) -> list[str | None] | None:
        """The documents of the hits, or None."""
        return self.records.documents

    @property
    def metadatas(self) -> list[Metadata] | None:
        """The metadata of the hits, or None."""
        return self.records.metadatas

    def to_pandas(self) -> pandas.DataFrame:
        """Return a DataFrame: ``id``, ``distance``, ``score`` and the columns fetched; needs pandas."""
        frame = self.records.to_pandas()
        frame.insert(1, "distance", self.distances)
        frame.insert(2, "score", self.scores)
        return frame

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Hits):
            return NotImplemented
        return (
            np.array_equal(self.distances, other.distances)
            and np.array_equal(self.scores, other.scores)
            and self.records == other.records
        )

    __hash__ = None  # type: ignore[assignment]  # it holds lists

    def __repr__(self) -> str:
        nearest = ", ".join(
            f"{display.field(one)} {distance:.4g}"
            for one, distance in zip(self.ids[:3], self.distances[:3].tolist(), strict=True)
        )
        more = ", …" if len(self) > 3 else ""
        return f"<Hits, {len(self):,}, nearest first: {nearest}{more}>" if self.ids else "<Hits, none>"

    def _repr_html_(self) -> str:
        return display.html_table(
            {
                "id": self.ids,
                "distance": self.distances.tolist(),
                "score": self.scores.tolist(),
                "document": self.documents,
                "metadata": self.metadatas,
                "vector": self.vectors,
            },
            len(self),
        )

    def without_vectors(self) -> Hits:
        """The same hits, the column of vectors left out."""
        return Hits(self.records.without_vectors(), self.distances, self.scores)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, key: int) -> Hit: ...
    @overload
    def __getitem__(self, key: slice) -> Hits: ...
    def __getitem__(self, key: int | slice) -> Hit | Hits:
        if isinstance(key, slice):
            return Hits(self.records[key], self.distances[key], self.scores[key])
        record = self.records[key]
        return Hit(
            record.id,
            float(self.distances[key]),
            float(self.scores[key]),
            record.vector,
            record.document,
            record.metadata,
        )
