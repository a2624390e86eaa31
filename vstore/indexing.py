"""Settings of an index and of one search: ``Metric``, ``HNSW`` and the other kinds, ``Quantization``, ``Search``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from vstore.errors import InvalidInput, brief
from vstore.scalars import as_python, as_text
from vstore.wording import did_you_mean, sentences

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
    "check_index",
    "check_metric",
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
    """One bit a component, its sign: 32 times smaller, for long vectors whose components centre on zero.

    Where all components have one sign, it tells no vectors apart.
    """


Name = TypeVar("Name", bound=StrEnum)
Settings = TypeVar("Settings")


def _named(kind: type[Name], what: str, given: object) -> Name:
    """Return the member of an enum that a text names, or that is given."""
    text = as_text(given)
    known = [member.value for member in kind]
    if type(text) is not str or text not in known:
        raise InvalidInput(
            f"{what} must be one of {', '.join(map(repr, known))}, not {brief(given)}", hint=did_you_mean(text, known)
        )
    return kind(text)


def _set(settings: object, **fields: object) -> None:
    """Sets fields of frozen settings to what they were checked to be."""
    for name, value in fields.items():
        object.__setattr__(settings, name, value)


def _whole(settings: object, name: str, low: int, high: int) -> None:
    """Takes a field as an int from ``low`` to ``high``."""
    given = getattr(settings, name)
    value = as_python(given)
    if type(value) is not int or not low <= value <= high:
        kind = type(settings).__name__
        raise InvalidInput(f"{kind}({name}=…) must be an int from {low} to {high}, not {brief(given)}")
    _set(settings, **{name: value})


def _suggesting(kind: type[Settings]) -> type[Settings]:
    """Has settings refuse a keyword that they do not have with an error that says which was meant."""
    made = kind.__init__
    known = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]  # a dataclass

    @wraps(made)
    def checked(self: object, *values: object, **named: object) -> None:
        for name in named:
            if name not in known:
                raise InvalidInput(
                    f"{kind.__name__} has no setting {brief(name)}",
                    hint=sentences(did_you_mean(name, known), f"It has {', '.join(known)}."),
                )
        made(self, *values, **named)

    kind.__init__ = checked  # type: ignore[method-assign]
    return kind


def _flag(settings: object, name: str) -> None:
    value = getattr(settings, name)
    if type(value) is not bool:
        raise InvalidInput(f"{type(settings).__name__}({name}=…) must be a bool, not {brief(value)}")


@_suggesting
@dataclass(frozen=True, slots=True)
class HNSW:
    """A hierarchical navigable small world graph (Malkov and Yashunin, arXiv:1603.09320).

    Attributes:
        m: Neighbours of a node in each layer, 2 to 100.
        ef_construction: Candidates kept while building, 4 to 1000 and at least ``2 * m``.
        ef_search: Candidates kept while searching, 1 to 1000, where a query does not say.
        quantization: How the vectors it walks through are made smaller, a ``Quantization`` or its text, or None.
            ``store.capabilities.quantizations`` names the kinds that a store has.
        on_disk: Whether vectors and graph stay on disk, to be cached, rather than in memory.
    """

    m: int = 16
    ef_construction: int = 100
    ef_search: int = 100
    quantization: Quantization | None = None
    on_disk: bool = False

    if TYPE_CHECKING:  # it takes more than its attributes hold

        def __init__(
            self,
            m: int = 16,
            ef_construction: int = 100,
            ef_search: int = 100,
            quantization: Quantization | Literal["int8", "product", "binary"] | None = None,
            on_disk: bool = False,
        ) -> None: ...

    def __post_init__(self) -> None:
        _whole(self, "m", 2, 100)
        _whole(self, "ef_construction", max(4, 2 * self.m), 1000)
        _whole(self, "ef_search", 1, 1000)
        if self.quantization is not None:
            _set(self, quantization=_named(Quantization, "HNSW(quantization=…)", self.quantization))
        _flag(self, "on_disk")


@_suggesting
@dataclass(frozen=True, slots=True)
class Flat:
    """No index: every query compares with every record and is exact.

    Attributes:
        on_disk: Whether vectors stay on disk, to be cached, rather than in memory.
    """

    on_disk: bool = False

    def __post_init__(self) -> None:
        _flag(self, "on_disk")


@_suggesting
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
        _whole(self, "lists", 1, 32_768)
        _whole(self, "probes", 1, 32_768)


@_suggesting
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
        _whole(self, "lists", 1, 32_768)
        _whole(self, "probes", 1, 32_768)
        _whole(self, "segments", 1, 65_536)
        _whole(self, "bits", 1, 16)


@_suggesting
@dataclass(frozen=True, slots=True)
class DiskANN:
    """A Vamana graph on disk (Subramanya et al., NeurIPS 2019).

    Attributes:
        search_list: Candidates kept while searching, 1 to 1000, where a query does not say.
    """

    search_list: int = 100

    def __post_init__(self) -> None:
        _whole(self, "search_list", 1, 1000)


Index: TypeAlias = HNSW | Flat | IVFFlat | IVFPQ | DiskANN


_INDEX_KINDS: Final[dict[str, type[Index]]] = {
    kind.__name__.lower(): kind for kind in (HNSW, Flat, IVFFlat, IVFPQ, DiskANN)
}


def check_index(index: object) -> Index:
    """Return index settings, or those that a text such as ``"hnsw"`` names, with their defaults.

    Raises:
        InvalidInput: It is neither.
    """
    if isinstance(index, HNSW | Flat | IVFFlat | IVFPQ | DiskANN):
        return index
    name = as_text(index)
    if type(name) is str and name in _INDEX_KINDS:
        return _INDEX_KINDS[name]()
    raise InvalidInput(
        f"index must be HNSW(…), Flat(…), IVFFlat(…), IVFPQ(…), DiskANN(…) or one of "
        f"{', '.join(map(repr, _INDEX_KINDS))}, not {brief(index)}",
        hint=did_you_mean(name, _INDEX_KINDS),
    )


def check_metric(metric: object) -> Metric:
    """Return the metric itself, or the one that a text such as ``"cosine"`` names; raise ``InvalidInput`` else."""
    return _named(Metric, "metric", metric)


def index_features(index: Index) -> Iterator[tuple[str, str]]:
    """Yield what index settings ask of a database, each as the name of a capability and the words for it."""
    kind = type(index).__name__
    yield f"index_{kind.lower()}", f"the index {kind}"
    if isinstance(index, HNSW) and index.quantization is not None:
        yield "quantization", f"quantization={index.quantization.value!r}"
    if isinstance(index, HNSW | Flat) and index.on_disk:
        yield "on_disk", "on_disk=True"


def index_to_dict(index: Index) -> dict[str, Any]:
    """Return the plain JSON form of index settings, e.g. ``{"kind": "hnsw", "m": 16, …}``."""
    return {"kind": type(index).__name__.lower(), **asdict(index)}


def index_from_dict(data: Mapping[str, Any]) -> Index:
    """Return the index settings of a plain form: the inverse of ``index_to_dict``."""
    settings = dict(data)
    if settings.get("quantization") is not None:
        settings["quantization"] = Quantization(settings["quantization"])
    return _INDEX_KINDS[settings.pop("kind")](**settings)


@_suggesting
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
            _whole(self, "ef", 1, 1000)
        if self.probes is not None:
            _whole(self, "probes", 1, 32_768)
