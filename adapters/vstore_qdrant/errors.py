"""One table: what the client and the engine of Qdrant raise, as the contract's errors."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Final

import grpc
import httpx
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

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

__all__ = ["guarded", "translate"]

_AUTHORITIES: Final = "SSL_CERT_FILE, and for gRPC in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
_HINTS: Final[Mapping[type[VStoreError], str]] = {
    **HINTS,
    AuthenticationFailed: "Check api_key=, and what it permits.",
    Unavailable: "Check that the Qdrant server runs and is reachable at this host and port (qdrant+https:// for TLS).",
}
_CODES: Final[dict[grpc.StatusCode, type[VStoreError]]] = {
    grpc.StatusCode.ALREADY_EXISTS: AlreadyExists,
    grpc.StatusCode.DEADLINE_EXCEEDED: Timeout,
    grpc.StatusCode.NOT_FOUND: NotFound,
    grpc.StatusCode.PERMISSION_DENIED: AuthenticationFailed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceeded,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationFailed,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}
# by text, where the class says nothing: local mode raises ValueError, the server 400 for a name that is taken,
# the engine a bare Exception
_TEXTS: Final[list[tuple[str, type[VStoreError]]]] = [
    ("already exists", AlreadyExists),
    ("[collection_name: ", NotFound),
    ("Collection", NotFound),
    ("No point with id", NotFound),
    ("Shard is not initialized", NotFound),
    ("already accessed by another instance", Unavailable),
    # the log of a shard is locked: a process that died has left its child building the index
    ("Can't init WAL: Kind(WouldBlock)", Unavailable),
]
# what the engine says of a directory that nobody may write: EACCES, EROFS
_READ_ONLY: Final = ("(os error 13)", "(os error 30)")
# what of these a server says: that a name is taken, or cannot be one (a new one is a name for certain, COL-1)
_ANSWERED: Final = ("already exists", "[collection_name: ")


def translate(error: Exception) -> VStoreError:
    """Return the contract's error for one of Qdrant, httpx or gRPC; ``BackendError`` where none fits."""
    shown = error.source if isinstance(error, ResponseHandlingException) else error
    text = _text(shown).strip()[:MAX_TEXT]
    if isinstance(shown, httpx.TransportError | grpc.RpcError):
        told = about_tls(text, text, scheme="qdrant", authorities=_AUTHORITIES)
        if told is not None:
            return told
    if type(shown) is Exception and any(sign in text for sign in _READ_ONLY):
        return Unavailable(
            f"Qdrant's engine writes to every collection that it opens, and may not here: {text}",
            hint="Make the directory writable, or copy it.",
            retryable=False,
        )
    kind = _kind(shown)
    name = type(shown).__name__
    return kind(f"{name}: {text}" if text else name, hint=_HINTS.get(kind, ""))


def _text(error: Exception) -> str:
    if isinstance(error, grpc.RpcError) and hasattr(error, "details"):
        return error.details() or ""
    return str(error)


def _kind(error: Exception) -> type[VStoreError]:
    if isinstance(error, UnexpectedResponse):
        kind = HTTP_KINDS.get(error.status_code or 0, BackendError)
        return _by_text(str(error), _ANSWERED) if kind is BackendError else kind
    if isinstance(error, grpc.RpcError) and hasattr(error, "code"):
        kind = _CODES.get(error.code(), BackendError)
        return _by_text(_text(error), _ANSWERED) if kind is BackendError else kind
    if isinstance(error, httpx.TimeoutException):
        return Timeout
    if isinstance(error, httpx.TransportError | ResourceExhaustedResponse):
        return Unavailable
    return _by_text(str(error), tuple(part for part, _ in _TEXTS))


def _by_text(text: str, parts: tuple[str, ...]) -> type[VStoreError]:
    for part, kind in _TEXTS:
        if part in parts and part in text and (part != "Collection" or text.endswith("not found")):
            return kind
    return BackendError


def guarded() -> AbstractContextManager[None]:
    """Turns every error of a call of Qdrant into one of the contract."""
    return _GUARDED


_GUARDED: Final = translating(translate, engine="Qdrant's engine")
