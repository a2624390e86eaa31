"""Clients of pymilvus, each with a connection of its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from threading import Lock
from typing import Any, Final
from uuid import uuid4

from pymilvus import AsyncMilvusClient, MilvusClient
from pymilvus.client.ts_utils import construct_guarantee_ts
from pymilvus.client.utils import SciPyHelper
from pymilvus.grpc_gen.milvus_pb2 import SearchRequest

from vstore.spi.forking import in_children
from vstore_milvus.options import Target

__all__ = ["address", "context", "load_scipy", "open_client", "open_client_async"]

_MANAGED: Final = find_spec("pymilvus.client.connection_manager") is not None  # since pymilvus 3
_loading = Lock()


def _renew() -> None:
    """Makes a new lock in a forked child: a thread of the parent may have held the old one."""
    global _loading
    _loading = Lock()


in_children(_renew)


def open_client(target: Target, uri: str, timeout: float) -> MilvusClient:
    """Return a sync client that is connected."""
    return MilvusClient(uri, token=target.token, db_name=target.database, timeout=timeout, **_own_connection())


def open_client_async(target: Target, uri: str, seconds: float) -> AsyncMilvusClient:
    """Return an async client; it connects with its first call."""
    return AsyncMilvusClient(uri, token=target.token, db_name=target.database, timeout=seconds, **_own_connection())


def _own_connection() -> dict[str, Any]:
    """Return what gives a client a connection of its own, which ends with it.

    Left to itself pymilvus shares one among the clients of an address. 2.6.4 closes it with the first of them, the
    application's own among those that then fail; 3.0.2 never closes it, and lends a plain one to a client that asks
    for TLS.
    """
    return {"dedicated": True} if _MANAGED else {"alias": uuid4().hex}


def context(client: MilvusClient | AsyncMilvusClient) -> dict[str, Any]:
    """Return what a client's connection must be told with a request: which database, since pymilvus 3."""
    make = getattr(client, "_generate_call_context", None)
    return {} if make is None else {"context": make()}


def address(
    request: SearchRequest, sender: Any, name: str, partitions: Sequence[str], level: str, told: dict[str, Any]
) -> list[tuple[str, Any]] | None:
    """Tells a search whom it is for and what it must see, as pymilvus does; return what goes beside it.

    Args:
        request: The search.
        sender: What it is sent by.
        name: The collection.
        partitions: Its partitions that are searched; all where there is none.
        level: The level of consistency.
        told: What ``context`` returns.
    """
    call = told.get("context")
    request.collection_name = name
    request.partition_names[:] = partitions
    asked: dict[str, Any] = {"consistency_level": level}
    construct_guarantee_ts(name, asked, *((sender.server_address, call.get_db_name()) if call else ()))
    request.consistency_level = asked["consistency_level"]
    request.guarantee_timestamp = asked["guarantee_timestamp"]
    return call.to_grpc_metadata() if call else None


def load_scipy() -> None:
    """Has pymilvus look for scipy now.

    It does so with the first vector it sends, and where several threads send their first at once, the import fails with
    a deadlock (pymilvus 3.0.2, ``SciPyHelper._init``, which runs a second copy of ``scipy.sparse``).
    """
    with _loading:
        SciPyHelper.is_scipy_sparse(None)
