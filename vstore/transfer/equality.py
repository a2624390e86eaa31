"""When records are equal: digests of whole collections, and how exactly vectors come back.

A digest does not depend on the order of records: it is a keyed hash of each record, summed up. Two collections have
the same digest if they hold the same records, and different ones with all but certainty if they do not: a record that
is missing, changed or there twice changes the sum. The sum is two sums modulo 2**64 of the halves of a 128-bit
BLAKE2b of each record.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from struct import Struct
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from vstore.capabilities import Exactness
from vstore.columns import Column, present
from vstore.indexing import Metric
from vstore.records import Records, VectorArray
from vstore.sparse import SparseArray, SparseVector
from vstore.spi.codec import canonical_texts

__all__ = [
    "Digest",
    "agreed",
    "bitwise",
    "digest_ids",
    "digest_records",
    "hash_ids",
    "id_digests",
    "loosest",
    "measure",
    "same_column",
    "same_vectors",
]

_RECORD_KEY: Final = b"vstore.record.1"  # a change of what is hashed, or how, needs another
_FIELDS_KEY: Final = b"vstore.record.fields.1"  # of records that have a named vector
_ID_KEY: Final = b"vstore.id.1"
_SIZE: Final = 16
_MASK: Final = (1 << 64) - 1
_LENGTHS: Final = Struct("<IqI").pack  # id, document (-1 for none), metadata
_WIDTH: Final = Struct("<I").pack  # of the vector without a name


@dataclass(frozen=True, slots=True)
class Digest:
    """How many records, and the sum of their hashes. Digests of parts add up to that of the whole.

    Attributes:
        rows: Number of records.
        low: Sum of the first halves of their hashes, modulo 2**64.
        high: Sum of the second halves.
    """

    rows: int = 0
    low: int = 0
    high: int = 0

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, (self.low + other.low) & _MASK, (self.high + other.high) & _MASK)

    def __str__(self) -> str:
        return f"{self.high:016x}{self.low:016x}"

    @classmethod
    def parse(cls, rows: int, text: str) -> Self:
        """The inverse of ``str``; the number of rows stands beside it wherever it is kept."""
        return cls(rows, int(text[16:], 16), int(text[:16], 16))


def digest_ids(ids: Sequence[str]) -> Digest:
    """The digest of ids alone."""
    return _summed(id_digests(ids))


def id_digests(ids: Sequence[str]) -> list[bytes]:
    """Returns 16 bytes for each id, which no other id has but with a probability of 2**-128."""
    return [blake2b(i.encode(), digest_size=_SIZE, key=_ID_KEY).digest() for i in ids]


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """One 64-bit hash an id, shape (n,): among a million ids the odds that any two meet are 3e-8."""
    return np.frombuffer(
        b"".join(blake2b(i.encode(), digest_size=8, key=_ID_KEY).digest() for i in ids), dtype=np.uint64
    )


def digest_records(records: Records) -> Digest:
    """The digest of records with all their columns.

    Equal are vectors with equal components (-0.0 is 0.0), those of named fields included, equal documents, none
    included, and metadata that is equal with its types; moments are compared in UTC. A named field that no record has
    does not count, and columns that are absent count as none.
    """
    return measure(records)[0]


def measure(records: Records) -> tuple[Digest, int]:
    """``digest_records``, and the number of bytes that were hashed: about what the records take in a request."""
    vectors = b"" if records.vectors is None else _bytes(records.vectors)
    width = len(vectors) // len(records) if len(records) else 0
    fields = _named(records)
    size = 0

    def hashes() -> Iterable[bytes]:
        nonlocal size
        documents = records.documents or [None] * len(records)
        facts_of = canonical_texts([one or {} for one in records.metadatas or [{}] * len(records)])
        for row, (record_id, document, json) in enumerate(zip(records.ids, documents, facts_of, strict=True)):
            name = record_id.encode()
            text = b"" if document is None else document.encode()
            facts = json.encode()
            whole = b"".join(
                (
                    _LENGTHS(len(name), -1 if document is None else len(text), len(facts)),
                    name,
                    text,
                    facts,
                    vectors[row * width : (row + 1) * width],
                )
            )
            named = fields.get(row)
            if named is not None:
                whole = b"".join((_WIDTH(width), whole, *named))
            size += len(whole)
            yield blake2b(whole, digest_size=_SIZE, key=_RECORD_KEY if named is None else _FIELDS_KEY).digest()

    return _summed(hashes()), size


def _bytes(values: NDArray[np.float32]) -> bytes:
    """Their bytes; adding zero turns -0.0 into 0.0 and leaves every other value as it is."""
    return (values.astype("<f4", copy=False) + np.float32(0)).tobytes()


def _named(records: Records) -> dict[int, list[bytes]]:
    """For each row that has any, the vectors of its named fields, in the order of their names."""
    found: dict[int, list[bytes]] = {}
    for name, column in sorted(records.fields.items()):
        kind = type(column) is SparseArray
        for row, (length, data) in zip(np.flatnonzero(present(column)).tolist(), _vectors(column), strict=True):
            found.setdefault(row, []).append(f"{name}:{kind:d}:{length}:".encode() + data)
    return found


def _vectors(column: Column) -> Iterator[tuple[int, bytes]]:
    """Yields the length and the bytes of each vector that is there."""
    if isinstance(column, SparseArray):
        indices, values = column.indices.astype("<u4", copy=False).tobytes(), _bytes(column.values)
        for start, end in pairwise(column.indptr.tolist()):
            if start < end:
                yield end - start, indices[4 * start : 4 * end] + values[4 * start : 4 * end]
        return
    there, length = column[present(column)], column.shape[1]
    data = _bytes(there)
    for place in range(len(there)):
        yield length, data[4 * length * place : 4 * length * (place + 1)]


def _summed(hashes: Iterable[bytes]) -> Digest:
    halves = np.frombuffer(b"".join(hashes), dtype="<u8").reshape(-1, 2)
    low, high = halves.sum(axis=0, dtype=np.uint64)
    return Digest(len(halves), int(low), int(high))


_ORDER: Final = list(Exactness)
_ULPS: Final = 2
_TOLERANCE: Final = 1e-6


def agreed(left: Exactness, right: Exactness, metric: Metric) -> Exactness:
    """Returns the class by which vectors of two sources are compared: the looser of the two.

    Args:
        left: How exactly one keeps vectors under cosine.
        right: Likewise the other.
        metric: Under l2 and dot all keep them bit for bit.
    """
    return max(left, right, key=_ORDER.index) if metric is Metric.COSINE else Exactness.BITS


def loosest(classes: Iterable[Exactness]) -> Exactness:
    """Returns the loosest of these classes; bit for bit if there are none."""
    return max(classes, key=_ORDER.index, default=Exactness.BITS)


def bitwise(left: VectorArray, right: VectorArray) -> NDArray[np.bool_]:
    """Returns which rows are equal in every component, -0.0 being 0.0."""
    same: NDArray[np.bool_] = (left == right).all(axis=1)
    return same


def same_vectors(left: VectorArray, right: VectorArray, exactness: Exactness) -> NDArray[np.bool_]:
    """Returns which rows, of shape (n, d) both, are equal by the class."""
    same = bitwise(left, right)
    match exactness:
        case Exactness.BITS:
            return same
        case Exactness.ULP:
            close: NDArray[np.bool_] = (np.abs(_steps(left) - _steps(right)) <= _ULPS).all(axis=1)
            return same | close
        case Exactness.RELATIVE:
            exact = left.astype(np.float64)
            lengths = np.linalg.norm(exact, axis=1)
            near: NDArray[np.bool_] = np.linalg.norm(exact - right, axis=1) <= _TOLERANCE * lengths
            return same | near


def same_column(left: Column, right: Column, exactness: Exactness) -> NDArray[np.bool_]:
    """Returns which rows of a named field are equal: both absent, or both there and equal by the class.

    Args:
        left: The column of one side.
        right: That of the other, of the same kind, dimension and number of rows.
        exactness: Of dense vectors. Sparse ones are compared bit for bit.
    """
    if isinstance(left, SparseArray) or isinstance(right, SparseArray):
        return np.array([_same_sparse(one, other) for one, other in zip(left, right, strict=True)], dtype=np.bool_)
    absent: NDArray[np.bool_] = ~present(left) & ~present(right)
    return absent | same_vectors(left, right, exactness)


def _same_sparse(one: SparseVector, other: SparseVector) -> bool:
    return np.array_equal(one.indices, other.indices) and np.array_equal(one.values, other.values)


def _steps(vectors: VectorArray) -> NDArray[np.int64]:
    """The place of each float32 in their order: neighbours differ by one, and 0.0 and -0.0 are both 0."""
    bits = np.ascontiguousarray(vectors).view(np.int32).astype(np.int64)
    return np.where(bits < 0, np.int64(-(1 << 31)) - bits, bits)
