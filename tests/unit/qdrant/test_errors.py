"""Qdrant's errors to the contract's, as a table."""

from __future__ import annotations

import grpc
import httpx
import pytest
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from vstore import errors
from vstore_qdrant.errors import guarded, translate


def _answered(status: int, text: str = "") -> Exception:
    return UnexpectedResponse(status, "reason", text.encode(), httpx.Headers())


class _Rpc(grpc.RpcError):  # type: ignore[misc]  # grpc ships no types
    """As grpc raises it; its own class needs a call."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "details"


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (ValueError("Collection x not found"), errors.NotFound, False),
        (ValueError("Collection x already exists"), errors.AlreadyExists, False),
        (Exception("No point with id 7"), errors.NotFound, False),
        (Exception("Service runtime error: Shard is not initialized"), errors.NotFound, False),
        (Exception("Service runtime error: disk full"), errors.BackendError, False),
        (Exception("failed to open WAL x: Can't init WAL: Kind(WouldBlock)"), errors.Unavailable, True),
        (ValueError("odd"), errors.BackendError, False),
        (Exception("Failed to open mmap payload storage: Permission denied (os error 13)"), errors.Unavailable, False),
        (_answered(422, 'Validation error in path: [collection_name: value: "docs/"]'), errors.NotFound, False),
        (_answered(422, "Validation error in body: [limit: 0]"), errors.BackendError, False),
        (
            ResponseHandlingException(httpx.ConnectError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed")),
            errors.AuthenticationFailed,
            False,
        ),
        (
            ResponseHandlingException(httpx.ConnectError("[SSL: WRONG_VERSION_NUMBER] wrong version number")),
            errors.Unavailable,
            False,
        ),
        (ResponseHandlingException(httpx.RemoteProtocolError("illegal request line")), errors.Unavailable, False),
        (_answered(400, "Wrong input: Collection `x` already exists!"), errors.AlreadyExists, False),
        (_answered(400, "Wrong input: Vector dimension"), errors.BackendError, False),
        (_answered(401), errors.AuthenticationFailed, False),
        (_answered(403), errors.AuthenticationFailed, False),
        (_answered(404), errors.NotFound, False),
        (_answered(409), errors.AlreadyExists, False),
        (_answered(413), errors.LimitExceeded, False),
        (_answered(429), errors.Unavailable, True),
        (_answered(500), errors.BackendError, False),
        (_answered(503), errors.Unavailable, True),
        (_answered(504), errors.Timeout, True),
        (ResourceExhaustedResponse("slow down", 1), errors.Unavailable, True),
        (ResponseHandlingException(httpx.ConnectError("refused")), errors.Unavailable, True),
        (ResponseHandlingException(httpx.ReadTimeout("slow")), errors.Timeout, True),
        (ResponseHandlingException(ValueError("no JSON")), errors.BackendError, False),
        (_Rpc(grpc.StatusCode.UNAVAILABLE), errors.Unavailable, True),
        (_Rpc(grpc.StatusCode.DEADLINE_EXCEEDED), errors.Timeout, True),
        (_Rpc(grpc.StatusCode.UNAUTHENTICATED), errors.AuthenticationFailed, False),
        (_Rpc(grpc.StatusCode.NOT_FOUND), errors.NotFound, False),
        (_Rpc(grpc.StatusCode.ALREADY_EXISTS), errors.AlreadyExists, False),
        (_Rpc(grpc.StatusCode.INTERNAL), errors.BackendError, False),
    ],
)
def test_table(error: Exception, kind: type[errors.VStoreError], retryable: bool) -> None:
    found = translate(error)
    assert type(found) is kind
    assert found.retryable is retryable
    with pytest.raises(kind) as raised, guarded():
        raise error
    assert raised.value.__cause__ is error


def test_a_panic_of_the_engine_is_an_error_and_an_interrupt_is_not() -> None:
    panic = type("PanicException", (BaseException,), {})  # as pyo3 names it; its class cannot be imported
    with pytest.raises(errors.BackendError, match="panicked"), guarded():
        raise panic("index out of bounds")
    with pytest.raises(KeyboardInterrupt), guarded():
        raise KeyboardInterrupt
