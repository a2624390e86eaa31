"""What pymilvus and gRPC raise, as the contract's errors."""

from __future__ import annotations

import logging

import grpc
import pytest
from pymilvus.exceptions import ConnectionConfigException, MilvusException, ParamError

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
from vstore_milvus.errors import answered, guarded, not_loaded, translate


class Rpc(grpc.RpcError):
    """What gRPC raises: the class has no constructor of its own."""

    def __init__(self, code: grpc.StatusCode) -> None:
        super().__init__()
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "details"


def caused(code: int, cause: Exception) -> Exception:
    error = MilvusException(code, "Fail connecting to server on h:1, illegal connection params or server unavailable")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Rpc(grpc.StatusCode.DEADLINE_EXCEEDED), Timeout),
        (Rpc(grpc.StatusCode.UNAVAILABLE), Unavailable),
        (Rpc(grpc.StatusCode.RESOURCE_EXHAUSTED), LimitExceeded),
        (Rpc(grpc.StatusCode.UNAUTHENTICATED), AuthenticationFailed),
        (Rpc(grpc.StatusCode.INTERNAL), BackendError),
        # the same code 2, told apart by its cause
        (caused(2, Rpc(grpc.StatusCode.UNAUTHENTICATED)), AuthenticationFailed),
        (caused(2, Rpc(grpc.StatusCode.DEADLINE_EXCEEDED)), Timeout),
        (caused(2, Rpc(grpc.StatusCode.UNAVAILABLE)), Unavailable),
        (MilvusException(2, "Fail connecting to server"), Unavailable),
        (MilvusException(grpc.StatusCode.UNAVAILABLE, "Retry timeout: 1s"), Unavailable),
        (MilvusException(65535, "empty grpc client: failed to connect h:53100, reason: …"), Unavailable),
        (MilvusException(901, "node not found[node=3]"), Unavailable),
        (MilvusException(602, "segment lacks[segment=3]"), Unavailable),
        (MilvusException(2200, "inconsistent requery result"), Unavailable),
        (MilvusException(7, "disk limit exceeded"), Unavailable),
        (MilvusException(10001, "context deadline"), Timeout),
        (MilvusException(100, "can't find collection"), NotFound),
        (MilvusException(1100, "Invalid collection name: *. the first character …"), NotFound),
        (MilvusException(1, "collection 'x' already exists"), AlreadyExists),
        (MilvusException(65535, "duplicated new collection name default:x"), AlreadyExists),
        (MilvusException(200, "partition not found[partition=vstore_1]"), NotFound),
        (MilvusException(65535, "partition name vstore_1 not found"), NotFound),
        (MilvusException(65535, "create duplicate collection with different parameters"), AlreadyExists),
        (MilvusException(800, "database not found"), NotFound),
        (MilvusException(101, "collection not loaded"), Unavailable),
        (MilvusException(1400, "unauthenticated"), AuthenticationFailed),
        (MilvusException(65535, "something"), BackendError),
        (ConnectionConfigException(message="Open local milvus failed"), Unavailable),
        (ParamError(message="a bug of ours"), BackendError),
        (TimeoutError(), Timeout),
        (ValueError("a bug of ours"), BackendError),
    ],
)
def test_table(error: Exception, kind: type[VStoreError]) -> None:
    found = translate(error)
    assert type(found) is kind
    assert found.hint or kind is BackendError


def test_what_a_server_answered_is_told_apart() -> None:
    for raised, answer in (
        (MilvusException(100, "x"), True),
        (MilvusException(65535, "x"), True),
        (MilvusException(2, "Fail connecting to server"), False),
        (MilvusException(grpc.StatusCode.UNAVAILABLE, "Retry timeout: 1s"), False),
        (Rpc(grpc.StatusCode.DEADLINE_EXCEEDED), False),
    ):
        with pytest.raises(VStoreError) as caught, guarded():
            raise raised
        assert answered(caught.value) is answer


def test_what_can_be_loaded_is_told_apart() -> None:
    for raised, answer in (
        (MilvusException(101, "x"), True),
        (MilvusException(100, "x"), False),
        (ValueError(), False),
    ):
        with pytest.raises(VStoreError) as caught, guarded():
            raise raised
        assert not_loaded(caught.value) is answer


def test_the_log_of_pymilvus_is_silent_inside_and_only_there(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("pymilvus.decorators")
    with guarded():
        log.error("inside")
    log.error("outside")
    assert [record.message for record in caplog.records] == ["outside"]
