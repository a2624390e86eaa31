"""One table: what pymilvus and gRPC raise, as the contract's errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Final

import grpc
from pymilvus.exceptions import ConnectionConfigException, MilvusException

from vstore.errors import (
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

__all__ = ["answered", "guarded", "not_loaded", "translate", "vanished", "without_index"]

_NO_INDEX: Final = 700
_UNREACHED: Final = 2
_VANISHED: Final = "incomplete query result"
_HINTS: Final[Mapping[type[VStoreError], str]] = {
    **HINTS,
    AuthenticationFailed: "Check token=, or the user and password of the URL, and what they permit.",
    Unavailable: "Check that the Milvus server runs and is reachable at this host and port.",
}
# pymilvus reports most failures to connect, a wrong password among them, as code 2; gRPC's own error, chained
# to its, knows better
_GRPC: Final[dict[grpc.StatusCode, type[VStoreError]]] = {
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Timeout,
    grpc.StatusCode.PERMISSION_DENIED: AuthenticationFailed,
    grpc.StatusCode.RESOURCE_EXHAUSTED: LimitExceeded,
    grpc.StatusCode.UNAUTHENTICATED: AuthenticationFailed,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
}
# by Milvus's own code: https://github.com/milvus-io/milvus/blob/master/pkg/util/merr/errors.go
_CODES: Final[dict[int, type[VStoreError]]] = {
    _UNREACHED: Unavailable,  # service unavailable, and pymilvus's "Fail connecting to server"
    3: LimitExceeded,  # memory limit exceeded
    4: Unavailable,  # too many requests
    7: Unavailable,  # disk limit
    8: Unavailable,  # rate limit
    9: Unavailable,  # force deny: disk or memory quota
    11: Unavailable,  # its parts' clocks are far apart
    12: Unavailable,  # resources insufficient at this moment
    100: NotFound,
    101: Unavailable,  # not loaded
    102: LimitExceeded,  # number of collections
    103: Unavailable,  # not fully loaded
    106: Unavailable,  # recovering
    200: NotFound,  # partition
    401: Unavailable,  # replica not available
    500: Unavailable,  # channel not found: just after the load of a collection
    501: Unavailable,
    502: Unavailable,
    503: Unavailable,
    600: Unavailable,  # segments on their way from one node to another
    601: Unavailable,
    602: Unavailable,
    800: NotFound,  # database
    901: Unavailable,  # node not found: a server that comes back counts its parts anew
    902: Unavailable,  # node offline
    903: Unavailable,  # node lacks
    905: Unavailable,  # node not available
    1400: AuthenticationFailed,
    1401: AuthenticationFailed,
    1402: AuthenticationFailed,
    2200: Unavailable,  # as _VANISHED
    10000: Unavailable,  # cancelled
    10001: Timeout,
}
# by text, where the code is 1 (unexpected error, in Milvus Lite and old servers) or 65535 (unknown)
_TEXTS: Final[list[tuple[str, type[VStoreError]]]] = [
    ("already exist", AlreadyExists),
    ("duplicated new collection name", AlreadyExists),
    ("create duplicate collection", AlreadyExists),
    ("collection not found", NotFound),
    ("can't find collection", NotFound),
    ("database not found", NotFound),
    ("partition name vstore_", NotFound),  # "… not found"
    ("does not exist", NotFound),
    ("Invalid collection name", NotFound),  # of one that is looked for: those that are made have legal names
    ("message larger than max", LimitExceeded),
    ("empty grpc client", Unavailable),  # a part of a server that is starting does not reach another one yet
    ("connection refused", Unavailable),
    ("node not found", Unavailable),
    (_VANISHED, Unavailable),
    ("service not ready", Unavailable),
    ("call() load", Unavailable),
    ("not loaded", Unavailable),
    ("Retry timeout", Timeout),
    ("timeout", Timeout),
    ("deadline exceeded", Timeout),
    ("auth check failure", AuthenticationFailed),
    ("Fail connecting", Unavailable),
]


def translate(error: Exception) -> VStoreError:
    """Return the contract's error for one of pymilvus or gRPC; ``BackendError`` where none fits."""
    return _about_tls(error) or _told(error)


def _told(error: Exception) -> VStoreError:
    kind = _kind(error)
    return kind(f"{type(error).__name__}: {_text(error)}", hint=_HINTS.get(kind, ""))


def _text(error: Exception) -> str:
    if isinstance(error, MilvusException):
        text = f"code {error.code}: {error.message}"
    elif isinstance(error, grpc.RpcError) and callable(getattr(error, "details", None)):
        text = f"{error.code().name}: {error.details()}"
    else:
        text = str(error)
    return " ".join(text.split())[:MAX_TEXT]


def _chain(error: Exception) -> Iterator[BaseException]:
    """Yield the error, its cause, the cause of that; pymilvus's chains may have a loop."""
    found: BaseException | None = error
    for _ in range(8):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__


def _about_tls(error: Exception) -> VStoreError | None:
    said = "".join(str(found) for found in _chain(error) if isinstance(found, grpc.RpcError))
    return about_tls(said, _text(error), scheme="milvus", authorities="GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")


def _kind(error: Exception) -> type[VStoreError]:
    for found in _chain(error):
        if isinstance(found, grpc.FutureTimeoutError | TimeoutError):
            return Timeout
        code = found.code() if isinstance(found, grpc.RpcError) and callable(getattr(found, "code", None)) else None
        if code is None and isinstance(found, MilvusException) and isinstance(found.code, grpc.StatusCode):
            code = found.code
        if code in _GRPC:
            return _GRPC[code]
    text = str(error)
    if not isinstance(error, MilvusException):
        return BackendError
    if isinstance(error, ConnectionConfigException):
        return Unavailable
    if error.code in _CODES:
        return _CODES[error.code]
    for part, kind in _TEXTS:
        if part in text:
            return kind
    return BackendError


def answered(error: VStoreError) -> bool:
    """Return whether the server sent the error, rather than the client for want of a server."""
    cause = error.__cause__
    return isinstance(cause, MilvusException) and type(cause.code) is int and cause.code != _UNREACHED


def not_loaded(error: VStoreError) -> bool:
    """Return whether a collection is not loaded: another client has released it, or the server restarted."""
    cause = error.__cause__
    if not isinstance(cause, MilvusException):
        return False
    return cause.code in (101, 103) or "not loaded" in cause.message or "call load()" in cause.message


def vanished(error: VStoreError) -> bool:
    """Return whether a hit was gone before its fields were read: another client has deleted it meanwhile."""
    cause = error.__cause__
    return isinstance(cause, MilvusException) and (cause.code == 2200 or _VANISHED in cause.message)


def without_index(error: VStoreError) -> bool:
    """Return whether loading met a collection that has no index."""
    cause = error.__cause__
    return isinstance(cause, MilvusException) and (cause.code == _NO_INDEX or "index not found" in cause.message)


_inside: ContextVar[bool] = ContextVar("inside", default=False)


class _Quiet(logging.Filter):
    """Keeps a log free of what a call of ours reports anyway.

    pymilvus logs every error with its traceback before it raises it; what a caller handles, such as a
    NotFound, would stand in his log as an error, and what he does not handle would stand there twice.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not _inside.get()


for _name in ("pymilvus.decorators", "pymilvus.client.connection_manager", "milvus_lite.server_manager"):
    logging.getLogger(_name).addFilter(_Quiet())


_TRANSLATING: Final = translating(translate)


class guarded:  # noqa: N801  # as contextlib names such classes; one made of a generator takes twice the calls
    """Turns every error of a call of pymilvus into one of the contract, and keeps it out of the log."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _inside.set(True)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                _TRANSLATING.__exit__(kind, error, traceback)
        finally:
            _inside.reset(self._token)
