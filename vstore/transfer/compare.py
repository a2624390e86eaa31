"""Whether two collections hold the same records: ids both ways, vectors, documents, typed metadata."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vstore._sync.collection import Collection
from vstore.codec import to_json
from vstore.types import Metadata, Metric, Records, VectorArray

__all__ = ["Comparison", "compare"]

_NAMED: Final = 10
_COSINE_TOLERANCE: Final = 1e-6  # VEC-3: some databases store the unit vector under cosine


@dataclass(slots=True)
class Comparison:
    """What ``compare`` found.

    Attributes:
        compared: Records that are in both.
        missing: Records of the left that the right lacks.
        extra: Records of the right that the left lacks.
        vectors: Records whose vectors differ.
        documents: Records whose documents differ.
        metadatas: Records whose metadata differ, in a value or in a type.
        examples: Some of the ids concerned.
        bitwise: Whether all vectors compared are equal bit for bit.
    """

    compared: int = 0
    missing: int = 0
    extra: int = 0
    vectors: int = 0
    documents: int = 0
    metadatas: int = 0
    examples: list[str] = field(default_factory=list)
    bitwise: bool = True

    @property
    def equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.extra or self.vectors or self.documents or self.metadatas)


def compare(
    left: Collection, right: Collection, *, batch_size: int = 1000, on_progress: Callable[[int], None] = lambda _: None
) -> Comparison:
    """Compares two collections completely, page by page.

    Vectors must be equal bit for bit; under cosine within 1e-6 relative, because some databases store the
    unit vector. int is not float, a missing key is not None.

    Args:
        left: One of them.
        right: The other.
        batch_size: Records read at once.
        on_progress: Called with the number of records of each page of the left.
    """
    result = Comparison()
    for page in left.scan(batch_size=batch_size):
        ours = page.records
        theirs = right.get(ours.ids)
        found = set(theirs.ids)
        absent = [record_id for record_id in ours.ids if record_id not in found]
        result.missing += len(absent)
        _name(result, absent)
        _columns(result, ours.ordered(theirs.ids), theirs, left.info.metric)
        on_progress(len(ours))
    for page in right.scan(batch_size=batch_size, include=()):
        known = set(left.get(page.records.ids, include=()).ids)
        extra = [record_id for record_id in page.records.ids if record_id not in known]
        result.extra += len(extra)
        _name(result, extra)
    return result


def _columns(result: Comparison, ours: Records, theirs: Records, metric: Metric) -> None:
    result.compared += len(ours)
    if ours.vectors is not None and theirs.vectors is not None and len(ours):
        same = (ours.vectors.view(np.uint32) == theirs.vectors.view(np.uint32)).all(axis=1)
        result.bitwise &= bool(same.all())
        if metric is Metric.COSINE:
            same |= _close(ours.vectors, theirs.vectors)
        result.vectors += _differing(result, ours.ids, same.tolist())
    documents = zip(ours.documents or (), theirs.documents or (), strict=True)
    result.documents += _differing(result, ours.ids, [a == b for a, b in documents])
    metadatas = zip(ours.metadatas or (), theirs.metadatas or (), strict=True)
    result.metadatas += _differing(result, ours.ids, [_typed(a) == _typed(b) for a, b in metadatas])


def _close(left: VectorArray, right: VectorArray) -> NDArray[np.bool_]:
    difference = np.linalg.norm(left.astype(np.float64) - right, axis=1)
    bound: NDArray[np.bool_] = difference <= _COSINE_TOLERANCE * np.linalg.norm(left.astype(np.float64), axis=1)
    return bound


def _typed(metadata: Metadata) -> str:
    """Equal texts for equal metadata, types included; -0.0 and 0.0 are one value."""
    return to_json(
        {key: 0.0 if value == 0 and type(value) is float else value for key, value in sorted(metadata.items())}
    )


def _differing(result: Comparison, ids: list[str], same: list[bool]) -> int:
    different = [record_id for record_id, equal in zip(ids, same, strict=True) if not equal]
    _name(result, different)
    return len(different)


def _name(result: Comparison, ids: list[str]) -> None:
    result.examples += ids[: max(0, _NAMED - len(result.examples))]
