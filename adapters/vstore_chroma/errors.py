"""One table: what Chroma raises, as the contract's errors."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

import chromadb.errors as chroma
import httpx

from vstore.errors import (
    HTTP_KINDS,
    AlreadyExists,
    AuthenticationFailed,
    BackendError,
    LimitExceeded,
    NotFound,
    Timeout,
    Unavailable,
    VStoreError,
)
from vstore.spi.tls import about_tls
from vstore.spi.translation import HINTS, MAX_TEXT, translating

__all__ = ["guarded", "passing", "translate"]

_HINTS: Final[Mapping[type[VStoreError], str]] = {
    **HINTS,
    AuthenticationFailed: "Check token= and headers=, and what they permit for this tenant and database.",
    Unavailable: "Check that the Chroma server runs and is reachable at this host and port.",
}
# by class of the client's error
_CLASSES: Final[list[tuple[type[Exception], type[VStoreError]]]] = [
    (chroma.NotFoundError, NotFound),
    (chroma.UniqueConstraintError, AlreadyExists),
    (chroma.AuthorizationError, AuthenticationFailed),
    (chroma.ChromaAuthError, AuthenticationFailed),
    (chroma.BatchSizeExceededError, LimitExceeded),
    (chroma.QuotaError, LimitExceeded),
    (chroma.RateLimitError, Unavailable),
    (httpx.TimeoutException, Timeout),
    (httpx.TransportError, Unavailable),
]
# what a read meets while another call writes: an index whose first files are just being made, and a record that was
# found and is gone before its vector is fetched (both measured on 1.5.9); both pass in milliseconds
_PASSING: Final = ("Nothing found on disk", "Error finding id")
# by text, where the class says nothing: embedded 1.5.9 raises InternalError, HTTP ChromaError, for these
_TEXTS: Final[list[tuple[str, type[VStoreError]]]] = [
    ("Missing metadata segment", NotFound),  # of a collection that another call is deleting just now
    ("already exists", AlreadyExists),
    ("UNIQUE constraint failed", AlreadyExists),
    ("too many SQL variables", LimitExceeded),
    ("Expression tree is too large", LimitExceeded),
    ("length limit exceeded", LimitExceeded),
    *((text, Unavailable) for text in _PASSING),
    ("Could not connect", Unavailable),
]


def translate(error: Exception) -> VStoreError:
    """Return the contract's error for one of Chroma or httpx; ``BackendError`` where none fits."""
    text = str(error).strip()[:MAX_TEXT]
    if (told := about_tls(_of_connection(error), text, scheme="chroma", authorities="SSL_CERT_FILE")) is not None:
        return told
    if "different settings" in text:
        return Unavailable(
            "this process has the directory open through a chromadb client with other settings",
            hint="Pass that client: vstore.connect(client=…).",
            retryable=False,
        )
    kind = _kind(error)
    return kind(f"{type(error).__name__}: {text}" if text else type(error).__name__, hint=_HINTS.get(kind, ""))


def _of_connection(error: BaseException) -> str:
    """Return what httpx and OpenSSL say of the connection; Chroma's client wraps it, and anyio gives httpx no words."""
    said: list[str] = []
    found: BaseException | None = error
    for _ in range(8):
        if isinstance(found, httpx.TransportError | ssl.SSLError):
            said.append(str(found))
        found = found and (found.__cause__ or found.__context__)
    return "\n".join(said)


def _kind(error: Exception) -> type[VStoreError]:
    for known, kind in _CLASSES:
        if isinstance(error, known):
            return kind
    # where the answer was no JSON of Chroma (its own 413, or a proxy's), it raises a bare Exception(text) while
    # handling httpx's error, which knows the status
    if isinstance(cause := error.__context__, httpx.HTTPStatusError):
        kind = HTTP_KINDS.get(cause.response.status_code, BackendError)
        if kind is not BackendError:
            return kind
    text = str(error)
    for part, kind in _TEXTS:
        if part in text:
            return kind
    return BackendError


def passing(error: Unavailable) -> bool:
    """Return whether a read only met the writing of another call, and will succeed when made again."""
    return any(text in str(error) for text in _PASSING)


def guarded() -> AbstractContextManager[None]:
    """Turns every error of a call of Chroma into one of the contract."""
    return _GUARDED


_GUARDED: Final = translating(translate, engine="Chroma's engine")
