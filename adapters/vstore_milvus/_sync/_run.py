"""What differs between the sync adapter and its async source; both are hand-written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Condition, Lock
from time import sleep
from typing import Any, ParamSpec, TypeAlias, TypeVar

from pymilvus import MilvusClient

from vstore_milvus.forking import calling

__all__ = ["Closer", "Condition", "Guard", "Lock", "bounded", "calling", "compute", "connection", "sleep"]

P = ParamSpec("P")
T = TypeVar("T")

Closer: TypeAlias = Callable[[], None]
Guard: TypeAlias = AbstractContextManager[Any]


def bounded(result: T, seconds: float) -> T:  # noqa: ARG001  # its twin uses it
    """Return the result of a call, which the sync client bounds itself."""
    return result


def connection(client: MilvusClient) -> Any:
    """Return what a client sends its requests by."""
    return client._get_connection()


def compute(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return the result of ``function``."""
    return function(*args, **kwargs)
