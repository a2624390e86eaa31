"""In how many documents each term is: what a query's weights need, from one scan."""

from __future__ import annotations

import json
from base64 import b85decode, b85encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from zlib import compress, decompressobj

import numpy as np
from numpy.typing import NDArray

from vstore.errors import BackendError, InvalidInput

__all__ = ["TermStatistics"]

_PART: Final = 60_000  # characters of a document; every store takes 65,535 bytes
_MOST_BYTES: Final = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class TermStatistics:
    """How many documents there are, how long they are, and in how many of them each term is.

    Attributes:
        terms: What made terms of the texts, see ``Terms.name``.
        documents: Number of documents, those without terms included.
        length: Number of terms in all of them.
        indices: The terms by their index, ascending and each once: uint32, shape (n,).
        frequencies: In how many documents each is: uint32, shape (n,).
    """

    terms: str
    documents: int
    length: int
    indices: NDArray[np.uint32]
    frequencies: NDArray[np.uint32]

    @classmethod
    def empty(cls, terms: str) -> TermStatistics:
        """Return those of no document."""
        return cls(terms, 0, 0, np.empty(0, np.uint32), np.empty(0, np.uint32))

    @property
    def average_length(self) -> float:
        """Terms of an average document, 0.0 where there is none."""
        return self.length / self.documents if self.documents else 0.0

    def of(self, indices: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return in how many documents each of some terms is, 0 for an unknown one."""
        found = np.zeros(len(indices), np.uint32)
        if len(self.indices):
            places = np.minimum(np.searchsorted(self.indices, indices), len(self.indices) - 1)
            known = self.indices[places] == indices
            found[known] = self.frequencies[places[known]]
        return found

    def __add__(self, other: TermStatistics) -> TermStatistics:
        """Return the statistics of both sets of documents together."""
        if self.terms != other.terms:
            raise InvalidInput(f"statistics of {self.terms!r} and of {other.terms!r} cannot be added")
        both = np.concatenate([self.indices, other.indices])
        indices, places = np.unique(both, return_inverse=True)
        counts = np.concatenate([self.frequencies, other.frequencies]).astype(np.int64)
        frequencies = np.bincount(places, weights=counts, minlength=len(indices)).astype(np.uint32)
        return TermStatistics(
            self.terms, self.documents + other.documents, self.length + other.length, indices, frequencies
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TermStatistics) and self._head() == other._head() and self._body() == other._body()

    __hash__ = None  # type: ignore[assignment]  # it holds arrays

    def __repr__(self) -> str:
        return f"<TermStatistics of {self.documents:,} documents, {len(self.indices):,} terms, {self.terms}>"

    def parts(self) -> list[str]:
        """Return them as texts of at most 60,000 ASCII characters, which ``from_parts`` reads."""
        head = json.dumps({**self._head(), "digest": self._digest()}).encode()
        packed = b85encode(compress(head + b"\n" + self._body())).decode()
        return [packed[start : start + _PART] for start in range(0, len(packed), _PART)]

    @classmethod
    def from_parts(cls, parts: Sequence[str]) -> TermStatistics:
        """Return what ``parts`` made texts of.

        Raises:
            BackendError: A part is missing or damaged.
        """
        try:
            inflating = decompressobj()
            head, _, body = inflating.decompress(b85decode("".join(parts)), _MOST_BYTES).partition(b"\n")
            told: dict[str, Any] = json.loads(head)
            digest = told.pop("digest")
            half = len(body) // 2
            gaps = np.frombuffer(body[:half], "<u4").astype(np.uint64)
            made = cls(
                **told,
                indices=np.cumsum(gaps, dtype=np.uint64).astype(np.uint32),
                frequencies=np.frombuffer(body[half:], "<u4").astype(np.uint32),
            )
            if made._digest() != digest:
                raise ValueError("their digest is another")
        except Exception as error:
            raise BackendError(f"the statistics of terms cannot be read: {error}", hint="Learn them again.") from error
        return made

    def _head(self) -> dict[str, Any]:
        return {"terms": self.terms, "documents": self.documents, "length": self.length}

    def _body(self) -> bytes:
        gaps = np.diff(self.indices, prepend=np.uint32(0))
        return gaps.astype("<u4").tobytes() + self.frequencies.astype("<u4").tobytes()

    def _digest(self) -> str:
        return blake2b(json.dumps(self._head()).encode() + self._body(), digest_size=16).hexdigest()


def counted(terms: str, rows: Iterable[tuple[NDArray[np.uint32], int]]) -> TermStatistics:
    """Return the statistics of documents: for each its distinct indices, and its number of terms."""
    distinct: list[NDArray[np.uint32]] = []
    length = 0
    for indices, terms_of_one in rows:
        distinct.append(indices)
        length += terms_of_one
    if not distinct:
        return TermStatistics.empty(terms)
    indices, frequencies = np.unique(np.concatenate(distinct), return_counts=True)
    return TermStatistics(terms, len(distinct), length, indices, frequencies.astype(np.uint32))
