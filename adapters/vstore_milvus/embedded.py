"""Milvus Lite in this process: who holds a file, and when its engine stops."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Final

from filelock import FileLock
from filelock import Timeout as LockTaken

from vstore.errors import InvalidInput, Unavailable, Unsupported
from vstore.spi.durable import check_links, prepare
from vstore.spi.forking import abandon, in_children
from vstore_milvus.errors import guarded
from vstore_milvus.held import Held

__all__ = ["LiteFile"]

_LOCK: Final = "LOCK"  # the file that Milvus Lite locks
_STOP_SECONDS: Final = 5
_registry = Lock()
_users: dict[str, int] = {}
_locks: dict[str, Lock] = {}
_held: dict[str, Held] = {}


def _let_go() -> None:
    """Leaves the parent's engines to the parent, in a forked child.

    Left to itself Milvus Lite stops them when the child ends: it writes their memory into the parent's files and gives
    back the parent's lock. Until then pymilvus would connect the child to the parent's engine.
    """
    global _registry  # another thread of the parent may hold it
    _registry = Lock()
    _users.clear()
    _locks.clear()
    _held.clear()
    if (module := sys.modules.get("milvus_lite.server_manager")) is None:
        return
    manager = module.server_manager_instance
    manager._lock = Lock()
    for engine in manager._servers.values():
        abandon(engine)
        with suppress(OSError, TypeError):  # its lock would outlive the parent in this descriptor
            os.close(engine[1]._lock_fd)
    manager._servers.clear()


in_children(_let_go)


class LiteFile:
    """A file of Milvus Lite, held by this process from ``LiteFile(path)`` to ``release()``.

    Milvus Lite 3 is a server in threads of this process, and pymilvus starts one a file. It never stops it
    before the process ends, so the file stays locked and a second process locked out: here the last user
    stops it, unless the application itself had opened the file before.

    Attributes:
        path: The file (a directory, in fact).
        uri: Where its engine listens on the loopback.
        lock: What every call on this file holds: the engine writes in one thread only, says its documentation.
        held: The metadata of its collections, in memory.
    """

    def __init__(self, path: str) -> None:
        """Opens the file, and makes it if there is none.

        Raises:
            Unavailable: Another process has it, or it cannot be made.
            Unsupported: milvus-lite is not installed.
        """
        try:
            from milvus_lite.server_manager import server_manager_instance as manager
        except ImportError as error:
            raise Unsupported(
                f"a file needs the package milvus-lite: {error}",
                hint="Install it with pip install 'vstore-db[milvus-embedded]'.",
            ) from error
        self.path = path
        self._released = False
        with _registry:
            foreign = path not in _users and path in getattr(manager, "_servers", ())
            _make_ready(Path(path))
            with guarded():
                uri = manager.start_and_get_uri(path)
            if uri is None:  # it logs why and says nothing
                raise _refusal(path)
            self.uri = uri
            self.lock = _locks.setdefault(path, Lock())
            self.held = _held.setdefault(path, Held(partial(_collection, path)))
            _users[path] = _users.get(path, 1 if foreign else 0) + 1

    def release(self) -> None:
        """Gives the file back; a second call does nothing."""
        from milvus_lite.server_manager import server_manager_instance as manager

        with _registry:
            if self._released:
                return
            self._released = True
            _users[self.path] -= 1
            if not _users[self.path]:
                del _users[self.path], _locks[self.path], _held[self.path]
                server, *_ = manager._servers[self.path]
                manager.release_server(self.path)
                server.wait_for_termination(_STOP_SECONDS)  # a child forked while its threads end is aborted by gRPC


def _collection(path: str, name: str) -> Any:
    """Return the engine's collection of a name in the file; None where it has not opened one."""
    from milvus_lite.server_manager import server_manager_instance as manager

    engine = manager._servers.get(path)
    return None if engine is None else getattr(engine[1], "_collections", {}).get(("default", name))


def _make_ready(path: Path) -> None:
    """Makes the folder around a database, and its lock if the database is there.

    Raises:
        Unavailable: It cannot be made, or Milvus Lite would follow a link that stands there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{path} cannot be made: {error.strerror or error}", retryable=False) from error
    try:
        with suppress(OSError):  # Milvus Lite will meet it too, and _refusal says what it is
            prepare(path / _LOCK)
            check_links(path)
    except InvalidInput as error:
        raise Unavailable(error.message, hint=error.hint, retryable=False) from None


def _refusal(path: str) -> Unavailable:
    try:
        with FileLock(Path(path) / _LOCK, timeout=0):
            return Unavailable(f"Milvus Lite cannot open {path}", hint="Name a database of milvus-lite 3.")
    except LockTaken:
        return Unavailable(
            f"the file {path} is open in another process, and Milvus Lite allows one at a time",
            hint="Close it there, or run a Milvus server and connect both to milvus://host:port.",
        )
    except OSError as error:
        return Unavailable(
            f"the file {path} cannot be used: {error.strerror or error}",
            hint="Milvus Lite writes into what it opens: name a place where this user may make files.",
            retryable=False,
        )
