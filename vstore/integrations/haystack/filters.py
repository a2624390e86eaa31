"""Haystack's filters as filters of vstore: exact, or a ``FilterError`` before anything is sent.

The meaning is that of ``haystack.utils.filters.document_matches_filter``. Where that function raises an error for a
document, as for an ordering between a text that is no date and a date, the comparison is false of the document.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from haystack.errors import FilterError

from vstore.errors import InvalidInput
from vstore.filters.tree import And, ContainsAny, Eq, Exists, Filter, Not, Order, OrderOp
from vstore.info import CollectionInfo
from vstore.integrations.haystack.dates import Moment, moment_of
from vstore.integrations.haystack.places import Place, place_of, utc_key, wall_key
from vstore.integrations.terms import (
    FALSE,
    TOKENS,
    TRUE,
    all_of,
    any_of,
    basic_date_token,
    canonical,
    equals,
    ordered,
)

__all__ = ["EVERYTHING", "HAYSTACK", "OWNER", "Condition", "translate"]

OWNER: Final = "vstore_door"
HAYSTACK: Final = "haystack"
"""Under ``OWNER`` in the metadata of a collection that Haystack's store has created."""

_ORDER: Final[dict[str, OrderOp]] = {">": ">", ">=": ">=", "<": "<", "<=": "<="}
_COMPARISONS: Final = ("==", "!=", "in", "not in", *_ORDER)
_LOGIC: Final[dict[str, Callable[[list[Filter]], Filter]]] = {
    "AND": all_of,
    "OR": any_of,
    "NOT": lambda parts: Not(all_of(parts)),
}
_DEEPEST: Final = 32


@dataclass(frozen=True, slots=True)
class Condition:
    """A filter that was translated.

    Attributes:
        where: It in vstore's form; None for every document.
        beyond: Comparisons of what only records that Haystack's store wrote hold.
    """

    where: Filter | None
    beyond: tuple[str, ...] = ()

    def on(self, info: CollectionInfo) -> Filter | None:
        """Return the filter for a collection.

        Raises:
            FilterError: It asks for what only records that Haystack's store wrote hold, and this is not its collection.
        """
        if self.beyond and info.metadata.get(OWNER) != HAYSTACK:
            raise FilterError(
                f"{self.beyond[0]} asks for what records hold that VStoreDocumentStore wrote, and the collection "
                f"{info.name!r} is not of its making. Write its documents into one that is."
            )
        return self.where


EVERYTHING: Final = Condition(None)


def translate(filters: dict[str, Any]) -> Condition:
    """Return the condition that means the same as Haystack's filters.

    Raises:
        FilterError: They are malformed, or a comparison cannot be answered exactly; the error names it.
    """
    beyond: list[str] = []
    return Condition(_condition(filters, beyond, _DEEPEST), tuple(beyond))


def _condition(condition: Any, beyond: list[str], room: int) -> Filter:
    if not isinstance(condition, dict):
        raise FilterError(f"A condition must be a dict, not {type(condition).__name__}.")
    if room == 0:
        raise FilterError(f"The filters are nested deeper than {_DEEPEST}.")
    if "field" in condition:
        return _comparison(condition, beyond)
    for key in ("operator", "conditions"):
        if key not in condition:
            raise FilterError(f"'{key}' key missing in {condition}")
    operator, conditions = condition["operator"], condition["conditions"]
    if operator not in _LOGIC:
        raise FilterError(f"Unknown logical operator '{operator}'. Valid operators are: {sorted(_LOGIC)}")
    if not isinstance(conditions, list):
        raise FilterError(f"'conditions' must be a list, not {type(conditions).__name__}.")
    return _LOGIC[operator]([_condition(part, beyond, room - 1) for part in conditions])


def _comparison(condition: dict[str, Any], beyond: list[str]) -> Filter:
    for key in ("operator", "value"):
        if key not in condition:
            raise FilterError(f"'{key}' key missing in {condition}")
    field, operator, value = condition["field"], condition["operator"], condition["value"]
    if operator not in _COMPARISONS:
        raise FilterError(f"Unknown comparison operator '{operator}'. Valid operators are: {sorted(_COMPARISONS)}")
    if not isinstance(field, str):
        raise FilterError(f"A field must be a str, not {type(field).__name__}.")
    asked = f"The operator '{operator}' on '{field}'"
    values = value if operator in ("in", "not in") else [value]
    if not isinstance(values, list):
        raise FilterError(f"{asked}: the value must be a list, not {type(value).__name__}.")
    place = place_of(field)
    try:
        found = _ordering(place, _ORDER[operator], value) if operator in _ORDER else _equality(place, values)
    except InvalidInput as error:
        raise FilterError(f"{asked}: {error}") from error
    if place is not None and (not place.plain or _asks_beyond(values)):
        beyond.append(asked)
    return Not(found) if operator in ("!=", "not in") else found


def _asks_beyond(values: list[Any]) -> bool:
    return any(isinstance(value, list | dict | tuple) or moment_of(value) is not None for value in values)


def _equality(place: Place | None, values: list[Any]) -> Filter:
    """True of documents whose field equals one of ``values``; a field that is not there equals None."""
    some = [value for value in values if value is not None]
    if place is None:
        return TRUE if len(some) < len(values) else FALSE
    parts: list[Filter] = [] if len(some) == len(values) else [Not(place.present)]
    if some and not place.whole:
        raise InvalidInput("it is compared with None alone")
    for value in some:
        if canonical(value) is None and not _is_nan(value):
            raise InvalidInput(f"a {type(value).__name__} is not compared")
    if some:
        parts.append(equals(place.name, place.path, some, lists=True))
    moments = [moment for value in some if (moment := moment_of(value)) is not None and moment.equated]
    return any_of([*parts, *(_same_date(place.name, moment) for moment in moments)])


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _same_date(name: str, moment: Moment) -> Filter:
    found = _dated(name, moment, lambda key, number: Eq((key,), number))
    return And((found, Not(ContainsAny((TOKENS,), (basic_date_token(name),)))))


def _ordering(place: Place | None, op: OrderOp, value: Any) -> Filter:
    if isinstance(value, list):
        raise InvalidInput("there is no ordering against a list")
    moment = moment_of(value)
    if isinstance(value, str) and moment is None:
        raise InvalidInput("a str is compared only where it is a date in ISO 8601")
    if value is None or place is None:
        return FALSE
    if not place.whole:
        raise InvalidInput("it is compared with None alone")
    if moment is not None:
        return _dated(place.name, moment, lambda key, number: Order((key,), op, number))
    if not isinstance(value, int | float):
        raise InvalidInput(f"there is no ordering against a {type(value).__name__}")
    if _is_nan(value) or place.path is None:
        return FALSE
    return ordered(place.path, op, int(value) if isinstance(value, bool) else value)


def _dated(name: str, moment: Moment, compare: Callable[[str, int], Filter]) -> Filter:
    """A comparison of dates: by the moments where both have an offset, else by what the calendars show."""
    wall, utc = wall_key(name), utc_key(name)
    if moment.utc is None:
        return compare(wall, moment.wall)
    return any_of([compare(utc, moment.utc), And((Not(Exists((utc,))), compare(wall, moment.wall)))])
