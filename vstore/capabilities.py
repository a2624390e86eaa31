"""What a live connection can do: one frozen record of features and limits.

A feature is reached in one of three ways: the database does it (``NATIVE``), the adapter does it
exactly and at a stated cost (``EMULATED``), or it raises ``Unsupported`` before any I/O (``NO``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final

from vstore.errors import Unsupported
from vstore.indexing import HNSW, Flat, Index, Metric, Quantization, index_features
from vstore.logs import DEBUG, log

__all__ = ["PARTITIONS", "Capabilities", "Exactness", "Feature", "Limits", "Support", "emulated", "native", "no"]


class Support(StrEnum):
    """How a feature is reached."""

    NATIVE = "native"
    EMULATED = "emulated"
    NO = "no"


class Exactness(StrEnum):
    """How exactly a vector comes back, from the strictest class; VEC-3 promises the last."""

    BITS = "bit for bit"
    ULP = "within 2 units in the last place"
    RELATIVE = "within 1e-6 of the vector's length"


@dataclass(frozen=True, slots=True)
class Feature:
    """How one feature is reached, with its cost or reason.

    Attributes:
        support: NATIVE, EMULATED or NO.
        note: For EMULATED what it costs; for NO why; for NATIVE a caveat, or empty.
    """

    support: Support
    note: str = ""

    def __post_init__(self) -> None:
        if self.support is not Support.NATIVE and not self.note:
            raise ValueError(f"a feature that is {self.support.name} must say why or at what cost")

    def __bool__(self) -> bool:
        return self.support is not Support.NO


def native(note: str = "") -> Feature:
    """A feature the database has."""
    return Feature(Support.NATIVE, note)


def emulated(cost: str) -> Feature:
    """A feature the adapter provides exactly, at ``cost``."""
    return Feature(Support.EMULATED, cost)


PARTITIONS: Final = emulated(
    "a condition on the key beside every filter. A query counts its partition first, and is exact up to 10,000 "
    "records. Writes and reads by id read the metadata of these ids first: one step against other such writes of the "
    "same store, not against those of other stores and processes. partitions() reads all metadata"
)
"""Partitions by the core alone, which need nothing of an adapter."""


def no(reason: str) -> Feature:
    """A feature that raises ``Unsupported``, for ``reason``."""
    return Feature(Support.NO, reason)


_UNDECLARED: Final = no("the adapter does not declare it")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one backend as numbers; the contract's own limits are in ``vstore.core.validate``.

    Attributes:
        max_dimension: Largest number of components of a vector.
        max_k: Largest ``k`` of a query.
        max_batch_rows: Most rows the adapter sends at once; larger calls are split.
        max_batch_bytes: Most bytes the adapter sends at once; larger calls are split.
        max_document_bytes: Longest document in UTF-8 bytes; at least 65,535.
        max_metadata_bytes: Most bytes of a record's metadata, as JSON in one call; at least 32,768, the default.
        max_fields: Most named fields of a collection; 0 where there are none, else at least 3.
        max_sparse_values: Most values of a sparse vector; 0 where there are no sparse vectors, else at least 4,096.
        max_index_dimension: Largest number of components that an index other than ``Flat`` takes; by default
            ``max_dimension``.
        max_cosine_index_dimension: The same under cosine; by default ``max_index_dimension``.
        max_binary_index_dimension: Largest number of components that ``HNSW(quantization="binary")`` takes under any
            metric, where that is more; by default ``max_index_dimension``.
    """

    max_dimension: int
    max_k: int
    max_batch_rows: int
    max_batch_bytes: int
    max_document_bytes: int
    max_fields: int = 0
    max_sparse_values: int = 0
    max_index_dimension: int = 0
    max_cosine_index_dimension: int = 0
    max_binary_index_dimension: int = 0
    max_metadata_bytes: int = 32 * 1024

    def __post_init__(self) -> None:
        if not self.max_index_dimension:
            object.__setattr__(self, "max_index_dimension", self.max_dimension)
        if not self.max_cosine_index_dimension:
            object.__setattr__(self, "max_cosine_index_dimension", self.max_index_dimension)
        if not self.max_binary_index_dimension:
            object.__setattr__(self, "max_binary_index_dimension", self.max_index_dimension)

    def index_dimension(self, index: Index, metric: Metric) -> int:
        """Return the largest number of components that an index takes under a metric."""
        if isinstance(index, Flat):
            return self.max_dimension
        most = self.max_cosine_index_dimension if metric is Metric.COSINE else self.max_index_dimension
        if isinstance(index, HNSW) and index.quantization is Quantization.BINARY:
            return max(most, self.max_binary_index_dimension)
        return most


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this live connection can do; the server's version is taken into account.

    Attributes:
        backend: Name of the adapter.
        mode: How it is reached: ``"memory"``, ``"embedded"`` or ``"server"``.
        server_version: The database's version as it reports it.
        client_version: The client library's version; empty where there is none.
        persistent: Whether data outlives the store.
        limits: The limits as numbers.
        index_hnsw: ``HNSW`` index settings.
        index_flat: ``Flat``: no index, every query exact.
        index_ivfflat: ``IVFFlat`` index settings.
        index_ivfpq: ``IVFPQ`` index settings.
        index_diskann: ``DiskANN`` index settings.
        quantization: ``HNSW(quantization=…)``, of the kinds that ``quantizations`` names.
        on_disk: ``HNSW(on_disk=True)`` and, where there is Flat, ``Flat(on_disk=True)``.
        search_ef: ``Search(ef=…)`` for one query.
        search_probes: ``Search(probes=…)`` for one query.
        exact_query: ``query(exact=True)``.
        filtered_query: An approximate query with a filter gives min(k, matches) hits.
        document_contains: ``F.document.contains``.
        metadata_contains: ``F(key).contains_text`` and ``F(key).starts_with``.
        string_ordering: ``<``, ``<=``, ``>``, ``>=`` between strings, by code point.
        matches: ``F(key).matches``: a regular expression of RE2.
        nested_metadata: dicts inside metadata.
        nested_paths: ``F("a", "b")``.
        int64_ordering: Ordering against integers beyond ±(2**53 - 1) is exact.
        atomic_writes: A write call that fails has written nothing.
        rename: ``collection.rename``.
        mapping: ``get_collection(mapping=…)`` opens a collection vstore did not create.
        named_vectors: Named fields of dense vectors: ``create_collection(fields={"image": Dense(512)})``.
        sparse_vectors: Named fields of sparse vectors: ``create_collection(fields={"terms": Sparse()})``.
        partitions: ``create_collection(partition_by=…)`` and ``collection.partition(x)``.
        cosine_exactness: How exactly a vector comes back under cosine. Under l2 and dot it is always bit for bit. What
            an adapter does not declare is taken for what the contract promises.
        quantizations: The kinds of ``HNSW(quantization=…)`` that there are, where ``quantization`` is not NO; by
            default all.
    """

    backend: str
    mode: str
    server_version: str
    client_version: str
    persistent: bool
    limits: Limits
    index_hnsw: Feature
    index_flat: Feature
    index_ivfflat: Feature
    index_ivfpq: Feature
    index_diskann: Feature
    quantization: Feature
    on_disk: Feature
    search_ef: Feature
    search_probes: Feature
    exact_query: Feature
    filtered_query: Feature
    document_contains: Feature
    metadata_contains: Feature = _UNDECLARED
    string_ordering: Feature
    matches: Feature
    nested_metadata: Feature
    nested_paths: Feature
    int64_ordering: Feature
    atomic_writes: Feature
    rename: Feature
    mapping: Feature
    named_vectors: Feature
    sparse_vectors: Feature
    partitions: Feature
    cosine_exactness: Exactness = Exactness.RELATIVE
    quantizations: tuple[Quantization, ...] = tuple(Quantization)

    def features(self) -> Iterator[tuple[str, Feature]]:
        """Yields ``(name, feature)`` for every feature, in the order of declaration."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Feature):
                yield field.name, value

    def for_index(self, index: Index) -> Iterator[tuple[str, str, Feature]]:
        """Yields what index settings ask for: a capability's name, the words for it, and how it is reached."""
        for name, asked in index_features(index):
            feature: Feature = getattr(self, name)
            if name == "quantization" and feature and getattr(index, name) not in self.quantizations:
                kinds = " and ".join(repr(kind.value) for kind in self.quantizations)
                name, feature = "quantizations", no(f"there is {kinds} only")
            yield name, asked, feature

    def require_index(self, index: Index) -> None:
        """Raises ``Unsupported`` if anything is NO that index settings ask for."""
        for name, asked, feature in self.for_index(index):
            self._require(name, asked, feature)

    def require(self, name: str, asked: str) -> None:
        """Raises ``Unsupported`` if the feature ``name`` is NO; ``asked`` says what was asked."""
        self._require(name, asked, getattr(self, name))

    def _require(self, name: str, asked: str, feature: Feature) -> None:
        if feature.support is Support.NO:
            raise Unsupported(
                f"{asked} is not supported by {self.backend} {self.server_version}: {feature.note}",
                hint=f"store.capabilities.{name} tells beforehand.",
                backend=self.backend,
            )
        if feature.support is Support.EMULATED:
            log("emulations", DEBUG, "%s: %s is emulated: %s", self.backend, name, feature.note)
