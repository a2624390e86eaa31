"""The Python values that NumPy scalars and members of enums stand for, exactly or not at all."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import Enum
from importlib import import_module
from typing import Final

import numpy as np

from vstore.errors import InvalidInput, brief

__all__ = ["as_python", "as_text"]

_OWN: Final = frozenset({str, bool, int, float, datetime, type(None)})
_DAYS: Final = ("Y", "M", "W", "D")


def as_python(value: object) -> object:
    """Return the str, bool, int, float or datetime that a value stands for; whatever stands for none comes back itself.

    A NumPy scalar stands for the value that it equals, a ``datetime64`` for a moment in UTC, a ``Timestamp`` of pandas
    with a time zone for its moment, and a member of an enum of str or int for its text or number.

    Raises:
        InvalidInput: A NumPy scalar that no Python value equals: a ``longdouble`` beyond float64, or a ``datetime64``
            that is a day, finer than a microsecond, beyond the years 1 to 9999, or NaT. A ``Timestamp`` without a time
            zone, finer than a microsecond or beyond these years; ``NaT`` and ``NA`` of pandas.
    """
    if type(value) in _OWN:
        return value
    if str(type(value).__module__).partition(".")[0] == "pandas":
        return _of_pandas(value)
    if isinstance(value, np.generic):
        return _of_numpy(value)
    if isinstance(value, Enum):
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return int.__index__(value)
    return value


def as_text(value: object) -> object:
    """Return the str that a NumPy text or a member of an enum stands for; anything else comes back itself."""
    return as_python(value) if isinstance(value, str) else value


def _of_numpy(value: np.generic) -> object:
    match value:
        case np.bool_():
            return bool(value)
        case np.str_():
            return str.__str__(value)
        case np.datetime64():
            return _moment(value)
        case np.timedelta64():
            return value  # to NumPy an integer
        case np.integer():
            return int(value)
        case np.floating():
            number = float(value)
            if number != value and not np.isnan(value):
                raise InvalidInput(f"{brief(value)} has no float64 that equals it", hint="Round it with float().")
            return number
    return value


def _moment(value: np.datetime64) -> datetime:
    if np.isnat(value):
        raise InvalidInput("NaT is no moment", hint="Leave the key out instead.")
    if np.datetime_data(value.dtype)[0] in _DAYS:
        raise InvalidInput(
            f"{brief(value)} is a day, no moment",
            hint="Pass a text such as '2024-02-29', or .astype('datetime64[us]') for its midnight in UTC.",
        )
    micros = value.astype("datetime64[us]")
    moment = micros.item()
    if micros.astype(value.dtype) != value or not isinstance(moment, datetime):
        raise InvalidInput(
            f"{brief(value)} is no whole number of microseconds in the years 1 to 9999",
            hint="Round it with .astype('datetime64[us]').",
        )
    return moment.replace(tzinfo=UTC)


def _of_pandas(value: object) -> object:
    pandas = import_module("pandas")  # which made the value, and is there
    if value is pandas.NaT or value is pandas.NA:
        raise InvalidInput(f"{value!r} is no value", hint="Leave the key out instead, or pass None.")
    if not isinstance(value, pandas.Timestamp):
        return value
    if value.tzinfo is None:
        raise InvalidInput(f"{brief(value)} has no time zone", hint="Use .tz_localize('UTC').")
    if value.nanosecond:
        raise InvalidInput(f"{brief(value)} is no whole number of microseconds", hint="Round it with .round('us').")
    try:
        return value.tz_convert("UTC").to_pydatetime().replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(f"{brief(value)} is not in the years 1 to 9999") from None
