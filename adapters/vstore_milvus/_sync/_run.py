"""What differs between the sync adapter and its async source; both are hand-written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Condition, Lock
from time import sleep
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from pymilvus import MilvusClient
from pymilvus.client.utils import check_status
from pymilvus.decorators import retry_on_rpc_failure
from pymilvus.grpc_gen.milvus_pb2 import SearchRequest

from vstore_milvus.forking import calling

__all__ = [
    "MADE",
    "Closer",
    "Condition",
    "Guard",
    "Lock",
    "bounded",
    "calling",
    "compute",
    "connection",
    "search",
    "sleep",
]

P = ParamSpec("P")
T = TypeVar("T")

Closer: TypeAlias = Callable[[], None]
Guard: TypeAlias = AbstractContextManager[Any]

# What goes with a request that is made already: without a schema GrpcHandler asks the server for one each time.
MADE: Final[dict[str, Any]] = {"schema": {"fields": []}}


def bounded(result: T, seconds: float) -> T:  # noqa: ARG001  # its twin uses it
    """Return the result of a call, which the sync client bounds itself."""
    return result


def connection(client: MilvusClient) -> Any:
    """Return what a client sends its requests by."""
    return client._get_connection()


@retry_on_rpc_failure()  # type: ignore[untyped-decorator]
def search(sender: Any, request: SearchRequest, *, timeout: float, metadata: Any) -> Any:
    """Return what a search that is made already answers."""
    answer = sender._stub.Search(request, timeout=timeout, metadata=metadata)
    check_status(answer.status)
    return answer.results


def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``."""
    return function(*args, **kwargs)
