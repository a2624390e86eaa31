"""What the tests compare with: content with its types, the reference's answers, the kinds of errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

import vstore
from vstore.capabilities import Capabilities
from vstore.filters import F, Filter, to_dict
from vstore.hits import Hits
from vstore.indexing import Flat, Index, Metric
from vstore.records import Records, VectorArray
from vstore.sparse import SparseVector
from vstore.spi.evaluate import predicate

__all__ = [
    "PART",
    "Row",
    "assert_hits",
    "assert_same",
    "cheapest",
    "close",
    "contents",
    "matching",
    "names",
    "partial",
    "raises",
    "refusing",
    "rows",
    "scanned",
    "selected",
    "true_order",
    "typed",
    "unchanged",
]

E = TypeVar("E", bound=vstore.VStoreError)
PART: Final = F("part") == "x"  # some records of the corpus


def typed(value: Any) -> Any:
    """Equal only for values that are equal and of one type: 1, 1.0, True and "1" are four."""
    match value:
        case datetime():
            return ("datetime", value.astimezone(UTC), value.utcoffset())
        case list():
            return ("list", [typed(item) for item in value])
        case dict():
            return ("dict", {key: typed(item) for key, item in value.items()})
        case _:
            return (type(value).__name__, value)


@dataclass(frozen=True, slots=True)
class Row:
    """One record in a form that compares with its types."""

    vector: Any
    document: str | None
    metadata: Any
    fields: tuple[tuple[str, Any], ...] = ()


def contents(collection: vstore.Collection) -> dict[str, Row]:
    """Everything in a collection, by id."""
    found: dict[str, Row] = {}
    for page in collection.scan():
        for record in page.records:
            assert record.id not in found, f"{record.id!r} came twice"
            assert (record.vector is None) == (collection.info.dimension == 0)
            fields = tuple((name, _plain(vector)) for name, vector in record.fields.items())
            found[record.id] = Row(_plain(record.vector), record.document, typed(record.metadata), fields)
    return found


def _plain(vector: VectorArray | SparseVector | None) -> Any:
    if isinstance(vector, SparseVector):
        return vector.to_dict()
    return None if vector is None else tuple(vector.tolist())


def assert_same(found: Mapping[str, Row], expected: Mapping[str, Row], metric: Metric) -> None:
    """Two contents are equal, record by record; vectors as VEC-3 has it."""
    assert sorted(found) == sorted(expected)
    for name, row in expected.items():
        assert (found[name].document, found[name].metadata) == (row.document, row.metadata), f"record {name!r} differs"
        if metric is Metric.COSINE:
            np.testing.assert_allclose(
                found[name].vector, row.vector, rtol=1e-6, atol=1e-6 * float(np.abs(row.vector).max())
            )
        else:
            assert found[name].vector == row.vector, f"the vector of {name!r} differs"


@contextmanager
def unchanged(collection: vstore.Collection) -> Iterator[None]:
    """What runs inside must leave every record as it was."""
    before = contents(collection)
    yield
    assert contents(collection) == before, "a refused call changed the collection"


@contextmanager
def raises(kind: type[E]) -> Iterator[Caught[E]]:
    """``pytest.raises`` for exactly this kind, whose error must say all that ERR-2 asks."""
    caught: Caught[E] = Caught()
    with pytest.raises(vstore.VStoreError) as found:
        yield caught
    error = found.value
    assert type(error) is kind, f"{kind.__name__} was expected, not {type(error).__name__}: {error}"
    assert error.message, "the error must say what was wrong"
    assert error.backend, "the error must name the backend"
    assert error.operation, "the error must name the operation"
    assert error.backend in str(error)
    assert error.operation in str(error)
    caught.error = error


class Caught(Generic[E]):
    """The error that ``raises`` caught, after its block."""

    error: E


def scanned(collection: vstore.Collection, where: Any = None, batch_size: int = 1000) -> list[str]:
    """Ids of a scan, in its order; each page is as it must be."""
    ids: list[str] = []
    for page in collection.scan(where=where, batch_size=batch_size, include=()):
        assert 0 < len(page.records) <= batch_size
        ids += page.records.ids
    return ids


def matching(where: Filter, records: Records) -> set[str]:
    """Ids of the records that the reference says match."""
    test = predicate(where)
    assert records.metadatas is not None
    assert records.documents is not None
    return {
        record_id
        for record_id, metadata, document in zip(records.ids, records.metadatas, records.documents, strict=True)
        if test(metadata, document)
    }


def partial(where: Filter, records: Records) -> tuple[Filter, set[str]]:
    """The filter, joined with another where it selects none or all by itself, and what it selects."""
    expected = matching(where, records)
    if not 0 < len(expected) < len(records):
        where = where & PART if expected else where | PART
        expected = matching(where, records)
    assert 0 < len(expected) < len(records), f"a case that cannot fail: {to_dict(where)}"
    return where, expected


def selected(collection: vstore.Collection, where: Any) -> set[str]:
    """Ids that the store says match: by scan, each once, and agreed by count."""
    ids = scanned(collection, where)
    assert len(set(ids)) == len(ids), "a record came twice"
    assert collection.count(where) == len(ids), "count and scan disagree"
    return set(ids)


def close(found: float, expected: float, scale: float) -> bool:
    """MET-3: within 1e-5 relative, or 1e-6 of ``scale`` near zero."""
    return abs(found - expected) <= max(1e-5 * abs(expected), 1e-6 * scale)


def _float64(
    metric: Metric, query: VectorArray, vectors: VectorArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances by the contract's formulas, written out here once more, and the scale of their zero."""
    q, x = query.astype(np.float64), vectors.astype(np.float64)
    norms = np.linalg.norm(q) * np.linalg.norm(x, axis=1)
    match metric:
        case Metric.COSINE:
            return 1.0 - (x @ q) / norms, np.ones(len(x))
        case Metric.L2:
            return np.linalg.norm(x - q, axis=1), np.full(len(x), np.linalg.norm(q))
        case Metric.DOT:
            return -(x @ q), norms


def true_order(metric: Metric, query: VectorArray, records: Records) -> list[str]:
    """The ids as an exact query has them: by distance in float64, then by id."""
    assert records.vectors is not None
    distance, _ = _float64(metric, query, records.vectors)
    return [name for _, name in sorted(zip(distance.tolist(), records.ids, strict=True))]


def assert_hits(
    hits: Hits, metric: Metric, query: VectorArray, records: Records, k: int, *, exact: bool = True
) -> None:
    """Hits are right for ``records``, the ones that match.

    As many as there must be, distances and scores by the formulas, in order, ties by id; and with ``exact``
    none left out that is nearer than one that came.
    """
    assert records.vectors is not None
    distance, scale = _float64(metric, query, records.vectors)
    place = {name: position for position, name in enumerate(records.ids)}
    assert len(hits) == min(k, len(records)), f"{len(hits)} hits of {len(records)} matches for k={k}"
    assert len(set(hits.ids)) == len(hits), "a record came twice"
    assert set(hits.ids) <= set(place), "a record came that does not match"
    for hit in hits:
        want, zero = float(distance[place[hit.id]]), float(scale[place[hit.id]])
        assert close(hit.distance, want, zero), f"{hit.id!r}: distance {hit.distance!r}, by float64 {want!r}"
        score = 1.0 - want if metric is Metric.COSINE else -want
        assert close(hit.score, score, zero), f"{hit.id!r}: score {hit.score!r}, by float64 {score!r}"
    order = [(float(d), name) for d, name in zip(hits.distances, hits.ids, strict=True)]
    assert order == sorted(order), "hits must come by distance, then id"
    if exact and hits:
        last = max(float(distance[place[name]]) for name in hits.ids)
        for position, name in enumerate(records.ids):
            if name not in hits.ids:
                d, zero = float(distance[position]), float(scale[position])
                assert d >= last or close(d, last, zero), f"{name!r} at {d!r} was left out for one at {last!r}"


def refusing(kind: type[E], collection: vstore.Collection, call: Callable[[], Any]) -> E:
    """``call`` raises ``kind`` and leaves every record as it was."""
    with unchanged(collection), raises(kind) as caught:
        call()
    assert caught.error.collection == collection.name
    return caught.error


def cheapest(capabilities: Capabilities) -> Index | None:
    """The index that is built fastest, for tests of many records that are not about the index."""
    return Flat() if capabilities.index_flat else None


def rows(number: int, dimension: int = 4, seed: int = 0) -> VectorArray:
    """Random vectors, none of them near zero."""
    return np.random.default_rng(seed).normal(size=(number, dimension)).astype(np.float32) + np.float32(0.01)


def names(number: int, prefix: str = "r") -> list[str]:
    """Ids that sort in the order of their numbers."""
    return [f"{prefix}{place:05}" for place in range(number)]
