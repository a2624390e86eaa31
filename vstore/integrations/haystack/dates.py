"""Dates as Haystack's filters take them: datetimes, and texts that are dates in ISO 8601."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dateutil.parser import isoparse

from vstore.metadata import micros

__all__ = ["Moment", "moment_of"]

_EQUATED: Final = re.compile(r"\d{4}-\d{2}-\d{2}([Tt ].*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Moment:
    """A date by its numbers: one without an offset stands, to Haystack, in the offset of what it is compared with.

    Attributes:
        wall: Microseconds from the epoch to what clock and calendar show.
        utc: Microseconds from the epoch to the moment itself; None without an offset.
        equated: Whether ``==`` compares it as a date; orderings do always.
    """

    wall: int
    utc: int | None
    equated: bool


def moment_of(value: Any) -> Moment | None:
    """Return the date that a value is; None where it is none."""
    if isinstance(value, datetime):
        return _moment(value, equated=True)
    if not isinstance(value, str) or not value[:1].isdigit():
        return None
    equated = _EQUATED.fullmatch(value) is not None
    try:
        return _moment(datetime.fromisoformat(value), equated=equated)
    except ValueError:
        pass
    try:
        return _moment(isoparse(value), equated=True) if equated else None  # the end of a day may be written 24:00
    except (ValueError, OverflowError):
        return None


def _moment(value: datetime, *, equated: bool) -> Moment:
    aware = value.utcoffset() is not None
    return Moment(micros(value.replace(tzinfo=UTC)), micros(value) if aware else None, equated)
