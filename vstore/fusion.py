"""How the legs of a hybrid query become one list: ``RRF`` and ``Weighted``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from vstore.errors import InvalidInput, brief, reading
from vstore.scalars import as_python, as_text

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
        constant = _number(self.k)
        if constant is None or constant < 0:
            raise InvalidInput(f"RRF(k=…) must be a number of at least 0, not {brief(self.k)}")
        object.__setattr__(self, "k", constant)
        object.__setattr__(self, "depth", _checked_depth("RRF", self.depth))
        if self.weights is not None:
            object.__setattr__(self, "weights", _checked_weights("RRF", self.weights))


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
        object.__setattr__(self, "weights", _checked_weights("Weighted", self.weights))
        how = as_text(self.normalize)
        if type(how) is not str or how not in ("fixed", "minmax"):
            raise InvalidInput(f"Weighted(normalize=…) must be 'fixed' or 'minmax', not {brief(self.normalize)}")
        object.__setattr__(self, "normalize", how)
        object.__setattr__(self, "depth", _checked_depth("Weighted", self.depth))


Fusion: TypeAlias = RRF | Weighted


def _number(value: object) -> float | None:
    """The finite float that a number is, or None."""
    found = as_python(value)
    if type(found) is float and math.isfinite(found):
        return found
    return float(found) if type(found) is int and abs(found) < 1 << 53 else None


def _checked_depth(kind: str, depth: object) -> int | None:
    found = as_python(depth)
    if found is not None and (type(found) is not int or found < 1):
        raise InvalidInput(f"{kind}(depth=…) must be an int of at least 1, not {brief(depth)}")
    return found


def _checked_weights(kind: str, weights: object) -> dict[str, float]:
    if not isinstance(weights, Mapping):
        raise InvalidInput(f"{kind}(weights=…) must be a dict from field to weight, not {brief(weights)}")
    with reading("weights"):
        pairs = list(weights.items())
    if not pairs:
        raise InvalidInput(f"{kind}(weights=…) is empty")
    found: dict[str, float] = {}
    for key, weight in pairs:
        name, number = as_text(key), _number(weight)
        if type(name) is not str:
            raise InvalidInput(f"{kind}(weights=…) names a field by {brief(key)}, which is no str")
        if number is None or number <= 0:
            raise InvalidInput(f"{kind}(weights=…) has {brief(weight)} for {name!r}; a weight is a number above 0")
        found[name] = number
    return found
