"""How the legs of a hybrid query become one list: ``RRF`` and ``Weighted``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vstore.errors import InvalidInput, brief

__all__ = ["RRF", "Fusion", "Weighted"]


@dataclass(frozen=True, slots=True)
class RRF:
    """Reciprocal rank fusion (Cormack, Clarke and Büttcher, doi:10.1145/1571941.1572114).

    A record's score is the sum of ``weight / (k + rank)`` over the legs that found it, ranks counted from 1.

    Attributes:
        k: The constant, at least 0. The larger it is, the less the first ranks count.
        depth: Number of records of each leg, at least 1; by default the larger of 100 and the query's k.
        weights: A weight above 0 for fields by name, 1 where a field is not named; ``"vector"`` names the one field
            without a name.
    """

    k: float = 60
    depth: int | None = None
    weights: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if not _is_number(self.k) or self.k < 0:
            raise InvalidInput(f"RRF(k=…) must be a number of at least 0, not {brief(self.k)}")
        _check_depth("RRF", self.depth)
        if self.weights is not None:
            _check_weights("RRF", self.weights)


@dataclass(frozen=True, slots=True)
class Weighted:
    """A sum of the legs' scores, each brought to the range 0 to 1 and times its weight. A leg without a record adds 0.

    Attributes:
        weights: A weight above 0 for each field of the query by name; ``"vector"`` names the one field without a name.
        normalize: ``"fixed"`` brings a score s there by the field's metric alone: cosine ``(1 + s) / 2``, dot and
            sparse ``1/2 + atan(s) / π``, l2 ``1 - 2 atan(-s) / π``. ``"minmax"`` brings the lowest score of each leg to
            0 and the highest to 1; where they are equal all are 1.
        depth: Number of records of each leg, at least 1; by default the larger of 100 and the query's k.
    """

    weights: Mapping[str, float]
    normalize: Literal["fixed", "minmax"] = "fixed"
    depth: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_weights("Weighted", self.weights)
        if self.normalize not in ("fixed", "minmax"):
            raise InvalidInput(f"Weighted(normalize=…) must be 'fixed' or 'minmax', not {brief(self.normalize)}")
        _check_depth("Weighted", self.depth)


Fusion: TypeAlias = RRF | Weighted


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _check_depth(kind: str, depth: object) -> None:
    if depth is not None and (type(depth) is not int or depth < 1):
        raise InvalidInput(f"{kind}(depth=…) must be an int of at least 1, not {brief(depth)}")


def _check_weights(kind: str, weights: object) -> None:
    if not isinstance(weights, Mapping) or not weights:
        raise InvalidInput(f"{kind}(weights=…) must be a dict from field to weight, not {brief(weights)}")
    for name, weight in weights.items():
        if type(name) is not str:
            raise InvalidInput(f"{kind}(weights=…) names a field by {brief(name)}, which is no str")
        if not _is_number(weight) or weight <= 0:
            raise InvalidInput(f"{kind}(weights=…) has {brief(weight)} for {name!r}; a weight is a number above 0")
