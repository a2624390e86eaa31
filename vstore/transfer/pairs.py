"""Collections of two locations that are compared pair by pair: what the two sides are, and what came of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vstore.errors import InvalidInput, NotFound, Unsupported, VStoreError
from vstore.filters.tree import Filter
from vstore.mapping import RecordMapping
from vstore.transfer.calls import RetryPolicy
from vstore.transfer.endpoint import Source
from vstore.transfer.layout_target import LayoutTarget
from vstore.transfer.loss import Loss, LossKind, source_losses
from vstore.transfer.opening import Location
from vstore.transfer.report import Verification
from vstore.transfer.transform import Rewritten, nested_as_json
from vstore.transfer.whole import Part

__all__ = ["ComparedPair", "Sides", "sides_of"]

_DIFFERENT = 3


@dataclass(frozen=True, slots=True)
class Sides:
    """What is compared.

    Attributes:
        left: The one side, as the other is to be.
        right: The other.
        losses: What of either is not read; None for what ``verify`` finds out itself.
        any_metric: Whether the right may have another metric.
    """

    left: Source
    right: Source
    losses: Sequence[Loss] | None = None
    any_metric: bool = False

    def rows(self) -> int:
        """Counts the records of both; of a left that is rewritten those before."""
        return (self.left.source if isinstance(self.left, Rewritten) else self.left).count() + self.right.count()


def sides_of(
    part: Part,
    there: Location,
    layout: RecordMapping | str | None,
    vector_length: int | None,
    allowed: frozenset[LossKind],
    where: Filter | None,
    retry: RetryPolicy,
) -> Sides:
    """Opens both sides of a pair; with a layout the left is what a copy would have made of it.

    Args:
        part: The left, opened.
        there: Where the right is.
        layout: As whose, or by which mapping, the right was written; None for vstore's own.
        vector_length: As in ``CopyOptions``.
        allowed: The losses that the copy was allowed.
        where: Only the records of the left that match.
        retry: Makes the calls.

    Raises:
        NotFound: There is no such collection.
        VStoreError: It cannot be opened.
    """
    source = part.source
    if source is None:
        assert part.error is not None
        raise part.error
    if layout is None:
        return Sides(source, there.source(part.target))
    target = there.target(part.target, layout, source.info, vector_length)
    assert isinstance(target, LayoutTarget)
    right = target.existing()
    if right is None:
        raise NotFound.of_collection(part.target)
    shape, flat = target.shape, not target.capabilities.nested_metadata
    nested = [nested_as_json] if flat and LossKind.NESTED in allowed else []
    rewrites = [*nested, *shape.rewrites(allowed), *shape.as_read()]
    left = Rewritten(source, rewrites, replace(source.info, dimension=shape.held.dimension)) if rewrites else source
    losses = [*retry.call(lambda: source_losses(source, where)), *retry.call(lambda: source_losses(right, None))]
    return Sides(left, right, losses, LossKind.METRIC in allowed)


@dataclass(slots=True)
class ComparedPair:
    """What came of one pair.

    Attributes:
        part: The left, and the name of the right.
        found: What the comparison found; None where there was none.
        error: Why there was none.
        not_begun: Why it was not begun, in words; empty if it was.
    """

    part: Part
    found: Verification | None = None
    error: VStoreError | None = None
    not_begun: str = ""

    @property
    def exit_code(self) -> int:
        """0 equal, 1 failed or not begun, 2 wrong use, 3 different."""
        if self.found is not None:
            return 0 if self.found.equal else _DIFFERENT
        return 2 if isinstance(self.error, InvalidInput | Unsupported) else 1

    @property
    def told(self) -> str:
        """What ended it, in words; empty where it was compared."""
        if self.error is not None:
            return f"{type(self.error).__name__}: {self.error}"
        return f"not begun: {self.not_begun}" if self.not_begun else ""

    def as_dict(self) -> dict[str, Any]:
        """Everything, as plain data."""
        own = {
            "collection": self.part.name,
            "target_collection": self.part.target,
            "mapping": self.part.mapping,
            "exit_code": self.exit_code,
            "error": self.told,
        }
        return own | ({} if self.found is None else self.found.as_dict())
