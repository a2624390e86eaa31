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


class translating:  # noqa: N801  # as contextlib names such classes; one made of a generator takes twice the calls
    """Turns every error of a call into one of the contract. It holds nothing of a call, so that one serves them all."""

    __slots__ = ("_engine", "_translate")

    def __init__(self, translate: Callable[[Exception], VStoreError], *, engine: str = "") -> None:
        """Takes the adapter's error table.

        Args:
            translate: The error table.
            engine: The name, in messages, of an engine written in Rust. Its panics are no ``Exception``, and would pass
                every handler on their way; empty where there is none.
        """
        self._translate = translate
        self._engine = engine

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None or isinstance(error, VStoreError):
            return
        if isinstance(error, Exception):
            raise self._translate(error) from error
        if self._engine and type(error).__name__ == "PanicException":
            raise BackendError(
                f"{self._engine} panicked: {str(error)[:MAX_TEXT]}", hint="Close the store and open it again."
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
