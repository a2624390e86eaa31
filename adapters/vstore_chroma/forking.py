"""Chroma's clients in a forked process: those that it inherits, and new ones.

A fork copies the memory of an embedded engine and none of its threads. The copy waits for them for ever when it is
called, stopped or finalised. A new engine works beside it, unless a thread of the parent was inside SQLite at the time
of the fork: the lock that it held is never released in the child (seen in 1 of 10 forks beside a busy engine, 1.5.9).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from threading import Lock
from typing import Final
from weakref import WeakSet

from chromadb.api import AsyncClientAPI, ClientAPI
from chromadb.api.shared_system_client import SharedSystemClient
from chromadb.config import System

from vstore.errors import Closed, Unavailable
from vstore.spi.forking import abandon, in_children

__all__ = ["check_engine", "check_own", "own"]

_EMBEDDED: Final = "chromadb.api.rust.RustBindingsAPI"
_own: Final[WeakSet[System]] = WeakSet()
_inherited: Final[WeakSet[System]] = WeakSet()
_doubtful = False


def own(system: System) -> None:
    """Says that this process has started an engine, or the client of a server, outside chromadb's registry."""
    _own.add(system)


def _leave_to_parent() -> None:
    """Leaves what is open to the parent; the registry would hand its engine out again for the same path."""
    global _doubtful
    SharedSystemClient._refcount_lock = Lock()
    shared = SharedSystemClient._identifier_to_system
    for system in {*_own, *shared.values()}:
        _inherited.add(system)
        abandon(system)
        _doubtful = _doubtful or system.settings.chroma_api_impl == _EMBEDDED
    for identifier in [i for i, system in shared.items() if system.settings.chroma_api_impl == _EMBEDDED]:
        del shared[identifier]
        SharedSystemClient._identifier_to_refcount.pop(identifier, None)


in_children(_leave_to_parent)


def check_own(client: ClientAPI | AsyncClientAPI) -> None:
    """Raises ``Closed`` for a client that was open when this process was forked: it is the parent's."""
    if getattr(getattr(client, "_server", None), "_system", None) in _inherited:
        raise Closed(
            f"this client of chromadb was opened before process {os.getpid()} was forked",
            hint="Open one in this process.",
        )


def check_engine(trial: Callable[[], object], timeout: float) -> None:
    """Makes sure, once in a process that has inherited an engine, that a new one works.

    Args:
        trial: Opens and uses an engine; a process of its own runs it, since nothing can end it where it hangs.
        timeout: Seconds that it may take.

    Raises:
        Unavailable: It did not work.
    """
    global _doubtful
    if not _doubtful:
        return
    child = os.fork()
    if child == 0:
        worked = False
        try:
            trial()
            worked = True
        finally:
            os._exit(0 if worked else 1)
    if _exit_code(child, timeout) != 0:
        raise Unavailable(
            "the embedded engine of Chroma does not start in this process, which was forked while one was at work",
            hint="Start processes with spawn, connect after the fork only, or use a server: chroma://host:port.",
            retryable=False,
        )
    _doubtful = False


def _exit_code(child: int, timeout: float) -> int | None:
    """Return how a process ended; None where it had to be killed."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
