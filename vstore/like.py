"""``Like``: records in place of a vector, in a query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vstore.errors import InvalidInput, brief, reading
from vstore.scalars import as_text

__all__ = ["Like"]


@dataclass(frozen=True, slots=True, init=False)
class Like:
    """Asks for what is near to records of the collection, and far from others.

    It stands for the average of the first ones, twice, less that of the others: ``2·mean(ids) - mean(unlike)``, or
    ``mean(ids)`` where there are no others. Under cosine each vector is brought to length 1 before. The records
    that are named are no hits.

    Attributes:
        ids: Records to be near to, one or more; the same one counts once.
        unlike: Records to be far from.

    Example:
        >>> docs.query(Like(["a", "b"], unlike=["c"]), k=5)
        >>> docs.query({"image": Like("a")}, k=5)
    """

    ids: tuple[str, ...]
    unlike: tuple[str, ...]

    def __init__(self, ids: Iterable[str] | str, *, unlike: Iterable[str] | str = ()) -> None:
        """Args are the attributes; one id may be given as it is.

        Raises:
            InvalidInput: ``ids`` is empty, they are no ids, or one is on both sides.
        """
        near, far = _names("ids", ids), _names("unlike", unlike)
        if not near:
            raise InvalidInput("Like takes one id or more", hint="Name a record to be near to.")
        if both := [one for one in near if one in far]:
            raise InvalidInput("the same record is to be near to and far from", ids=both)
        object.__setattr__(self, "ids", near)
        object.__setattr__(self, "unlike", far)

    @property
    def named(self) -> tuple[str, ...]:
        """All records that are named."""
        return self.ids + self.unlike


def _names(argument: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str):
        given = [given]
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise InvalidInput(f"Like takes {argument} as a list of str, not {brief(given)}")
    with reading(argument):
        found = [as_text(one) for one in given]
    for one in found:
        if type(one) is not str:
            raise InvalidInput(f"Like takes {argument} as a list of str, and one is {brief(one)}")
    return tuple(dict.fromkeys(found))  # type: ignore[arg-type]  # they are str
