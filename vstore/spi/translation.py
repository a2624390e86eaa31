"""A client's errors as errors of the contract: what every call of an adapter stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from vstore.errors import AlreadyExists, BackendError, LimitExceeded, NotFound, Timeout, VStoreError

__all__ = ["HINTS", "MAX_TEXT", "redacting", "translating"]

MAX_TEXT: Final = 500
"""Most characters of a client's message that an error repeats."""

HINTS: Final[Mapping[type[VStoreError], str]] = {
    AlreadyExists: "Choose another name, or open the existing collection.",
    LimitExceeded: "Send less in one call: shorter documents, a smaller k, or a smaller filter.",
    NotFound: "It may have been deleted meanwhile; list_collections() names those that are there.",
    Timeout: "Raise timeout=, or send less in one call. A write may have happened.",
}
"""What to do about errors that mean the same in every database; an adapter adds its own."""


@contextmanager
def translating(translate: Callable[[Exception], VStoreError], *, engine: str = "") -> Iterator[None]:
    """Turns every error of a call into one of the contract.

    Args:
        translate: The adapter's error table.
        engine: The name, in messages, of an engine written in Rust. Its panics are no ``Exception``, and would pass
            every handler on their way; empty where there is none.
    """
    try:
        yield
    except VStoreError:
        raise
    except Exception as error:
        raise translate(error) from error
    except BaseException as error:
        if not engine or type(error).__name__ != "PanicException":
            raise
        raise BackendError(
            f"{engine} panicked: {str(error)[:MAX_TEXT]}", hint="Close the store and open it again."
        ) from error


@contextmanager
def redacting(secrets: Sequence[str]) -> Iterator[None]:
    """Removes secrets from every error that connecting raises.

    The core redacts the password of the URL and secret options. An adapter knows what it makes of them.

    Args:
        secrets: Texts that no error may show.
    """
    try:
        yield
    except VStoreError as error:
        error.redact(secrets)
        raise
