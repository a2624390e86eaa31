"""Settings of an index and of one search: ``Metric``, ``HNSW`` and the other kinds, ``Quantization``, ``Search``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final, TypeAlias

from vstore.errors import InvalidInput, brief

__all__ = [
    "HNSW",
    "IVFPQ",
    "DiskANN",
    "Flat",
    "IVFFlat",
    "Index",
    "Metric",
    "Quantization",
    "Search",
    "index_features",
    "index_from_dict",
    "index_to_dict",
]


class Metric(StrEnum):
    """How the nearness of two vectors is measured; formulas in ``vstore.spi.scores``."""

    COSINE = "cosine"
    L2 = "l2"
    DOT = "dot"


class Quantization(StrEnum):
    """How the vectors that an index walks through are made smaller; hits are compared again with the full vectors."""

    INT8 = "int8"
    """One byte a component: a quarter of the size."""
    PRODUCT = "product"
    """Product quantization, sixteen times smaller."""
    BINARY = "binary"
    """One bit a component: 32 times smaller, for long vectors whose components centre on zero."""


def _check_range(kind: str, name: str, value: object, low: int, high: int) -> None:
    if type(value) is not int or not low <= value <= high:
        raise InvalidInput(f"{kind}({name}=…) must be an int from {low} to {high}, not {brief(value)}")


def _check_bool(kind: str, name: str, value: object) -> None:
    if type(value) is not bool:
        raise InvalidInput(f"{kind}({name}=…) must be a bool, not {brief(value)}")


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
