"""The order of records by a metadata key (SCAN-4), and places in it that a cursor can name."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Final, TypeAlias

from vstore.errors import InvalidInput, brief, check_flag, plain
from vstore.keys import check_key
from vstore.metadata import micros
from vstore.records import Records

__all__ = ["ABSENT", "Place", "RecordOrder", "check_order", "kind_and_value"]

NUMBER, BOOL, TEXT, ABSENT = range(4)
"""The kinds of values in their order; ``ABSENT`` are a missing key, a list and a dict."""
_TYPES: Final[dict[int, tuple[type, ...]]] = {NUMBER: (int, float), BOOL: (bool,), TEXT: (str,), ABSENT: (type(None),)}
_ID: Final = 2

Place: TypeAlias = tuple[int, Any, str]
"""Where a record stands: kind, value and id."""


def kind_and_value(value: object) -> tuple[int, Any]:
    """Return what is equal for scalars that filters find equal (FLT-4); all else is ``ABSENT``."""
    match value:
        case bool():
            return BOOL, value
        case datetime():
            return NUMBER, micros(value)
        case int() | float():
            return NUMBER, value
        case str():
            return TEXT, value
        case _:
            return ABSENT, None


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """An order of records.

    Attributes:
        key: The metadata key.
        descending: Whether the values come in reverse. Equal ones come by ascending id all the same, and records
            without a value last.
    """

    key: str
    descending: bool

    def places(self, records: Records) -> list[Place]:
        """Return the places of records that were read with their metadata."""
        pairs = zip(records.ids, records.metadatas or (), strict=True)
        return [(*kind_and_value(metadata.get(self.key)), record_id) for record_id, metadata in pairs]

    def arranged(self, places: Iterable[Place], after: Place | None) -> list[Place]:
        """Return in order those places that come after one, or all."""
        left = sorted((one for one in places if after is None or self._is_later(one, after)), key=itemgetter(_ID))
        present = [one for one in left if one[0] != ABSENT]
        present.sort(key=itemgetter(0, 1), reverse=self.descending)  # stable: ids stay ascending
        return present + [one for one in left if one[0] == ABSENT]

    def _is_later(self, place: Place, after: Place) -> bool:
        if ABSENT in (place[0], after[0]):
            return place[0] == ABSENT and (after[0] != ABSENT or place[_ID] > after[_ID])
        if place[:_ID] == after[:_ID]:
            return place[_ID] > after[_ID]
        return (place[:_ID] > after[:_ID]) != self.descending

    def token(self, place: Place) -> str:
        """Return a place as a text."""
        return json.dumps([self.key, self.descending, *place])

    def place(self, token: str) -> Place:
        """Return the place that ``token`` made a text of.

        Raises:
            ValueError: It is none of this order.
        """
        try:
            key, descending, kind, value, record_id = json.loads(token)
        except (TypeError, RecursionError) as error:
            raise ValueError(token) from error
        known = type(kind) is int and type(value) in _TYPES.get(kind, ()) and type(record_id) is str
        finite = type(value) is not float or math.isfinite(value)
        if (key, descending) != (self.key, self.descending) or not known or not finite:
            raise ValueError(token)
        return kind, value, record_id


def check_order(order_by: object, descending: object) -> RecordOrder | None:
    """Return the order that a scan is to have; None for the database's own.

    Raises:
        InvalidInput: ``order_by`` is no key, or ``descending`` is given without it.
    """
    check_flag("descending", descending)
    if order_by is None:
        if descending:
            raise InvalidInput("descending=True is for order_by=", hint="Pass order_by=KEY.")
        return None
    key = plain(order_by) if isinstance(order_by, str) else order_by
    if not isinstance(key, str):
        raise InvalidInput(f"order_by takes a metadata key, not {brief(order_by)}")
    check_key(key)
    return RecordOrder(key, bool(descending))
