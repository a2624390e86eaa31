"""What a timeout and a number of retries may be: of a connection, and of an embedder's requests."""

from __future__ import annotations

from typing import Final

from vstore.errors import InvalidInput, brief
from vstore.scalars import as_python

__all__ = ["check_retries", "check_timeout"]

MAX_TIMEOUT: Final = 86_400.0
MAX_RETRIES: Final = 100


def check_timeout(timeout: object) -> float:
    """Return the seconds as a float; raise ``InvalidInput`` unless they are above 0 and at most a day."""
    seconds = as_python(timeout)
    if type(seconds) not in (int, float) or not 0 < seconds <= MAX_TIMEOUT:  # type: ignore[operator]
        raise InvalidInput(f"timeout must be seconds above 0 and up to {MAX_TIMEOUT:,.0f}, not {brief(timeout)}")
    return float(seconds)  # type: ignore[arg-type]


def check_retries(retries: object) -> int:
    """Return the number; raise ``InvalidInput`` unless it is an int from 0 to 100."""
    number = as_python(retries)
    if type(number) is not int or not 0 <= number <= MAX_RETRIES:
        raise InvalidInput(f"retries must be an int from 0 to {MAX_RETRIES}, not {brief(retries)}")
    return number
