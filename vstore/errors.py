"""The error taxonomy: the only exceptions that leave the library.

Every error names the backend, the operation and the collection, says what was wrong and what to do,
and carries ``retryable``: whether the same call may succeed if it is repeated unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import ClassVar, Final, Self

from vstore.logs import DEBUG, log
from vstore.masking import chained, mask, mask_others, said_by_others

__all__ = [
    "HTTP_KINDS",
    "AlreadyExists",
    "AuthenticationFailed",
    "BackendError",
    "Closed",
    "InvalidInput",
    "LimitExceeded",
    "Mismatch",
    "NotFound",
    "PartialWrite",
    "Timeout",
    "Unavailable",
    "Unsupported",
    "VStoreError",
    "brief",
    "check_flag",
    "partial_write_context",
    "plain",
    "reading",
]

_NAMED_IDS = 10
_BRIEF: Final = 80


def brief(value: object) -> str:
    """Return a value of the caller's for the text of an error, whatever it is: its repr, cut to 80 characters.

    Python refuses the repr of an int of more than 4,300 digits, and a class may have one that fails.
    """
    try:
        return repr(value)[:_BRIEF]
    except Exception:  # noqa: BLE001  # it is the caller's code
        return f"a value of type {type(value).__name__}"


class reading:  # noqa: N801  # as contextlib names such classes; one made of a generator takes twice the calls
    """Around the reading of an argument, which may run code of the caller's: what that raises is ``InvalidInput``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, VStoreError):
            raise InvalidInput(
                f"{self._name} cannot be read: {type(error).__name__}", hint="The error is chained."
            ) from error


def check_flag(name: str, value: object) -> None:
    """Raise ``InvalidInput`` unless a value is True or False itself: an array has no one truth value."""
    if type(value) is not bool:
        raise InvalidInput(f"{name} must be a bool, not {brief(value)}")


def plain(text: str) -> str:
    """Return the text itself, of a str or of a class made from it."""
    return str.__str__(text)


class VStoreError(Exception):
    """Base of every error that vstore raises.

    Attributes:
        message: What was wrong.
        hint: What to do about it; may be empty.
        backend: Name of the adapter, e.g. ``"pgvector"``; empty before one is chosen.
        operation: The public call, e.g. ``"upsert"``.
        collection: Name of the collection, or empty for calls on the store.
        retryable: True where repeating the same call may succeed.
        ids: The record ids the error is about, if any.

    Example:
        >>> try:
        ...     docs.add(["a"], [[1.0, 0.0, 0.2]])
        ... except vstore.AlreadyExists as error:
        ...     print(error.ids, error.hint, error.retryable)
    """

    default_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        backend: str = "",
        operation: str = "",
        collection: str = "",
        retryable: bool | None = None,
        ids: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.backend = backend
        self.operation = operation
        self.collection = collection
        self.retryable = self.default_retryable if retryable is None else retryable
        self.ids = list(ids)
        self._masked: set[int] = set()  # hashes: an error is kept, pickled and sent about with its attributes

    def add_context(self, *, backend: str, operation: str, collection: str) -> None:
        """Fill in what the place that raised the error could not know; never overwrite."""
        self.backend = self.backend or backend
        self.operation = self.operation or operation
        self.collection = self.collection or collection

    def redact(self, secrets: Sequence[str]) -> None:
        """Replace the secrets in the texts of this error, and of those that it chains, by ``***``.

        Call it when the errors that it comes from are chained: what they say is where a secret can come from.
        """
        given = tuple(filter(None, secrets))
        if not given:
            return
        chain = chained(self)
        for error in chain:
            if isinstance(error, VStoreError):
                error._mask(given)
        mask_others(chain, given)

    def _mask(self, secrets: Sequence[str]) -> None:
        new = tuple(secret for secret in secrets if hash(secret) not in self._masked)
        self._masked |= set(map(hash, new))
        self.message = mask(self.message, new, said_by_others(self))
        self.hint = mask(self.hint, new, ())
        self.args = (self.message,)

    def __str__(self) -> str:
        place = self.operation
        if self.collection:
            place = f"{place} on {self.collection!r}" if place else repr(self.collection)
        head = ": ".join(part for part in (self.backend, place) if part)
        message = self.message if self.message.endswith((".", "!", "?")) else f"{self.message}."
        parts = [f"{head}: {message}" if head else message]
        if self.ids:
            named = ", ".join(repr(i) for i in self.ids[:_NAMED_IDS])
            more = len(self.ids) - _NAMED_IDS
            parts.append(f"Ids: {named}" + (f" and {more} more" if more > 0 else "") + ".")
        if self.hint:
            parts.append(self.hint)
        if self.retryable:
            parts.append("A retry may help.")
        return " ".join(parts)


class InvalidInput(VStoreError):
    """An argument breaks the contract; nothing was sent to the database."""


class Unsupported(VStoreError):
    """The capability record says NO; nothing was sent to the database."""


class NotFound(VStoreError, LookupError):
    """A collection, or the records named in ``ids``, do not exist; nothing was written. It is a ``LookupError`` too."""

    @classmethod
    def of_collection(cls, name: str) -> Self:
        """Return the error for a missing collection."""
        return cls(
            "there is no such collection", hint="list_collections() names those that are there.", collection=name
        )

    @classmethod
    def of_records(cls, ids: Sequence[str]) -> Self:
        """Return the error for an update of missing records."""
        return cls("records do not exist; nothing was written", ids=ids, hint="Use upsert.")


class AlreadyExists(VStoreError):
    """A collection, or the records named in ``ids``, exist already; nothing was written."""

    @classmethod
    def of_records(cls, ids: Sequence[str]) -> Self:
        """Return the error for an add of existing records."""
        return cls("records exist already; nothing was written", ids=ids, hint="Use upsert.")


class Mismatch(VStoreError):
    """What exists differs from what was asked: dimension, metric, embedder or format."""

    @classmethod
    def not_created_here(cls, name: str) -> Self:
        """Of a collection, or what has a collection's name, that another program created."""
        return cls(
            f"{name!r} exists, but vstore did not create it",
            hint="Work on it through store.native, or copy it into a new collection.",
            collection=name,
        )

    @classmethod
    def created_here(cls, name: str) -> Self:
        """Of a collection that vstore created, where one of another program is wanted."""
        return cls(f"vstore created {name!r}", hint="Open it without mapping=.", collection=name)


class PartialWrite(VStoreError):
    """A write failed midway on a database that cannot roll back.

    Attributes:
        written: The ids that are known to be written. The others of the call may or may not be.
    """

    default_retryable = True

    def __init__(
        self, message: str, *, written: Sequence[str] = (), hint: str = "", retryable: bool | None = None
    ) -> None:
        super().__init__(message, hint=hint, retryable=retryable)
        self.written = list(written)


class LimitExceeded(VStoreError):
    """A limit of this backend (see ``store.capabilities.limits``) is exceeded."""


class AuthenticationFailed(VStoreError):
    """The server refused the credentials, or the user lacks a permission."""


class Unavailable(VStoreError):
    """The server cannot be reached, or the connection was lost."""

    default_retryable = True


class Timeout(VStoreError, TimeoutError):
    """The call did not end within the timeout; a write may or may not have happened. It is a ``TimeoutError`` too."""

    default_retryable = True


class Closed(VStoreError):
    """The store was closed, or belongs to another process or another event loop than the one that calls."""


class BackendError(VStoreError):
    """The database failed in a way no other kind describes; its own error is chained."""


HTTP_KINDS: Final[Mapping[int, type[VStoreError]]] = {
    401: AuthenticationFailed,
    403: AuthenticationFailed,
    404: NotFound,
    407: AuthenticationFailed,
    408: Timeout,
    409: AlreadyExists,
    413: LimitExceeded,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Timeout,
}
"""What an HTTP status means of itself, from a database or from a proxy in between; other statuses mean nothing."""


@contextmanager
def partial_write_context(done: Sequence[str]) -> Iterator[None]:
    """Around one request of a call that takes several: an error says which records are done, if there are any."""
    if done:
        log("splits", DEBUG, "a call takes several requests: %d records are done, the next request follows", len(done))
    try:
        yield
    except VStoreError as error:
        if not done:
            raise
        raise PartialWrite(
            f"{len(done):,} records are done; the next part failed: {error.message}",
            written=done,
            hint="Call again with the others.",
            retryable=error.retryable,
        ) from error
